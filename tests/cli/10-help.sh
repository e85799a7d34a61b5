#!/usr/bin/env bash
# Every verb's help: on standard output, status 0, 80 columns; and the manual has all of it.
. "$(dirname "$0")/../functions.sh"

manual=$root/src/cli/vmlift.1

# verbs_of WORD...: the names in the table that the help of a group prints.
verbs_of() {
    "$VMLIFT" "$@" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p'
}

# check_help WORD...: the help of a verb, both ways to it.
check_help() {
    "$VMLIFT" "$@" --help >help.txt 2>errors.txt || fail "$* --help: status $?"
    [ -s help.txt ] || fail "$* --help prints nothing"
    [ ! -s errors.txt ] || fail "$* --help writes to standard error"
    head -1 help.txt | grep -qF "usage: vmlift $*" || fail "$* --help begins with $(head -1 help.txt)"
    ! grep -nE '.{81}' help.txt || fail "$* --help is wider than 80 columns"
    ! grep -nE ' $' help.txt || fail "$* --help has blanks at the end of a line"
    "$VMLIFT" help "$@" | cmp - help.txt || fail "help $* differs from $* --help"
    "$VMLIFT" "$@" -h | cmp - help.txt || fail "$* -h differs from $* --help"
}

"$VMLIFT" --help >help.txt
head -1 help.txt | grep -qF "usage: vmlift" || fail "--help"
! grep -nE '.{81}' help.txt || fail "--help is wider than 80 columns"
"$VMLIFT" -h | cmp - help.txt
"$VMLIFT" help | cmp - help.txt
"$VMLIFT" --version | grep -qE '^vmlift [0-9]+\.[0-9]+\.[0-9]+$' || fail "--version"

top=$(verbs_of)
for verb in convert info map hash check inspect compare import export image snapshot key store serve; do
    grep -qx "$verb" <<<"$top" || fail "no verb $verb in --help"
done
n=0
for verb in $top; do
    below=$(verbs_of "$verb")
    check_help "$verb"
    for full in ${below:-.}; do
        words=("$verb")
        [ "$full" = . ] || words+=("$full")
        check_help "${words[@]}"
        # The manual: a heading for the verb, and each option somewhere beneath it.
        section=$(awk -v h=".SS \"${words[*]}\"" '$0 == h { on = 1; next } /^\.S[SH]/ { on = 0 } on' \
            "$manual" | sed 's/\\-/-/g')
        [ -n "$section" ] || fail "the manual has no section ${words[*]}"
        common=$(awk '/^\.SH "COMMON OPTIONS"/ { on = 1; next } /^\.S[SH]/ { on = 0 } on' "$manual" |
            sed 's/\\-/-/g')
        # "  -h, --help   what it does"
        sed -n '/^ *-/s/^ *\([^ ]*\(, --[a-z-]*\)\{0,1\}\).*/\1/p' help.txt | tr -d ',' |
            tr ' ' '\n' >options.txt
        grep -qx -e --json options.txt || fail "$*: no --json among its options"
        while read -r option; do
            # the line below .TP is what an entry is about
            awk '/^\.TP/ { getline; print }' <<<"$section
$common" | grep -qE -e "(^|[^a-z-])$option([^a-z-]|\$)" ||
                fail "the manual's ${words[*]} has no $option"
        done <options.txt
        n=$((n + 1))
    done
done
[ "$n" -ge 15 ] || fail "only $n verbs were looked at"

# The manual says nothing that is not there: its sections are the verbs.
grep -oP '^\.SS "\K[a-z ]+(?=")' "$manual" | while read -r -a words; do
    "$VMLIFT" "${words[@]}" --help >/dev/null || fail "the manual's verb ${words[*]} does not exist"
done

# The slugs are a promise: those of the sources are all in the manual, and no others.
sed -n '/^\.\\" slugs begin/,/^\.\\" slugs end/p' "$manual" | sed 's/\\-/-/g' |
    grep -oE '^[a-z]+/[a-z0-9-]+' | sort -u >manual.txt
find "$root/src" "$root/formats" -name '*.[ch]' -exec sed '/^ *#include/d' {} + |
    grep -oE '["[][a-z]+/[a-z0-9-]+[]"]' | tr -d '"[]' | grep -v '^application/' | sort -u >sources.txt
[ "$(wc -l <sources.txt)" -gt 100 ] || fail "only $(wc -l <sources.txt) slugs found in the sources"
diff sources.txt manual.txt >slugs.txt || fail "slugs of the sources (<) and the manual (>) differ:
$(cat slugs.txt)"

if command -v man >/dev/null; then
    man -l --warnings "$manual" 2>warnings.txt >/dev/null || fail "man cannot read the manual"
    [ ! -s warnings.txt ] || fail "man: $(cat warnings.txt)"
fi
