#!/usr/bin/env bash
# hash says what sha256sum says of the raw disk; hash --tree what the store says of its snapshot.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3 sha256sum tar

# make NAME SIZE: data at the ends, across a border of blocks, and zeroes that were written.
make() {
    python3 - "$1" "$2" <<'PY'
import random, sys
name, size = sys.argv[1], int(sys.argv[2])
r = random.Random(size)
with open(name, "wb") as f:
    f.truncate(size)
    for at, data in ((0, r.randbytes(70000)), (1 << 20, bytes(1 << 20)), ((3 << 20) - 5000, r.randbytes(9000)),
                     (size - 512, r.randbytes(512))):
        if 0 <= at < size:
            f.seek(at)
            f.write(data[:size - at])
PY
}
# hash_is NAME FILE [OPTION...]: the first word that hash prints of FILE.
hash_is() {
    local want=$1 file=$2 got
    shift 2
    got=$(run "$VMLIFT" hash "$@" "$file") || fail "hash $* $file: status $?"
    [ "$got" = "$want  $file" ] || fail "hash $* $file: $got, not $want"
}

export VMLIFT_STORE=$tmp/store
for size in 512 524288 66048 68158464; do
    make in.raw $size
    sum=$(sha256sum <in.raw)
    sum=${sum%% *}
    hash_is "$sum" in.raw
    hash_is "$sum" in.raw -f raw --threads 1
    hash_is "$sum" - -f raw < <(cat in.raw)
    root=$("$VMLIFT" hash --tree in.raw)
    root=${root%% *}
    [ "$root" != "$sum" ] || fail "--tree is not another digest"
    hash_is "$root" in.raw --tree --threads 1
    hash_is "$root" in.raw --tree --threads 7
    hash_is "$root" - --tree -f raw < <(cat in.raw)
    for subformat in monolithicSparse streamOptimized; do
        qemu-img convert -f raw -O vmdk -o subformat=$subformat in.raw q.vmdk
        hash_is "$sum" q.vmdk
        hash_is "$root" q.vmdk --tree
    done
    hash_is "$sum" - -f vmdk < <(cat q.vmdk)
    # the store's own answer
    run "$VMLIFT" import --name "disk-$size" --json in.raw >import.json
    snapshot=$("$VMLIFT" image show --json "disk-$size" |
        python3 -c 'import re, sys; print(re.search("snap-[0-9a-f]{17}", sys.stdin.read())[0])')
    "$VMLIFT" snapshot show --json "$snapshot" >snapshot.json
    python3 - "$root" <<'PY' || fail "the store has another root than hash --tree: $(cat snapshot.json)"
import json, sys
assert json.load(open("snapshot.json"))["Snapshots"][0]["Root"] == sys.argv[1]
PY
    "$VMLIFT" snapshot show "$snapshot" | grep -qE "^root: +$root\$" || fail "snapshot show has no root"
done

# The tree by its definition, computed by somebody else.
python3 - "$root" <<'PY' || fail "the tree digest is not the one that is documented"
import hashlib, sys
disk, block = open("in.raw", "rb").read(), 512 << 10
leaf = b""
for at in range(0, len(disk), block):
    b = disk[at:at + block].ljust(block, b"\0")
    leaf += hashlib.sha256(b).digest() if any(b) else bytes(32)
root = hashlib.sha256(leaf.ljust(block, b"\0")).digest()
assert hashlib.sha256(root).hexdigest() == sys.argv[1]
PY

# A hole of 64 TiB is nothing to the tree: two leaves, and a root of 8192 digests.
truncate -s $((64 << 40)) huge.raw 2>/dev/null || truncate -s $((15 << 40)) huge.raw
printf x | dd of=huge.raw bs=1 seek=$((9 << 30)) conv=notrunc status=none
timeout 60 "$VMLIFT" hash --tree huge.raw >huge.txt || fail "hash --tree of a huge hole: status $?"
python3 - "$(cut -c 1-64 huge.txt)" <<'PY' || fail "the tree digest of a huge disk"
import hashlib, os, sys
block, size = 512 << 10, os.stat("huge.raw").st_size
leaf = bytearray(block)
leaf[2048 * 32:2049 * 32] = hashlib.sha256(b"x".ljust(block, b"\0")).digest()
root = bytearray(size // (8 << 30) * 32)
root[32:64] = hashlib.sha256(leaf).digest()
assert hashlib.sha256(root).hexdigest() == sys.argv[1]
PY
rm huge.raw

# Holes are fed as zeroes.
truncate -s 500M zero.raw
hash_is "$(head -c 500M /dev/zero | sha256sum | cut -d ' ' -f 1)" zero.raw

# Machines: every disk by its name, one by its number, and from a pipe.
truncate -s 65M in.raw # as the disks of an OVA are rounded up
sum=$(sha256sum <in.raw | cut -d ' ' -f 1)
root=$("$VMLIFT" hash --tree in.raw | cut -c 1-64)
run "$VMLIFT" convert in.raw one.ova
"$VMLIFT" hash one.ova >text.txt
grep -qE "^$sum  one\.ova: .+\.vmdk\$" text.txt || fail "$(cat text.txt)"
"$VMLIFT" hash --json one.ova >one.json
"$VMLIFT" hash --json - < <(cat one.ova) >pipe.json
"$VMLIFT" hash --json --tree one.ova >tree.json
python3 - "$sum" "$root" <<'PY'
import json, sys
one, pipe, tree = (json.load(open(n + ".json")) for n in ("one", "pipe", "tree"))
assert len(one["disks"]) == 1 and one["path"] == "one.ova" and pipe["path"] == "-"
assert one["disks"] == pipe["disks"], (one, pipe)
assert one["disks"][0]["sha256"] == sys.argv[1] and one["disks"][0]["virtual_size"] == 65 << 20
assert tree["disks"][0]["root"] == sys.argv[2]
PY
expect 2 usage/disk "$VMLIFT" hash --disk 2 one.ova

# A source that is bad does not keep the others from being told, and shows in the status.
head -c 100000 q.vmdk >cut.vmdk
status=0
"$VMLIFT" hash --json cut.vmdk in.raw >lines.json 2>errors.txt || status=$?
[ $status -eq 3 ] || fail "status $status"
python3 - "$sum" <<'PY'
import json, sys
bad, good = map(json.loads, open("lines.json"))
assert bad["path"] == "cut.vmdk" and bad["error"]["status"] == 3 and "sha256" not in bad
assert good == {"path": "in.raw", "virtual_size": 65 << 20, "sha256": sys.argv[1]}, good
PY
