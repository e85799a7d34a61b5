#!/usr/bin/env bash
# VHD against other people's tools, both ways.
. "$(dirname "$0")/../functions.sh"
requires qemu-img vhdiinfo vhdimount fusermount 7z jq

# make_raw SIZE: in.raw, with data at its start, across a block's border and in its last sector.
make_raw() {
    rm -f in.raw
    truncate -s "$1" in.raw
    if [ "$1" -gt 100000 ]; then
        head -c 70000 /dev/urandom | dd of=in.raw conv=notrunc status=none
    fi
    if [ "$1" -gt 4000000 ]; then
        head -c 300000 /dev/urandom |
            dd of=in.raw conv=notrunc oflag=seek_bytes seek=2000000 status=none
    fi
    head -c 512 /dev/urandom |
        dd of=in.raw conv=notrunc oflag=seek_bytes seek=$(($1 - 512)) status=none
}

# --- what qemu-img writes --------------------------------------------------------------------------

for size in 1048576 4194816 8389120 33823744 41943040; do
    make_raw $size
    for options in subformat={dynamic,fixed} subformat={dynamic,fixed},force_size=on; do
        qemu-img convert -f raw -O vpc -o "$options" in.raw in.vhd
        qemu-img convert -f vpc -O raw in.vhd want.raw
        run "$VMLIFT" convert in.vhd got.raw
        same want.raw got.raw
        rm in.vhd want.raw got.raw
    done
done

# --- what vmlift writes ----------------------------------------------------------------------------

# check SIZE SUBFORMAT FILE: everybody finds in.raw in FILE, grown to SIZE by zeroes.
check() {
    truncate -s "$1" in.raw
    [ "$(qemu-img info --output=json -f vpc "$3" | jq '."virtual-size"')" = "$1" ] ||
        fail "qemu-img: not $1 bytes: $(qemu-img info -f vpc "$3")"
    run qemu-img compare -f raw -F vpc in.raw "$3"
    vhdiinfo "$3" >vhdiinfo.txt || fail "vhdiinfo: $(cat vhdiinfo.txt)"
    grep -Eq "Media size.*[^0-9]$1 bytes" vhdiinfo.txt ||
        fail "vhdiinfo: not $1 bytes: $(cat vhdiinfo.txt)"
    7z e -so -tvhd "$3" 2>7z.txt | cmp - in.raw || fail "7z: $(cat 7z.txt)"
    # without -f: a fixed disk is no raw disk either
    [ "$("$VMLIFT" info --json "$3" | jq -r '[.format, .subformat, .virtual_size] | join(" ")')" = \
        "vhd $2 $1" ] || fail "info: $("$VMLIFT" info --json "$3")"
    if [ -w /dev/fuse ] && [ "$1" -lt 100000000 ]; then
        mkdir -p mnt
        vhdimount "$3" mnt >vhdimount.txt 2>&1 || fail "vhdimount: $(cat vhdimount.txt)"
        local same=0
        cmp mnt/vhdi1 in.raw || same=1
        fusermount -u mnt
        [ $same = 0 ] || fail "libvhdi reads $3 otherwise"
    fi
    run "$VMLIFT" check "$3"
    run "$VMLIFT" compare in.raw "$3"
}

for size in 512 64512 1048064 1048576 4194816 8389120 33823744 41943040 2147484160; do
    for subformat in dynamic fixed; do
        [ $size -gt 100000000 ] && [ $subformat = fixed ] && continue # slow, and tells no more
        make_raw $size
        run "$VMLIFT" convert -o subformat=$subformat,align=512 in.raw out.vhd
        check $size $subformat out.vhd
        rm out.vhd
        run "$VMLIFT" convert -o subformat=$subformat in.raw out.vhd
        check $(((size + 1048575) / 1048576 * 1048576)) $subformat out.vhd
        rm out.vhd
    done
done

# A fixed disk, as Azure takes it: whole MiB and a footer.  A file keeps the holes; a pipe has the same
# bytes (the footers differ in UUID and time).
make_raw 4194816
run "$VMLIFT" convert -o subformat=fixed in.raw out.vhd
[ "$(stat -c %s out.vhd)" = $((5 * 1048576 + 512)) ] || fail "$(stat -c %s out.vhd) bytes long"
[ "$(du -k out.vhd | cut -f1)" -lt 1000 ] || fail "the holes were filled: $(du -k out.vhd)"
"$VMLIFT" convert -O vhd -o subformat=fixed in.raw - | cat >pipe.vhd
check 5242880 fixed pipe.vhd

# Beyond 2040 GiB there is only fixed; qemu's driver ends there altogether.
truncate -s 2150G huge.raw
head -c 1000000 /dev/urandom |
    dd of=huge.raw conv=notrunc oflag=seek_bytes seek=2200000000000 status=none
expect 4 image/too-large "$VMLIFT" convert huge.raw no.vhd
grep -qF -e '-o subformat=fixed' stderr || fail "no remedy: $(cat stderr)"
run "$VMLIFT" convert -o subformat=fixed huge.raw huge.vhd
run "$VMLIFT" check huge.vhd
run "$VMLIFT" compare huge.raw huge.vhd
vhdiinfo huge.vhd >vhdiinfo.txt
grep -Eq "Media size.*[^0-9]$((2150 << 30)) bytes" vhdiinfo.txt || fail "$(cat vhdiinfo.txt)"
[ "$(7z l -slt -tvhd huge.vhd | sed -n 's/^Size = //p' | tail -1)" = $((2150 << 30)) ] ||
    fail "7z: $(7z l -slt -tvhd huge.vhd)"
cmp -n 1000000 -i 2200000000000 huge.raw huge.vhd
rm huge.raw huge.vhd

# --- what is refused -------------------------------------------------------------------------------

# shellcheck disable=SC2016
expect 4 image/needs-seek bash -o pipefail -c '"$VMLIFT" convert -O vhd in.raw - | cat'
run "$VMLIFT" convert in.raw whole.vhd
# shellcheck disable=SC2016
expect 4 vhd/needs-seek bash -o pipefail -c 'cat whole.vhd | "$VMLIFT" convert -f vhd - got.raw'
[ ! -e got.raw ] || fail "a disk was left behind"
size=$(stat -c %s whole.vhd)
for cut in 1 512 100000 $((size / 2)); do
    head -c $((size - cut)) whole.vhd >cut.vhd
    expect 3 vhd/footer-missing "$VMLIFT" convert cut.vhd got.raw
    [ ! -e got.raw ] || fail "a disk was made of a file that lacks $cut bytes"
done
