#!/usr/bin/env bash
# Descriptions of other producers: each is told, or refused with line and reason, as corpus/ovf.tsv says.
. "$(dirname "$0")/../functions.sh"
requires jq
requires_corpus

# told FILE WORD...: info of it, in info.json; its status is info's
told() {
    "$VMLIFT" info --json -f ovf "$@" >info.json 2>info.txt
}
# has_line FILE: an error that names where it is; what a file is as a whole has no line
has_line() {
    jq -e '.error.message | test("line [0-9]+: ")' info.json >/dev/null ||
        [ "$(jq -r .error.slug info.json)" = ovf/envelope ] || fail "$1: no line: $(cat info.json)"
}

n=0 wrong=0
while IFS=$'\t' read -r file verdict slugs reason; do
    case $file in '#'*) continue ;; esac
    n=$((n + 1))
    path=$corpus/$file
    [ -f "$path" ] || fail "$file is not in the corpus"
    [ -n "$reason" ] || fail "$file: no reason"
    if told "$path"; then
        got_verdict="read"
        got=$(jq -r '[.notes[].slug | select(. != "manifest/none")] | unique | join(",")' info.json)
        # what cannot be read is told, and no more than that
        if jq -e 'any(.disks[]; .absent)' info.json >/dev/null; then
            disk=$(jq '[.disks[] | .absent == true] | index(true) + 1' info.json)
            if "$VMLIFT" convert -f ovf --disk "$disk" "$path" out.raw 2>convert.txt || [ -e out.raw ]; then
                fail "$file: converted"
            fi
            grep -q '\[[a-z]*/[a-z-]*\]$' convert.txt || fail "$file: $(cat convert.txt)"
        fi
    else
        got=$(jq -r .error.slug info.json)
        got_verdict="refused"
        if [ "$got" = ovf/multi ]; then
            got_verdict="choose"
            jq -r .error.message info.json | sed 's/.*--vm: //' | grep -o "'[^']*'" | tr -d "'" >names
            while read -r name; do
                told --vm "$name" "$path" || fail "$file: --vm $name: $(cat info.txt)"
            done <names
        else
            has_line "$file"
        fi
    fi
    if [ "$got_verdict ${got:--}" != "$verdict $slugs" ]; then
        echo "$file: $got_verdict ${got:--}, where the table has $verdict $slugs ($reason)" >&2
        wrong=$((wrong + 1))
    fi
done <"$tests/corpus/ovf.tsv"
[ $wrong -eq 0 ] || fail "$wrong of $n verdicts are others"
# none is left out
find "$corpus" -name '*.ovf' | wc -l | { read -r all && [ "$all" = $n ]; } || fail "$n in the table, not $(find "$corpus" -name '*.ovf' | wc -l)"
echo "$n descriptions"
