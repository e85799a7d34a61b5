#!/usr/bin/env bash
# VMDK of several files: that they appear together or not at all, and what they may be called.
. "$(dirname "$0")/../functions.sh"
requires strace python3 qemu-img

python3 - <<'PY'
import random
for name in "old", "new":
    r = random.Random(name)
    with open(name + ".raw", "wb") as f: # of two pieces
        f.truncate((2047 << 20) + (1 << 20))
        for at in 0, (2047 << 20) - 4096:
            f.seek(at)
            f.write(r.randbytes(100000))
PY
subformats='monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs'

# --- a failure, or a death, at each step of the commit ---------------------------------------------

# holds RAW: the disk is that one
holds() {
    "$VMLIFT" compare "$1" d/disk.vmdk >/dev/null 2>&1
}

calls=linkat,renameat,unlinkat,fsync,fdatasync

# step SUBFORMAT BEFORE HOW CALL N: with HOW at the Nth CALL.  False when there are not so many.
step() {
    local status=0 what="$1 over $2, $3 in $4 $5" options=()
    rm -rf d
    if [ "$2" = old ]; then
        cp -r --sparse=always old d
        options=(--force)
    else
        mkdir d
    fi
    strace -qq -f -o trace.txt -e trace=$calls -e inject="$4:$3:when=$5" \
        "$VMLIFT" convert --threads 1 "${options[@]}" -o subformat="$1" new.raw d/disk.vmdk \
        2>errors.txt || status=$?
    if [ $status = 0 ]; then # as it must be where no more than tidying up failed
        holds new.raw || fail "$what: status 0, and no disk"
        grep -q INJECTED trace.txt
    elif [ "$3" = signal=KILL ]; then # whatever there is, it is one of the two disks
        [ ! -e d/disk.vmdk ] || holds new.raw || { [ "$2" = old ] && holds old.raw; } ||
            fail "$what: a mixture: $(ls -A d)"
    else
        grep -qF '[io/error]' errors.txt || fail "$what: $(cat errors.txt)"
        [ "$2" = nothing ] || holds old.raw || fail "$what: the old one is gone"
        [ "$(ls -A d)" = "$(if [ "$2" = old ]; then ls -A old; fi)" ] ||
            fail "$what: left behind: $(ls -A d)"
    fi
}

steps() { # SUBFORMAT BEFORE HOW
    local call n
    for call in ${calls//,/ }; do
        n=1
        while step "$1" "$2" "$3" "$call" $n; do
            n=$((n + 1))
        done
        echo "$1 over $2, $3: $((n - 1)) times $call" >&2
        [ "$2" = nothing ] || [ $n -gt 1 ] || fail "$call is not called at all"
    done
}

mkdir old
run "$VMLIFT" convert -o subformat=twoGbMaxExtentFlat old.raw old/disk.vmdk
steps twoGbMaxExtentFlat old signal=KILL
steps twoGbMaxExtentFlat old error=EIO
steps twoGbMaxExtentFlat nothing error=EIO
rm -r old d

# --- names that are taken --------------------------------------------------------------------------

mkdir d
for subformat in $subformats; do
    run "$VMLIFT" convert -o subformat="$subformat" old.raw d/disk.vmdk
    for file in d/*; do
        mkdir e
        cp "$file" e/
        expect 6 output/exists "$VMLIFT" convert -o subformat="$subformat" new.raw e/disk.vmdk
        grep -qF "e/$(basename "$file")" stderr || fail "which file? $(cat stderr)"
        [ "$(ls -A e)" = "$(basename "$file")" ] || fail "left behind: $(ls -A e)"
        cmp "$file" "e/$(basename "$file")"
        run "$VMLIFT" convert --force -o subformat="$subformat" new.raw e/disk.vmdk
        run "$VMLIFT" compare new.raw e/disk.vmdk
        [ "$(ls -A d)" = "$(ls -A e)" ] || fail "left behind: $(ls -A e)"
        rm -r e
    done
    rm d/*
done

# A full disk, and an interruption, leave nothing.
for subformat in $subformats; do
    expect 7 io/full bash -c 'ulimit -f 100; exec "$@"' - \
        "$VMLIFT" convert -o subformat="$subformat" new.raw d/disk.vmdk
    [ -z "$(ls -A d)" ] || fail "a full disk left $(ls -A d)"
done

# --- names that a descriptor cannot have -----------------------------------------------------------

for name in 'a"b' $'a\nb' 'a\b' '100%' 'C:disk' $'caf\xe9'; do
    for subformat in $subformats; do
        expect 4 vmdk/name "$VMLIFT" convert -O vmdk -o subformat="$subformat" old.raw "d/$name"
    done
done
for name in 'a"b' $'a\nb'; do
    expect 4 vmdk/name "$VMLIFT" convert -O vmdk -o subformat=monolithicSparse old.raw "d/$name"
done
[ -z "$(ls -A d)" ] || fail "refused, and yet there is $(ls -A d)"
for name in 'a disk.vmdk' 'größe.VMDK' no-suffix a.vmdk.vmdk; do
    run "$VMLIFT" convert -O vmdk -o subformat=vmfs old.raw "d/$name"
    run "$VMLIFT" compare old.raw "d/$name"
    run qemu-img compare -q -f raw -F vmdk old.raw "d/$name"
    rm d/*
done

# --- what has no folder ----------------------------------------------------------------------------

for subformat in $subformats; do
    # shellcheck disable=SC2016
    expect 4 image/needs-seek bash -o pipefail -c \
        '"$VMLIFT" convert -O vmdk -o subformat="$1" old.raw - | cat' - "$subformat"
    expect 2 image/subformat "$VMLIFT" convert -o subformat="$subformat" old.raw no.ova
done
[ ! -e no.ova ] || fail "refused, and yet there is an output"

# --- damage ----------------------------------------------------------------------------------------

run "$VMLIFT" convert -o subformat=twoGbMaxExtentSparse old.raw d/disk.vmdk
truncate -s -64K d/disk-s001.vmdk
rm d/disk-s002.vmdk
"$VMLIFT" check d/disk.vmdk >found.txt && fail "no fault"
grep -qF '[io/not-found]' found.txt || fail "the file that is missing is not told: $(cat found.txt)"
grep -q 'disk-s001.vmdk: grain .*\[input/truncated\]\|disk-s001.vmdk: grain .*\[vmdk/grain-range\]' found.txt ||
    fail "the file that is cut is not told: $(cat found.txt)"
