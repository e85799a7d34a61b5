#!/usr/bin/env bash
# Eight files out of which qemu-img 7.2 makes another disk, with exit status 0 and without a word.  vmlift
# reads each of them right, or refuses it by name.  Where qemu-img is installed it is asked as well, and
# what it makes of the file today is told; that decides nothing.
. "$(dirname "$0")/../functions.sh"
requires python3
export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1

# reads FILE WANT [OPTION...]: vmlift makes WANT of FILE.
reads() {
    run "$VMLIFT" convert "${@:3}" "$1" got.raw
    same "$2" got.raw
    rm got.raw
}

# refuses STATUS SLUG FILE [WORD...]: and there is no output
refuses() {
    expect "$1" "$2" run "$VMLIFT" convert "${@:4}" "$3" got.raw
    tail -1 stderr >&2
    [ ! -e got.raw ] || fail "$3: refused, and yet there is an output"
}

# theirs FORMAT FILE WANT: what qemu-img makes of it; FORMAT "": as it finds out.
theirs() {
    command -v qemu-img >/dev/null || return 0
    if ! qemu-img convert ${1:+-f "$1"} -O raw "$2" theirs.raw 2>theirs.txt; then
        echo "$2: this qemu-img refuses it: $(cat theirs.txt)"
    elif cmp -s "$3" theirs.raw; then
        echo "$2: this qemu-img reads it right"
    else
        echo "$2: this qemu-img still makes another disk of it ($(stat -c %s theirs.raw) bytes), and says nothing"
    fi
    rm -f theirs.raw
}

# describe TYPE LINE...: a VMDK's descriptor
describe() {
    printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="%s"\n' "$1"
    printf '%s\n' "${@:2}" 'ddb.adapterType = "ide"'
}

python3 - <<'PY'
from disks import *
MIB = 1 << 20
def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
grains = {n: grain(n) for n in range(16)}
write("disk.raw", disk(MIB, grains))

# 1. A child, of whose parent it replaces one sector: the bit in the bitmap of block 3 says which.
parent = dynamic(MIB, grains)
child = dynamic(MIB, {3: bytes(512) + b"child".ljust(512, b"!")}, kind=4, parent="parent.vhd", bitmaps={3: b"\x40"})
child[512 + 40:512 + 56] = parent[68:84]
checksum(child, 512, 1024, 36)
write("parent.vhd", parent)
write("child.vhd", child)
want = bytearray(disk(MIB, grains))
want[3 * GRAIN + 512:3 * GRAIN + 1024] = b"child".ljust(512, b"!")
write("child.raw", want)

# 4, 5. A fixed VHD; a dynamic one in which every second sector of block 2 was never written.
write("fixed.vhd", fixed(disk(MIB, grains)))
write("stale.vhd", dynamic(MIB, grains, bitmaps={2: b"\xaa" * 16}))
want = bytearray(disk(MIB, grains))
for sector in range(1, 128, 2):
    want[2 * GRAIN + sector * 512:2 * GRAIN + sector * 512 + 512] = bytes(512)
write("stale.raw", want)

# 6. Half of a monolithicSparse.
whole = sparse(MIB, grains)
write("half.vmdk", whole[:len(whole) // 2])

# 7. A table that leads to another grain, as its marker says; a grain "of zeroes" where there are none.
out = stream(MIB, grains)
struct.pack_into("<I", out, entry_at(out, 5), grain_at(out, 6) // SECTOR)
write("marker.vmdk", out)
out = sparse(MIB, grains)
for table in place.gt, place.rgt:
    struct.pack_into("<I", out, table + 4 * 5, 1)
write("zeroes.vmdk", out)
PY

# --- 1. a differencing VHD -------------------------------------------------------------------------
# qemu-img takes the bitmap for granted and has no parents: all that the child does not have is zeroes.

refuses 4 image/parent child.vhd
reads child.vhd child.raw --parent parent.vhd
reads child.vhd child.raw --follow-parents
theirs vpc child.vhd child.raw

# --- 2. ZERO between two FLAT ----------------------------------------------------------------------
# qemu-img skips the line: the disk is shorter, and what follows moves forward.

head -c 256K disk.raw >one.bin
tail -c 256K disk.raw >two.bin
describe custom 'RW 512 FLAT "one.bin" 0' 'RW 1024 ZERO' 'RW 512 FLAT "two.bin" 0' >zero.vmdk
{ cat one.bin; head -c 512K /dev/zero; cat two.bin; } >want.raw
reads zero.vmdk want.raw
sed -i 's/custom/twoGbMaxExtentFlat/' zero.vmdk # a type that qemu-img knows
reads zero.vmdk want.raw
theirs vmdk zero.vmdk want.raw

# --- 3. RDONLY -------------------------------------------------------------------------------------
# The same: only lines that begin with RW count there.

describe twoGbMaxExtentFlat 'RDONLY 512 FLAT "one.bin" 0' 'RW 512 FLAT "two.bin" 0' >rdonly.vmdk
cat one.bin two.bin >want.raw
reads rdonly.vmdk want.raw
theirs vmdk rdonly.vmdk want.raw

# --- 4. a fixed VHD, not called one ----------------------------------------------------------------
# Its only mark is at its end, where qemu-img does not look: a raw disk, 512 bytes too long.

reads fixed.vhd disk.raw
cp fixed.vhd fixed.img
reads fixed.img disk.raw
theirs "" fixed.vhd disk.raw
# Nobody can look at the end of a pipe: a disk of no known kind is not taken for a raw one there.
expect 4 image/raw-pipe "$VMLIFT" convert - got.raw < <(cat fixed.vhd)

# --- 5. a dynamic VHD with clear bits in a bitmap --------------------------------------------------
# What lies under a clear bit was never written; qemu-img hands it out.

reads stale.vhd stale.raw
theirs vpc stale.vhd stale.raw

# --- 6. monolithicSparse, cut short ----------------------------------------------------------------
# qemu-img reads zeroes where the file is gone; only its check complains.

refuses 3 input/truncated half.vmdk
theirs vmdk half.vmdk disk.raw

# --- 7. a grain that is not the one, and a grain of zeroes without the flag for them ---------------
# qemu-img does not look at the marker, and gives grain 6 twice; and it reads the sector 1 that the entry
# seems to name: the descriptor's text, as part of the disk.

refuses 3 vmdk/lba-gte marker.vmdk
theirs vmdk marker.vmdk disk.raw
refuses 3 vmdk/zero-gte zeroes.vmdk
theirs vmdk zeroes.vmdk disk.raw

# --- 8. a descriptor that names a file of the host's -----------------------------------------------
# qemu-img copies that file into the disk, whoever wrote the descriptor.

mkdir theirs
printf 'a secret of the host\n' | dd of=secret bs=1024 conv=sync status=none
head -c 1024 /dev/zero >nothing.raw
for name in "$tmp/secret" ../secret; do
    describe monolithicFlat "RW 2 FLAT \"$name\" 0" >theirs/disk.vmdk
    refuses 5 vmdk/extent-path theirs/disk.vmdk
    theirs vmdk theirs/disk.vmdk nothing.raw
done
ln -s ../secret theirs/link.bin
describe monolithicFlat 'RW 2 FLAT "link.bin" 0' >theirs/disk.vmdk
refuses 5 vmdk/extent-path theirs/disk.vmdk
theirs vmdk theirs/disk.vmdk nothing.raw
