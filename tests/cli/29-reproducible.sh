#!/usr/bin/env bash
# With SOURCE_DATE_EPOCH the same source gives the same bytes, in every subformat that is written: a
# second later, by another number of threads, from another folder, through a pipe.
. "$(dirname "$0")/../functions.sh"
requires python3 cmp

python3 - <<'PY'
import random
r = random.Random(3)
with open("in.raw", "wb") as f:
    f.truncate(48 * 2**20)
    for at in range(0, 48, 3):
        f.seek(at * 2**20 + 4096)
        f.write(r.randbytes(300000) + b"all work and no play " * 20000)
PY
export SOURCE_DATE_EPOCH=1700000000

# made FOLDER FORMAT OPTIONS THREADS: in.raw in a folder of its own, since a disk may be many files.
made() {
    mkdir -p "$1"
    run "$VMLIFT" convert -O "$2" ${3:+-o "$3"} --threads "$4" in.raw "$1/disk.$2"
}

while read -r format options; do
    made one "$format" "$options" 1
    sleep 1.1 # the clock goes on, and is not looked at
    made two "$format" "$options" 8
    run diff -r one two || fail "$format $options: not the same bytes"
    # another time shows where there is one: it is not that none is written
    SOURCE_DATE_EPOCH=1600000000 made three "$format" "$options" 2
    case $format in
    ova | vhd)
        ! cmp -s "one/disk.$format" "three/disk.$format" || fail "$format: the time is nowhere"
        ;;
    esac
    # what is read back and written again is the same, too (a VHD's ID follows from how its source
    # was divided into data and holes)
    if [ "$format" != vhd ]; then
        mkdir four
        run "$VMLIFT" convert -O "$format" ${options:+-o "$options"} "one/disk.$format" \
            "four/disk.$format"
        run diff -r one four || fail "$format $options: not the same bytes again"
        rm -r four
    fi
    rm -r one two three
done <<'LIST'
raw
vmdk subformat=streamOptimized
vmdk subformat=streamOptimized,level=6
vmdk subformat=monolithicSparse
vmdk subformat=monolithicFlat
vmdk subformat=twoGbMaxExtentSparse
vmdk subformat=twoGbMaxExtentFlat
vmdk subformat=vmfs
vhd subformat=dynamic
vhd subformat=fixed
ova
ova manifest=sha512,network=LAN,level=3
LIST

# To a pipe and from one.
run "$VMLIFT" convert -O vmdk in.raw a.vmdk
run "$VMLIFT" convert -O vmdk in.raw - | cmp - a.vmdk || fail "to a pipe"
run "$VMLIFT" convert - b.vmdk < <(cat a.vmdk)
same a.vmdk b.vmdk
# Without it two are two: their IDs are random.
unset SOURCE_DATE_EPOCH
run "$VMLIFT" convert --force in.raw a.vmdk
run "$VMLIFT" convert --force in.raw b.vmdk
! cmp -s a.vmdk b.vmdk || fail "two disks with one ID"
