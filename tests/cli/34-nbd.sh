#!/usr/bin/env bash
# The nbdkit plugin: files and snapshots over NBD, as nbdcopy, nbdinfo and qemu-img read them.
. "$(dirname "$0")/../functions.sh"
requires nbdkit nbdcopy nbdinfo qemu-img qemu-io python3 jq
requires_plugin

# serve PARAMETERS... -- COMMAND: with $uri
serve() {
    local words=()
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    # A stop of its own, should the command hang.
    run timeout 120 nbdkit -U - "$plugin" "${words[@]}" --run "$2"
}
# refused SLUG PARAMETERS...: nbdkit does not start, and says why
refused() {
    local slug=$1
    shift
    if timeout 60 nbdkit -U - "$plugin" "$@" --run true 2>refused.txt; then
        fail "nbdkit started: $*"
    fi
    grep -qF "[$slug]" refused.txt || fail "not $slug: $(cat refused.txt)"
}

python3 - <<'EOF'
import random
random.seed(7)
for name, size, places in (("a.raw", 64 << 20, (0, 1 << 20, 20 << 20, (63 << 20) + 4096)),
                           ("b.raw", (2 << 30) + 512, (5, 1 << 30, (2 << 30) - 4096))):
    with open(name, "wb") as f:
        f.truncate(size)
        for off in places:
            f.seek(off)
            f.write(random.randbytes(300001 if off < size - 300001 else 4096))
EOF

# Files: each format, whole and sparse.
for target in a.vmdk a.vhd a.ova; do
    run "$VMLIFT" convert -f raw a.raw "$target"
    # shellcheck disable=SC2016
    serve "$target" -- 'qemu-img compare -f raw a.raw -F raw "$uri"'
done
# shellcheck disable=SC2016
serve b.raw format=raw -- 'nbdcopy "$uri" out.raw && cmp b.raw out.raw'

# What is stored is told as map tells it.
"$VMLIFT" map --json a.ova | jq -c '.[] | [.start, .length, .zero]' >map.txt
# shellcheck disable=SC2016
serve a.ova -- 'nbdinfo --json --map "$uri"' | jq -c '.[] | [.offset, .length, (.type != 0)]' >nbd.txt
same map.txt nbd.txt

# An unaligned read inside compressed units, from eight places at a time.
# shellcheck disable=SC2016
serve a.ova -- 'nbdcopy --threads=2 --connections=4 --requests=8 --request-size=32768 "$uri" out.raw'
same a.raw out.raw

# Machines of several disks, and snapshots.
printf 'QED\0' >none.qed
run "$VMLIFT" import --store s a.ova --name one-disk
snapshot=$("$VMLIFT" snapshot list --store s --json | jq -r '.Snapshots[0].SnapshotId')
# shellcheck disable=SC2016
serve store=s "snapshot=$snapshot" -- 'nbdcopy "$uri" out.raw'
same a.raw out.raw
# shellcheck disable=SC2016
serve store=s image=one-disk disk=1 -- 'qemu-img convert -f raw -O raw "$uri" out.raw'
same a.raw out.raw

refused nbd/config store=s
refused nbd/config a.ova snapshot=x
refused nbd/config a.ova disk=2
refused InvalidAMIID.NotFound store=s image=absent
refused InvalidSnapshot.NotFound store=s snapshot=snap-00000000000000000
refused image/foreign none.qed
gzip -k a.raw
refused nbd/needs-seek a.raw.gz

# An encrypted snapshot takes its key, and the key its passphrase.
echo 'correct horse' >phrase.txt
echo 'wrong horse' >wrong.txt
key=$("$VMLIFT" key create --store s --account 111122223333 --passphrase-file phrase.txt)
run "$VMLIFT" import --store s --account 111122223333 --encrypt --key "$key" \
    --passphrase-file phrase.txt a.ova --name secret
# shellcheck disable=SC2016
serve store=s image=secret account=111122223333 passphrase=+phrase.txt -- 'nbdcopy "$uri" out.raw'
same a.raw out.raw
refused key/passphrase store=s image=secret account=111122223333 passphrase=+wrong.txt
refused key/passphrase store=s image=secret account=111122223333
refused InvalidAMIID.NotFound store=s image=secret passphrase=+phrase.txt

# Another account reads what is shared with it: of an image that takes its snapshots, too.
refused InvalidAMIID.NotFound store=s image=one-disk account=222222222222
refused InvalidSnapshot.NotFound store=s "snapshot=$snapshot" account=222222222222
refused InvalidSnapshot.NotFound store=s "snapshot=$snapshot" region=eu-west-1
"$VMLIFT" image share --store s one-disk --with 222222222222
refused InvalidRequest store=s image=one-disk account=222222222222
"$VMLIFT" image share --store s one-disk --with 222222222222 --with-snapshots
# shellcheck disable=SC2016
serve store=s image=one-disk account=222222222222 -- 'nbdcopy "$uri" out.raw'
same a.raw out.raw

# A child with its parents, as convert takes them.
qemu-img convert -f raw -O vmdk a.raw base.vmdk
qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk
qemu-io -f vmdk -c 'write -q -P 0x5a 3M 100k' child.vmdk
qemu-img convert -f vmdk -O raw child.vmdk child.raw
refused image/parent child.vmdk
for words in parent=base.vmdk follow-parents=true; do
    # shellcheck disable=SC2016
    serve child.vmdk "$words" -- 'nbdcopy "$uri" out.raw'
    same child.raw out.raw
done

# A damaged block is an error to who reads it, never other bytes.
run "$VMLIFT" import --store d a.ova --name damaged
python3 - <<'EOF'
import glob
pack = glob.glob("d/packs/*/*.pack")[0]
with open(pack, "r+b") as f:
    f.seek(64 + 64 + 1000)
    byte = f.read(1)[0]
    f.seek(64 + 64 + 1000)
    f.write(bytes([byte ^ 4]))
EOF
# shellcheck disable=SC2016
if serve store=d image=damaged -- 'nbdcopy "$uri" out.raw' 2>damaged.txt; then
    fail "a damaged block was served"
fi
grep -qF '[store/block-damaged]' damaged.txt || fail "damage not named: $(cat damaged.txt)"
