#!/usr/bin/env bash
# check --target: what others would say of a file, and the commands that mend it, which are run.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3 sha256sum tar

python3 - <<'PY'
import random
r = random.Random(53)
def disk(name, size, *runs):
    with open(name, "wb") as f:
        f.truncate(size)
        for at, n in runs:
            f.seek(at)
            f.write(r.randbytes(n))
disk("in.raw", 40 << 20, (0, 300000), (5 << 20, 1 << 20), ((40 << 20) - 65536, 65536))
disk("odd.raw", (22 << 20) + 512, (0, 100000), (22 << 20, 512)) # ends inside a grain and a MiB
PY
PATH=$(dirname "$VMLIFT"):$PATH # the commands that are printed begin with "vmlift"

# clean TARGET FILE: neither fault nor warning.
clean() {
    "$VMLIFT" check --no-guest --target "$1" "$2" >clean.txt 2>&1 || fail "$2 for $1: $(cat clean.txt)"
    ! grep -E ": $1: (fault|warning): " clean.txt || fail "$2 for $1 is clean"
    grep -qxF "$2: $1: no fault" clean.txt || fail "$2 for $1: $(cat clean.txt)"
}

# says TARGET FILE STATUS LEVEL RULE [SENTENCE]: one of the findings, with the sentence; status 1 with
# a fault.
says() {
    local status=0
    "$VMLIFT" check --no-guest --target "$1" "$2" >found.txt 2>errors.txt || status=$?
    [ $status -eq "$3" ] || fail "$2 for $1: status $status, not $3: $(cat found.txt errors.txt)"
    grep -F "$2: $1: $4: " found.txt | grep -F "[target/$5]" | grep -qF -- "${6-}" ||
        fail "$2 for $1: no $4 target/$5 '${6-}': $(cat found.txt)"
}

# mends TARGET FILE: the commands that were printed, run by a shell, make files that the target takes.
mends() {
    local command out n=0
    "$VMLIFT" check --no-guest --target "$1" "$2" >found.txt || true
    while read -r command; do
        out=$(python3 - "$command" <<'PY'
import shlex, sys
words = shlex.split(sys.argv[1])
assert words[:2] == ["vmlift", "convert"], words
print([w for w in words[2:] if not w.startswith("-") and "=" not in w][-1])
PY
        )
        rm -f -- "$out"
        run sh -c "$command" || fail "$2 for $1: it fails: $command"
        clean "$1" "$out"
        n=$((n + 1))
    done < <(sed -n 's/^    //p' found.txt | sort -u)
    [ $n -gt 0 ] || fail "$2 for $1: no command: $(cat found.txt)"
}

# --- what vmlift writes is clean for what it is meant for ------------------------------------------

for name in in odd; do
    run "$VMLIFT" convert $name.raw v-$name.vmdk
    run "$VMLIFT" convert $name.raw v-$name.ova
    run "$VMLIFT" convert -o subformat=monolithicSparse $name.raw v-$name-sparse.vmdk
    run "$VMLIFT" convert -o subformat=fixed $name.raw v-$name-fixed.vhd
    run "$VMLIFT" convert $name.raw v-$name.vhd
    for target in aws esxi virtualbox workstation; do
        clean $target v-$name.vmdk
        clean $target v-$name.ova
    done
    for subformat in monolithicFlat twoGbMaxExtentSparse vmfs; do
        run "$VMLIFT" convert -o subformat=$subformat $name.raw v-$name-$subformat.vmdk
    done
    for target in virtualbox workstation; do
        for kind in sparse monolithicFlat twoGbMaxExtentSparse; do
            clean $target v-$name-$kind.vmdk
        done
    done
    clean esxi v-$name-vmfs.vmdk
    clean azure v-$name-fixed.vhd
    for file in v-$name-fixed.vhd v-$name.vhd $name.raw; do
        clean aws "$file"
        clean virtualbox "$file"
    done
done
# A disk without any data is the stream that is nothing but its end.
truncate -s 30M empty.raw
run "$VMLIFT" convert empty.raw v-empty.vmdk
clean esxi v-empty.vmdk

# --- VMDK --------------------------------------------------------------------------------------------

for subformat in streamOptimized monolithicSparse monolithicFlat twoGbMaxExtentSparse; do
    qemu-img convert -f raw -O vmdk -o subformat=$subformat in.raw q-$subformat.vmdk
done
says aws q-monolithicSparse.vmdk 1 fault vmdk-stream \
    'it says "File uses unsupported compression algorithm 0"'
