#!/usr/bin/env bash
# Each public header alone must compile as strict C11 and as C++17, whatever was included before it.
#   tests/check-headers.sh ROOT
set -euo pipefail
root=$(realpath "${1:?usage: check-headers.sh ROOT}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags=(-Wall -Wextra -pedantic -Werror -fsyntax-only -I"$root/include")
bad=0 n=0
for header in "$root"/include/vmlift/*.h; do
    name=vmlift/$(basename "$header")
    # Twice: the include guard must work.
    printf '#include "%s"\n#include "%s"\n' "$name" "$name" >"$tmp/alone.c"
    cp "$tmp/alone.c" "$tmp/alone.cc"
    "${CC:-cc}" -std=c11 "${flags[@]}" "$tmp/alone.c" || { echo "$name: not C11" && bad=1; }
    if command -v "${CXX:-c++}" >/dev/null; then
        "${CXX:-c++}" -std=c++17 "${flags[@]}" "$tmp/alone.cc" || { echo "$name: not C++17" && bad=1; }
    fi
    n=$((n + 1))
done
[ $n -gt 0 ] || { echo "no headers in $root/include/vmlift" && exit 1; }
command -v "${CXX:-c++}" >/dev/null || { [ $bad -ne 0 ] || exit 77; }
exit $bad
