#!/usr/bin/env bash
# Words that are off: status 2, one line on standard error with its slug, nothing on standard output.
. "$(dirname "$0")/../functions.sh"

export XDG_DATA_HOME=$tmp/data
truncate -s 1M disk.raw

# refused SLUG WORD...
refused() {
    local slug=$1
    shift
    expect 2 "$slug" "$VMLIFT" "$@"
    [ ! -s "$tmp/stdout" ] || fail "standard output of a usage error: $(cat "$tmp/stdout")"
    [ "$(wc -l <"$tmp/stderr")" = 1 ] || fail "not one line: $(cat "$tmp/stderr")"
    grep -q '^vmlift: ' "$tmp/stderr" || fail "without the program's name: $(cat "$tmp/stderr")"
}
says() {
    grep -qF -- "$1" "$tmp/stderr" || fail "no '$1' in: $(cat "$tmp/stderr")"
}

# verbs
refused usage/verb
refused usage/verb frobnicate
refused usage/verb convrt disk.raw disk.vhd
says "did you mean convert?"
refused usage/verb image
refused usage/verb image lst
says "did you mean list?"
refused usage/verb help frobnicate

# options
refused usage/option convert --frobnicate disk.raw disk.vhd
refused usage/option convert --forse disk.raw disk.vhd
says "did you mean --force?"
refused usage/option convert -z disk.raw disk.vhd
refused usage/value convert --json=yes disk.raw disk.vhd
refused usage/value convert disk.raw disk.vhd --threads
refused usage/value convert --threads 0 disk.raw disk.vhd
refused usage/value convert --threads many disk.raw disk.vhd
refused usage/value convert --threads 1x disk.raw disk.vhd
refused size/syntax convert -f raw --size big - disk.vhd
refused size/range convert -f raw --size 99999999E - disk.vhd
refused usage/size convert --size 1M disk.raw disk.vhd
refused usage/size convert -f raw --size 2M disk.raw disk.vhd
refused usage/twice convert -f raw -f raw disk.raw disk.vhd
refused usage/twice convert -O vhd -O vmdk disk.raw disk.out
refused usage/twice convert --threads 1 --threads 2 disk.raw disk.vhd
refused usage/twice convert -o subformat=fixed -o subformat=dynamic disk.raw disk.vhd
refused usage/twice image list --store a --store b
refused usage/tag import disk.raw --name a --tag novalue
refused usage/name import disk.raw

# operands
refused usage/operands convert
refused usage/operands convert disk.raw
refused usage/operands convert disk.raw a.vhd b.vhd
refused usage/operands info
refused usage/operands compare disk.raw
refused usage/operands export ami-0123456789abcdef0
refused usage/operands store stats more
refused usage/operands image show
refused usage/operands snapshot delete
refused usage/disk convert --disk 2 disk.raw disk.vhd

# formats
refused usage/format convert -O qcow3 disk.raw disk.out
says "vmdk"
refused usage/format convert -f qcow3 disk.raw disk.vhd
refused usage/format info -f qcow3 disk.raw
refused usage/format compare -F qcow3 disk.raw disk.raw
refused usage/output-format convert disk.raw disk.out
refused usage/output-format convert disk.raw disk
refused usage/output-format convert disk.raw some.vhd/disk
refused image/subformat convert -o subformat=thick disk.raw disk.vhd
refused image/option convert -o colour=red disk.raw disk.vhd

# whose and where
refused usage/account image list --account 123
refused usage/region image list --region 'US East'
VMLIFT_ACCOUNT=abcdefghijkl refused usage/account image list
SOURCE_DATE_EPOCH=yesterday refused usage/environment info disk.raw

# nothing of all that left anything behind
[ "$(find . -type f ! -name stdout ! -name stderr)" = ./disk.raw ] || fail "left behind: $(find .)"

# with --json the same as an object, wherever the option stands
expect 2 usage/option "$VMLIFT" convert --frobnicate a b --json
if command -v jq >/dev/null; then
    [ "$(jq -c '[.error.slug, .error.status, (.error.message | type)]' stdout)" = \
        '["usage/option",2,"string"]' ] || fail "--json: $(cat stdout)"
fi
grep -q '"slug": "usage/option"' stdout || fail "--json: $(cat stdout)"

# a list that is empty is no failure; a store that was named must be there
"$VMLIFT" image list | cmp - <(echo "ID  NAME  OWNER  STATE  ARCH  VIRT  BOOT  SIZE  CREATED")
expect 6 store/not-found "$VMLIFT" image list --store nowhere
expect 6 store/not-found "$VMLIFT" image show ami-0123456789abcdef0
if [ -e nowhere ] || [ -e data ]; then
    fail "a reading verb made a store"
fi

# names from outside do not reach the terminal as they are
name=$'disk\e[31m\xe2\x80\xae\xff\nx'
expect 6 io/not-found "$VMLIFT" info "$name"
! grep -q $'[\e\xff]' stderr || fail "control characters reach the terminal"
grep -qF 'disk\x1b[31m\u202e\xff\x0ax' stderr || fail "escaped as $(cat stderr)"
[ "$(wc -l <stderr)" = 1 ] || fail "a name makes two lines of one"
