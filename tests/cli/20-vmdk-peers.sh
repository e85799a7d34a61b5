#!/usr/bin/env bash
# VMDK against other people's tools, both ways.
. "$(dirname "$0")/../functions.sh"
requires qemu-img 7z vmdkinfo python3
7z | sed -n '/7-Zip/{p;q}' # 7-Zip took only some layouts of streamOptimized over the years

# make_raw SIZE: in.raw; noise, text, and zeroes that were written, as far as SIZE allows.
make_raw() {
    rm -f in.raw
    python3 - "$1" <<'PY'
import random, sys
size = int(sys.argv[1])
r = random.Random(size)
with open("in.raw", "wb") as f:
    f.truncate(size)
    def put(at, data):
        if at < size:
            f.seek(at)
            f.write(data[:size - at])
    put(0, r.randbytes(200000))
    put(300000, bytes(200000))
    put(700001, b"all work and no play " * 9000)
    put(33 * 2**20 - 100000, r.randbytes(200000))      # across the border of two grain tables
    for gib in range(2, size >> 30, 7):
        put(gib * 2**30 + 12345, r.randbytes(70000))
    put(size - 512, r.randbytes(512))
PY
}

# --- what qemu-img writes --------------------------------------------------------------------------

# reads FILE: as a file, and from a pipe where that can be, it is in.raw to the last byte.
reads() {
    run "$VMLIFT" convert "$1" got.raw
    same in.raw got.raw
    rm got.raw
    case $1 in *streamOptimized*)
        run "$VMLIFT" convert -f vmdk - got.raw < <(cat "$1")
        same in.raw got.raw
        rm got.raw
        ;;
    esac
}

for size in 512 66048 1048576 68158464; do
    make_raw $size
    for subformat in monolithicSparse streamOptimized monolithicSparse,zeroed_grain=on; do
        qemu-img convert -f raw -O vmdk -o "subformat=$subformat" in.raw "q-$subformat.vmdk"
        reads "q-$subformat.vmdk"
        rm "q-$subformat.vmdk"
    done
done

# Its streams have their tables in front and no end marker: one that was cut short is noticed all the
# same, where qemu-img itself reads zeroes.
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized in.raw cut-streamOptimized.vmdk
last=$(python3 - <<'PY'
import struct
d = open("cut-streamOptimized.vmdk", "rb").read()
gd = struct.unpack_from("<Q", d, 56)[0] * 512
tables = struct.unpack_from("<3I", d, gd)
print(512 * max(max(struct.unpack_from("<512I", d, t * 512)) for t in tables if t))
PY
)
truncate -s "$last" cut-streamOptimized.vmdk
expect 3 vmdk/grain-range "$VMLIFT" convert cut-streamOptimized.vmdk got.raw
expect 3 input/truncated "$VMLIFT" convert -f vmdk - got.raw < <(cat cut-streamOptimized.vmdk)
[ ! -e got.raw ] || fail "a file cut short, and yet there is an output"

# An empty disk, and one of 33 GiB with islands: compared by qemu-img, which skips the holes.
for size in 10485760 $((33 << 30)); do
    rm -f in.raw
    truncate -s $size in.raw
    [ $size -lt 100000000 ] || make_raw $size
    for subformat in monolithicSparse streamOptimized; do
        qemu-img convert -f raw -O vmdk -o subformat=$subformat in.raw big.vmdk
        run "$VMLIFT" convert big.vmdk got.raw
        run qemu-img compare -q -f raw -F raw in.raw got.raw
        rm got.raw
        [ $subformat = monolithicSparse ] || {
            run "$VMLIFT" convert -f vmdk - got.raw < <(cat big.vmdk)
            run qemu-img compare -q -f raw -F raw in.raw got.raw
            rm got.raw
        }
        run "$VMLIFT" convert -O vmdk -o subformat=$subformat in.raw out.vmdk
        run qemu-img compare -q -f raw -F vmdk in.raw out.vmdk
        run qemu-img check -q -f vmdk out.vmdk
        rm big.vmdk out.vmdk
    done
done

# --- what vmlift writes ----------------------------------------------------------------------------

# check SIZE FILE: everybody finds in.raw in FILE, grown to SIZE by zeroes.
check() {
    truncate -s "$1" in.raw
    qemu-img compare -f raw -F vmdk in.raw "$2" >compare.txt || fail "qemu-img: $(cat compare.txt)"
    [ "$(cat compare.txt)" = 'Images are identical.' ] || # another line is about sizes
        fail "qemu-img: $(cat compare.txt)"
    run qemu-img check -q -f vmdk "$2"
    vmdkinfo "$2" >vmdkinfo.txt || fail "vmdkinfo: $(cat vmdkinfo.txt)"
    grep -Eq "Media size.*[^0-9]$1 bytes" vmdkinfo.txt ||
        fail "vmdkinfo: not $1 bytes: $(cat vmdkinfo.txt)"
    7z e -so -tvmdk "$2" 2>7z.txt | cmp - in.raw || fail "7z: $(cat 7z.txt)"
}

for size in 512 66048 1048576 68158464; do
    for subformat in monolithicSparse streamOptimized; do
        make_raw $size
        run "$VMLIFT" convert -o subformat=$subformat in.raw out.vmdk
        check $(((size + 65535) / 65536 * 65536)) out.vmdk
        reads out.vmdk
        rm out.vmdk
    done
done
# The size can be kept as it is; qemu-img then sees exactly that.
for subformat in monolithicSparse streamOptimized; do
    make_raw 66048
    run "$VMLIFT" convert -o subformat=$subformat,align=512 in.raw out.vmdk
    qemu-img convert -f vmdk -O raw out.vmdk got.raw
    same in.raw got.raw
    rm out.vmdk got.raw
done

# --- pipes and threads -----------------------------------------------------------------------------

export SOURCE_DATE_EPOCH=1700000000
make_raw 68158464
for options in level=1 level=6,adapter=ide; do
    run "$VMLIFT" convert -o "$options" --threads 1 in.raw one.vmdk
    run "$VMLIFT" convert -o "$options" --threads 8 in.raw eight.vmdk
    same one.vmdk eight.vmdk
    run "$VMLIFT" convert -O vmdk -o "$options" in.raw - | cat >piped.vmdk
    same one.vmdk piped.vmdk
    run "$VMLIFT" convert -f vmdk -O vmdk -o "$options" - again.vmdk < <(cat one.vmdk)
    same one.vmdk again.vmdk
    rm one.vmdk eight.vmdk piped.vmdk again.vmdk
done

# --- refused ---------------------------------------------------------------------------------------

run "$VMLIFT" convert -o subformat=monolithicSparse in.raw sparse.vmdk
expect 4 vmdk/pipe-order "$VMLIFT" convert -f vmdk - no.raw < <(cat sparse.vmdk)
expect 2 image/option "$VMLIFT" convert -o adapter=pvscsi in.raw no.vmdk
expect 2 image/option "$VMLIFT" convert -o level=0 in.raw no.vmdk

# A child of another disk is no disk of its own.
qemu-img create -q -f vmdk -F vmdk -b sparse.vmdk child.vmdk
expect 4 image/parent "$VMLIFT" convert child.vmdk no.raw
grep -qF sparse.vmdk stderr || fail "the parent is not named: $(cat stderr)"

if [ -e no.raw ] || [ -e no.vmdk ]; then
    fail "refused, and yet there is an output"
fi