mends aws q-monolithicSparse.vmdk
run "$VMLIFT" compare in.raw q-monolithicSparse-stream.vmdk
for subformat in monolithicFlat twoGbMaxExtentSparse; do
    says aws q-$subformat.vmdk 1 fault vmdk-stream \
        'it says "Disk validation failed [Unsupported VMDK File Format]"'
    mends aws q-$subformat.vmdk
    says esxi q-$subformat.vmdk 1 fault vmdk-hosted 'it says "Unsupported or invalid disk type"'
    mends esxi q-$subformat.vmdk
    clean workstation q-$subformat.vmdk
    clean virtualbox q-$subformat.vmdk
done
says esxi q-monolithicSparse.vmdk 1 fault vmdk-hosted
says esxi q-monolithicSparse.vmdk 1 warning adapter
mends esxi q-monolithicSparse.vmdk
# What qemu-img calls a stream has zeroes behind its end, or no end at all.
for name in in odd empty; do
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized $name.raw q-$name.vmdk
    says esxi q-$name.vmdk 1 fault vmdk-end
    says workstation q-$name.vmdk 0 warning vmdk-end
    mends esxi q-$name.vmdk
    mends workstation q-$name.vmdk
done
clean aws q-in.vmdk
says aws q-odd.vmdk 0 warning vmdk-short-grain 'it says "Uncompressed data has an invalid length"'
mends aws q-odd.vmdk
# Header version 1, as qemu-img before 2.5.1 wrote it.
python3 - <<'PY'
d = bytearray(open("v-in.vmdk", "rb").read())
d[4] = d[len(d) - 1024 + 4] = 1
open("old.vmdk", "wb").write(d)
PY
says esxi old.vmdk 1 fault vmdk-version \
    'it says "Not a supported disk format (sparse VMDK version too old)"'
mends esxi old.vmdk
qemu-img create -q -f vmdk -o subformat=monolithicSparse,zeroed_grain=on zero.vmdk 30M
python3 - <<'PY'
d = bytearray(open("zero.vmdk", "rb").read())
d[4] = 2
open("two.vmdk", "wb").write(d)
PY
says virtualbox two.vmdk 1 fault vmdk-version
mends virtualbox two.vmdk
says esxi q-twoGbMaxExtentSparse-s001.vmdk 1 fault vmdk-piece
# ESXi's own, beside its data.
sed 's/createType=.*/createType="vmfs"/; s/ FLAT \(".*"\) 0/ VMFS \1/; s/"ide"/"lsilogic"/' \
    q-monolithicFlat.vmdk >vmfs.vmdk
clean esxi vmfs.vmdk
says aws vmfs.vmdk 1 fault vmdk-stream

# --- VHD, RAW ----------------------------------------------------------------------------------------

says azure in.raw 1 fault vhd-fixed
mends azure in.raw
says azure v-in.vhd 1 fault vhd-fixed
mends azure v-in.vhd
says azure v-in.vmdk 1 fault vhd-fixed
mends azure v-in.vmdk
run "$VMLIFT" convert -o subformat=fixed,align=512 odd.raw unaligned.vhd
says azure unaligned.vhd 1 fault vhd-size 'it says "The upload size in bytes 23069696 - 512 bytes for the VHD footer (23069184 in this case) must be a multiple of MiB."'
mends azure unaligned.vhd
truncate -s 1M tiny.raw
run "$VMLIFT" convert -o subformat=fixed tiny.raw tiny.vhd
says azure tiny.vhd 1 fault disk-size '20 MiB'
truncate -s 15T big.raw
says aws big.raw 0 warning disk-size '8 TiB'
# 17 TiB: more than a file of ext4 has; the descriptor alone says it.
sed 's/^RW [0-9]* /RW 36507222016 /' q-monolithicFlat.vmdk >huge.vmdk
says aws huge.vmdk 1 fault disk-size '16 TiB'
says esxi in.raw 1 fault disk-format
mends esxi in.raw
says workstation v-in.vhd 1 fault disk-format
mends workstation v-in.vhd
# The copy of the footer is lost.
python3 - <<'PY'
d = bytearray(open("v-in.vhd", "rb").read())
d[0:8] = bytes(8)
open("lost.vhd", "wb").write(d)
PY
says aws lost.vhd 0 warning vhd-footers 'it says "Footers not identical"'
mends aws lost.vhd
# The two differ, and both are whole: damage is told first, and no command mends it.
python3 - <<'PY'
import struct
d = bytearray(open("v-in.vhd", "rb").read())
d[68] ^= 1
d[64:68] = bytes(4)
d[64:68] = struct.pack(">I", ~sum(d[:512]) & 0xffffffff)
open("differ.vhd", "wb").write(d)
PY
says aws differ.vhd 1 warning vhd-footers 'it says "Footers not identical"'
head -1 found.txt | grep -q '^differ.vhd: fault: .*\[vhd/footer-mismatch\]$' || fail "$(cat found.txt)"
! grep '^    ' found.txt || fail "a command for what is damaged"
# A child, in a folder with its parent: made by hand, since nobody's tool here writes one.
mkdir family
python3 - <<'PY'
import struct
d = bytearray(open("v-in.vhd", "rb").read())
def sum32(at, n, field):
    d[at + field:at + field + 4] = bytes(4)
    d[at + field:at + field + 4] = struct.pack(">I", ~sum(d[at:at + n]) & 0xffffffff)
