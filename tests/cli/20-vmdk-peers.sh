#!/usr/bin/env bash
# VMDK against other people's tools, both ways.
. "$(dirname "$0")/../functions.sh"
requires qemu-img 7z vmdkinfo vmdkmount fusermount jq python3
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

# mounted FILE: libvmdk finds in.raw in FILE, where there is FUSE.  It takes no monolithicFlat, nobody's, and
# looks for a stream by the name in its descriptor.
mounted() {
    [ -w /dev/fuse ] || return 0
    mkdir -p mnt
    vmdkmount "$1" mnt >vmdkmount.txt 2>&1 || fail "vmdkmount: $(cat vmdkmount.txt)"
    local same=0
    cmp mnt/vmdk1 in.raw || same=1
    fusermount -u mnt
    [ $same = 0 ] || fail "libvmdk reads $1 otherwise"
}

# check SUBFORMAT SIZE FILE: everybody finds in.raw in FILE, grown to SIZE by zeroes.
check() {
    truncate -s "$2" in.raw
    qemu-img compare -f raw -F vmdk in.raw "$3" >compare.txt || fail "qemu-img: $(cat compare.txt)"
    [ "$(cat compare.txt)" = 'Images are identical.' ] || # another line is about sizes
        fail "qemu-img: $(cat compare.txt)"
    case $1 in
    *Flat | vmfs) ;; # there is nothing that qemu-img could check
    *) run qemu-img check -q -f vmdk "$3" ;;
    esac
    vmdkinfo "$3" >vmdkinfo.txt || fail "vmdkinfo: $(cat vmdkinfo.txt)"
    grep -Eq "Media size.*[^0-9]$2 bytes" vmdkinfo.txt ||
        fail "vmdkinfo: not $2 bytes: $(cat vmdkinfo.txt)"
    if [ "$2" -lt 3000000000 ]; then
        7z e -so -tvmdk "$3" 2>7z.txt | cmp - in.raw || fail "7z: $(cat 7z.txt)"
    fi
    if [ "$2" -lt 100000000 ] && [ "$1" != streamOptimized ] && [ "$1" != monolithicFlat ]; then
        mounted "$3"
    fi
    run "$VMLIFT" compare in.raw "$3"
    run "$VMLIFT" check "$3"
    "$VMLIFT" info --json "$3" >info.json
    [ "$(jq -c '[.subformat, .virtual_size, .file_size]' info.json)" = \
        "[\"$1\",$2,$(cat "$(dirname "$3")"/* | wc -c)]" ] || fail "info: $(cat info.json)"
}

# written SUBFORMAT: in.raw as such a disk, in a folder of its own, seen by all
written() {
    local size
    size=$(stat -c %s in.raw)
    case $1 in
    *Flat | vmfs) ;; # have the size of the disk
    *) size=$(((size + 65535) / 65536 * 65536)) ;;
    esac
    mkdir out
    run "$VMLIFT" convert -o subformat="$1" in.raw out/disk.vmdk
    check "$1" "$size" out/disk.vmdk
}

subformats='monolithicSparse streamOptimized monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs'
for size in 512 64512 66048 1048064 68158464; do
    for subformat in $subformats; do
        make_raw $size
        written "$subformat"
        reads out/disk.vmdk
        rm -r out
    done
done
for size in $(((2 << 30) + 512)) $((5 << 30)); do # of two and of three pieces
    make_raw $size
    for subformat in $subformats; do
        truncate -s $size in.raw
        [ $size -lt 3000000000 ] || [ "$subformat" != streamOptimized ] || continue
        written "$subformat"
        case $subformat in
        twoGb*) [ "$(grep -c '^RW ' out/disk.vmdk)" = $((size / (2 << 30) + 1)) ] ||
            fail "pieces: $(cat out/disk.vmdk)" ;;
        esac
        [ "$(du -sk out | cut -f1)" -lt 3000 ] || fail "holes were filled: $(ls -s out)"
        rm -r out
    done
done

# Beyond what one sparse file can hold.  There are more pieces than a program may open at first, so vmlift
# must have raised that itself; qemu-img does not, and looks at each grain of sparse ones.
size=$(((2150 << 30) + 512))
if [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 2000 ]; then
    make_raw $size
    for subformat in monolithicFlat vmfs twoGbMaxExtentFlat twoGbMaxExtentSparse; do
        mkdir out
        (ulimit -Sn 200 && run "$VMLIFT" convert -o subformat=$subformat in.raw out/disk.vmdk)
        (ulimit -Sn 200 && run "$VMLIFT" compare in.raw out/disk.vmdk)
        (ulimit -Sn 200 && run "$VMLIFT" check out/disk.vmdk)
        ulimit -Sn 2000
        if [ $subformat != twoGbMaxExtentSparse ]; then
            run qemu-img compare -f raw -F vmdk in.raw out/disk.vmdk
        else
            [ -f out/disk-s1076.vmdk ] || fail "not 1076 pieces: $(find out | wc -l)"
            for gib in 0 1 2 9 2144; do
                qemu-img dd -f vmdk -O raw bs=1M skip=$((gib << 10)) count=$(((gib << 10) + 1)) \
                    if=out/disk.vmdk of=got.raw
                cmp -n 1048576 -i $((gib << 30)):0 in.raw got.raw ||
                    fail "qemu-img finds something else at $gib GiB"
            done
        fi
        rm -r out
    done
    expect 4 image/too-large "$VMLIFT" convert -o subformat=monolithicSparse in.raw no.vmdk
fi
rm in.raw

# The size can be kept as it is; qemu-img then sees exactly that.
for subformat in monolithicSparse streamOptimized twoGbMaxExtentSparse; do
    make_raw 66048
    run "$VMLIFT" convert -o subformat=$subformat,align=512 in.raw out.vmdk
    qemu-img convert -f vmdk -O raw out.vmdk got.raw
    same in.raw got.raw
    rm out*.vmdk got.raw
done
# Or rounded up where it would be kept.
run "$VMLIFT" convert -o subformat=vmfs,align=1M,adapter=buslogic,hwversion=13 in.raw out.vmdk
grep -qx 'RW 2048 VMFS "out-flat.vmdk"' out.vmdk || fail "not as ESX has it: $(cat out.vmdk)"
grep -qx 'ddb.adapterType = "buslogic"' out.vmdk || fail "adapter: $(cat out.vmdk)"
grep -qx 'ddb.virtualHWVersion = "13"' out.vmdk || fail "hardware: $(cat out.vmdk)"
run qemu-img compare -f raw -F vmdk in.raw out.vmdk
rm out*.vmdk

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
