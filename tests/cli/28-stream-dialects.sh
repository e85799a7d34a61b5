#!/usr/bin/env bash
# streamOptimized as each of its writers lays it out, from a file and from a pipe.  disks.py makes the
# layouts; that they are the real ones' is asked of qemu-img and 7z, and where qemu-img writes itself, it does.
. "$(dirname "$0")/../functions.sh"
requires python3
export PYTHONPATH=$tests PYTHONDONTWRITEBYTECODE=1

# Disks that end with a grain, inside one, and after one sector of it; with more than a table's grains, of
# which the second table has none, and the third the last; and one of nothing.
python3 - <<'PY'
import os
from disks import *
DIALECTS = "disklib", "vmdktool", "qemu", "open-vmdk"
far = 2 * 512 + 3                           # a grain of the third table
some = {n: grain(n) for n in (0, 1, 5, 511, far)}
some[7] = os.urandom(GRAIN)                 # which deflating makes larger
shapes = {"whole": ((far + 1) * GRAIN, some), "part": (far * GRAIN + 5 * SECTOR, some),
          "sector": (far * GRAIN + SECTOR, some), "hole": ((far + 9) * GRAIN, some), "empty": (5 * GRAIN, {})}
with open("list", "w") as f:
    def write(name, data, shape):
        with open(name, "wb") as out:
            out.write(data)
        f.write(f"{name} {shape}.raw\n")
    for shape, (size, grains) in shapes.items():
        with open(shape + ".raw", "wb") as out:
            out.write(disk(size, grains))
        for dialect in DIALECTS:
            write(f"{dialect}-{shape}.vmdk", stream(size, grains, dialect), shape)
        # a short last grain of one that writes whole ones, and the other way round
        write(f"disklib-short-{shape}.vmdk", stream(size, grains, last_short=True), shape)
        write(f"open-vmdk-full-{shape}.vmdk", stream(size, grains, "open-vmdk", last_short=False), shape)
        # progress markers of vSphere's, in the middle, before a table and before the end
        write(f"progress-{shape}.vmdk", stream(size, grains, progress=(0, 1, 511, far)), shape)
        # without the zeroes behind what qemu-img writes
        bare = stream(size, grains, "qemu")
        if grains:
            at = grain_at(bare, far)
            end = at + 12 + struct.unpack_from("<I", bare, at + 8)[0]
            write(f"qemu-bare-{shape}.vmdk", bare[:-(-end // SECTOR) * SECTOR], shape)
PY

# reads FILE WANT
reads() {
    run "$VMLIFT" convert "$1" got.raw
    same "$2" got.raw
    rm got.raw
    run "$VMLIFT" convert - got.raw < <(cat "$1")
    same "$2" got.raw
    rm got.raw
    run "$VMLIFT" check "$1" >check.txt || fail "$1: check finds $(cat check.txt)"
}

while read -r vmdk raw; do
    reads "$vmdk" "$raw"
    if command -v qemu-img >/dev/null; then
        qemu-img convert -f vmdk -O raw "$vmdk" theirs.raw || fail "$vmdk: not to qemu-img"
        # a capacity that is no whole number of grains is cut to sectors by all
        same "$raw" theirs.raw
    fi
    case $vmdk in disklib-[!s]* | vmdktool-*)
        if command -v 7z >/dev/null; then
            7z e -so -tvmdk "$vmdk" 2>7z.txt | cmp - "$raw" || fail "$vmdk: not to 7z: $(cat 7z.txt)"
        fi
        ;;
    esac
done <list

# What qemu-img writes.
if command -v qemu-img >/dev/null; then
    for shape in whole part sector hole empty; do
        qemu-img convert -f raw -O vmdk -o subformat=streamOptimized $shape.raw real.vmdk
        reads real.vmdk $shape.raw
        cmp -s -n 512 real.vmdk qemu-$shape.vmdk || # all but the descriptor's and the table's place
            echo "$shape: the header that this qemu-img writes is another than the one here"
    done
fi

# The order of the disk is what a pipe needs and a file does not; what a stream does not say is missing.
python3 - <<'PY'
from disks import *
grains = {n: grain(n) for n in (0, 1, 5)}
size = 8 * GRAIN
with open("want.raw", "wb") as f:
    f.write(disk(size, grains))
for dialect in "disklib", "vmdktool", "qemu", "open-vmdk":
    with open(f"{dialect}-order.vmdk", "wb") as f:
        f.write(stream(size, grains, dialect, order=(5, 0, 1)))
    data = stream(size, grains, dialect)
    last = grain_at(data, 5)
    with open(f"{dialect}-cut.vmdk", "wb") as f:
        f.write(data[:last])
PY
for dialect in disklib vmdktool qemu open-vmdk; do
    run "$VMLIFT" convert $dialect-order.vmdk got.raw
    same want.raw got.raw
    rm got.raw
    expect 4 vmdk/pipe-order "$VMLIFT" convert - got.raw < <(cat $dialect-order.vmdk)
    expect 3 "" "$VMLIFT" convert $dialect-cut.vmdk got.raw
    expect 3 input/truncated "$VMLIFT" convert - got.raw < <(cat $dialect-cut.vmdk)
    [ ! -e got.raw ] || fail "$dialect: refused, and yet there is an output"
done