open("family/base.vhd", "wb").write(d)
name = "base.vhd"
parent = bytes(d[68:84])
d[512 + 40:512 + 56] = parent
d[512 + 64:512 + 64 + 2 * len(name)] = name.encode("utf-16-be")
sum32(512, 1024, 36)
d[60:64] = struct.pack(">I", 4)
d[68:84] = bytes(range(16))
sum32(0, 512, 64)
d[-512:] = d[:512]
open("family/child.vhd", "wb").write(d)
PY
says aws family/child.vhd 1 fault vhd-differencing 'it says "Footers not identical"'
mends aws family/child.vhd

# --- OVA ---------------------------------------------------------------------------------------------

mkdir parts
tar xf v-in.ova -C parts
ovf=$(cd parts && echo ./*.ovf) mf=$(cd parts && echo ./*.mf) vmdk=$(cd parts && echo ./*.vmdk)
ovf=${ovf#./} mf=${mf#./} vmdk=${vmdk#./}
# pack OVA [MEMBER...]: from the folder as it is now, with a manifest of it.
pack() {
    local out=$PWD/$1
    shift
    (cd parts && tar cf "$out" --format=ustar "${@:-$ovf}")
}
# sums COMMAND FORMAT: the manifest.
sums() {
    (cd parts && for f in "$ovf" "$vmdk"; do
        # shellcheck disable=SC2059
        printf "$2\n" "$f" "$("$1" <"$f" | cut -d ' ' -f 1)"
    done >"$mf")
}
pack same.ova "$ovf" "$mf" "$vmdk"
for target in aws esxi virtualbox workstation; do
    clean $target same.ova
done
pack last.ova "$vmdk" "$mf" "$ovf"
says esxi last.ova 1 fault ova-order \
    'it says "Did not find an .ovf file at the beginning of the OVA package"'
says virtualbox last.ova 1 fault ova-order
clean aws last.ova
mends workstation last.ova
run "$VMLIFT" compare last.ova last-new.ova
sums sha256sum 'SHA256 (%s) = %s'
pack spaced.ova "$ovf" "$mf" "$vmdk"
says esxi spaced.ova 1 fault manifest-spelling 'it says "Invalid OVF checksum algorithm: SHA256 "'
clean workstation spaced.ova
mends esxi spaced.ova
sums sha1sum 'SHA1(%s)= %s'
pack sha1.ova "$ovf" "$mf" "$vmdk"
says esxi sha1.ova 0 warning manifest-sha1 'it says "Invalid OVF checksum algorithm: SHA1."'
mends esxi sha1.ova
sums sha512sum 'SHA512(%s)= %s'
pack sha512.ova "$ovf" "$mf" "$vmdk"
says virtualbox sha512.ova 0 warning manifest-digest
mends virtualbox sha512.ova

# edited OVA SED: the description changed, the manifest right again.
cp "parts/$ovf" good.ovf
edited() {
    sed "$2" good.ovf >"parts/$ovf"
    ! cmp -s good.ovf "parts/$ovf" || fail "$2 changes nothing in $(cat good.ovf)"
    sums sha256sum 'SHA256(%s)= %s'
    pack "$1" "$ovf" "$mf" "$vmdk"
    cp good.ovf "parts/$ovf"
}
edited size.ova 's/ovf:size="[0-9]*"/ovf:size="8589934592"/'
says esxi size.ova 1 fault ovf-size "it says \"Wrong file size specified in OVF descriptor for '$vmdk'"
mends esxi size.ova
edited capacity.ova 's/ovf:capacity="[0-9]*"/ovf:capacity="8192"/'
says workstation capacity.ova 1 fault ovf-capacity
mends workstation capacity.ova
clean aws capacity.ova
edited family.ova 's/vmx-[0-9]*/virtualbox-2.2/'
says esxi family.ova 1 fault hardware-family "it says \"Unsupported hardware family 'virtualbox-2.2'.\""
says workstation family.ova 0 warning hardware-family
clean virtualbox family.ova
mends esxi family.ova
mends workstation family.ova
edited recent.ova 's/vmx-[0-9]*/vmx-19/'
says esxi recent.ova 0 note hardware-version '7.0 U2'
clean esxi recent.ova
mends esxi recent.ova
! grep -q hardware-version clean.txt || fail "still too recent: $(cat clean.txt)"
# The same beside its files.
sums sha256sum 'SHA256(%s)= %s'
cp parts/* .
says aws "$ovf" 1 fault ovf-folder
clean esxi "$ovf"
mends aws "$ovf"

# A stream of qemu-img's inside, once with and once without digests.
cp "parts/$vmdk" good.vmdk
cp q-in.vmdk "parts/$vmdk"
edited qemu.ova "s/ovf:size=\"[0-9]*\"/ovf:size=\"$(stat -c %s q-in.vmdk)\"/"
says workstation qemu.ova 1 fault vmdk-end "it says \"SHA digest of file $vmdk does not match manifest.\""
says esxi qemu.ova 1 fault vmdk-end
mends workstation qemu.ova
mends esxi qemu.ova
# Another kind of disk inside.
cp q-monolithicSparse.vmdk "parts/$vmdk"
edited hosted.ova "s/ovf:size=\"[0-9]*\"/ovf:size=\"$(stat -c %s q-monolithicSparse.vmdk)\"/"
says aws hosted.ova 1 fault vmdk-stream
says esxi hosted.ova 1 fault vmdk-hosted
mends aws hosted.ova
cp v-in.vhd "parts/$vmdk"
edited vhd.ova "s/ovf:size=\"[0-9]*\"/ovf:size=\"$(stat -c %s v-in.vhd)\"/"
says esxi vhd.ova 1 fault disk-format
mends esxi vhd.ova
# Compressed, and in chunks.
gzip -c good.vmdk >"parts/$vmdk"
edited gzip.ova "s/ovf:size=\"[0-9]*\"/ovf:size=\"$(stat -c %s "parts/$vmdk")\" ovf:compression=\"gzip\"/"
says esxi gzip.ova 1 fault ova-compressed \
    'it says "OVF package with compressed disks is currently not supported for OVF import"'
says aws gzip.ova 0 warning ova-compressed
mends esxi gzip.ova
run "$VMLIFT" compare in.raw gzip-new.ova
cp good.vmdk "parts/$vmdk"
sed 's/ovf:size=/ovf:chunkSize="1000000" ovf:size=/' good.ovf >"parts/$ovf"
(
    cd parts
    split -b 1000000 -d -a 9 "$vmdk" "$vmdk."
    for f in "$ovf" "$vmdk".*; do
        echo "SHA256($f)= $(sha256sum <"$f" | cut -d ' ' -f 1)"
    done >"$mf"
    tar cf ../chunks.ova --format=ustar "$ovf" "$mf" "$vmdk".*
)
says aws chunks.ova 1 fault ova-chunked \
    'it says "Disk validation failed [OVF file parsing error: OVA with chunked disk files is not supported]"'
says virtualbox chunks.ova 0 warning ova-chunked
clean esxi chunks.ova
mends aws chunks.ova
cp good.ovf "parts/$ovf"

# Azure takes disks one by one.
sums sha256sum 'SHA256(%s)= %s'
says azure same.ova 1 fault vhd-fixed
mends azure same.ova
run "$VMLIFT" compare in.raw same-fixed.vhd

# --- names, several targets, JSON ----------------------------------------------------------------------

mkdir "it's here"
cp q-monolithicSparse.vmdk "it's here/a \$b.vmdk"
mends aws "it's here/a \$b.vmdk"
cp q-monolithicSparse.vmdk ./-x.vmdk
status=0
"$VMLIFT" check --no-guest --target aws -- -x.vmdk >found.txt || status=$?
[ $status -eq 1 ] || fail "-x.vmdk: status $status"
run sh -c "$(sed -n 's/^    //p' found.txt)"
clean aws ./-x-stream.vmdk

expect 2 usage/target "$VMLIFT" check --no-guest --target gcp in.raw
status=0
"$VMLIFT" check --no-guest --json --target aws --target azure --target aws q-monolithicSparse.vmdk >found.json ||
    status=$?
[ $status -eq 1 ] || fail "--json: status $status"
python3 - <<'PY'
import json
v = json.load(open("found.json"))
assert v["targets"] == ["aws", "azure"] and v["faults"] == 2 and v["format"] == "vmdk", v
aws, azure = v["findings"]
assert aws == {
    "level": "fault", "slug": "target/vmdk-stream", "rule": "target/vmdk-stream", "target": "aws",
    "says": "File uses unsupported compression algorithm 0", "text": aws["text"],
    "mend": "vmlift convert q-monolithicSparse.vmdk q-monolithicSparse-stream.vmdk "
            "-o subformat=streamOptimized"}, aws
assert azure["target"] == "azure" and azure["says"] is None, azure
PY
"$VMLIFT" check --json in.raw | grep -q targets && fail "targets without --target"
status=0
"$VMLIFT" check --no-guest --target all v-in.ova in.raw >found.txt || status=$?
[ $status -eq 1 ] || fail "all: status $status"
[ "$(grep -c ': no fault$' found.txt)" -eq 6 ] || fail "all: $(cat found.txt)"
