#!/usr/bin/env bash
# The arrows between the layers point down, and what belongs to one place stays there:
#   - a layer includes its own headers and those of the layers below it, as `below` lists them
#   - only src/cli prints, exits and reads the environment
#   - only src/core/copy.c starts threads
#   - src/core takes the table of formats and names none of them
#   - no goto
# Then it plants one fault of each kind in a copy and makes sure that each is found.
#   tests/check-layers.sh ROOT
set -euo pipefail
shopt -s inherit_errexit nullglob
root=$(realpath "${1:?usage: check-layers.sh ROOT}")

# What a layer's files may include besides their own folder's headers: public headers by name,
# internal ones as folder/.
declare -A below=(
    [src/base]="base endian"
    [src/io]="base endian io"
    [src/codec]="base endian codec certificate"
    [formats]="base endian io codec certificate image copy package facts"
    [src/core]="base endian io codec image copy package"
    [src/catalog]="base catalog/"
    [src/store]="base endian io codec image copy store key upload catalog/ codec/"
    [src/guest]="base endian io codec image guest appliance inspect prep"
    [src/target]="base io image package facts guest inspect target"
    [src/ami]="base endian io codec image copy package store key guest ami rules registry share filter cost prune catalog/"
    [src/aws]="base endian io codec image copy package store ami aws"
    [src/serve]="base endian io codec image copy store key upload ami rules registry share filter aws serve"
    [src/cli]="base io codec image copy package facts store key guest appliance inspect prep target ami rules registry share filter cost prune aws serve"
    [src/nbd]="base io image copy package store key guest ami registry share"
)

# without_comments FILE: strings are emptied too, so that words in messages do not count.
without_comments() {
    "${CC:-cc}" -fpreprocessed -dD -E "$1" 2>/dev/null | sed -E 's/"([^"\\]|\\.)*"/""/g'
}

# check ROOT: prints each fault as "file: what"; status 1 when there is one.
check() (
    cd "$1"
    faults=0
    fault() {
        echo "$*"
        faults=$((faults + 1))
    }
    for dir in formats src/*/; do
        dir=${dir%/}
        if [ -z "${below[$dir]-}" ]; then
            fault "$dir: no such layer; list it in tests/check-layers.sh"
            continue
        fi
        for file in "$dir"/*.[ch]; do
            while read -r header; do
                case $header in
                vmlift/*) name=${header#vmlift/} name=${name%.h} ;;
                */*) name=${header%/*}/ ;;
                *) name=own ;;
                esac
                if [ "$name" = own ] || [ "$name" = "${dir#src/}/" ]; then
                    [ -f "$dir/${header##*/}" ] || fault "$file: $header is not in $dir"
                elif [[ " ${below[$dir]} " != *" $name "* ]]; then
                    fault "$file: $dir must not include $header"
                fi
            done < <(sed -n -E 's/^[ \t]*#[ \t]*include[ \t]*"([^"]+)".*/\1/p' "$file")

            text=$(without_comments "$file")
            if [ "$dir" != src/cli ]; then
                ! grep -qE '\b(printf|vprintf|puts|putchar|perror)[ \t]*\(|\b(stdout|stderr)\b' \
                    <<<"$text" || fault "$file: prints; only src/cli may"
                ! grep -qE '\b(exit|_exit|_Exit|quick_exit)[ \t]*\(' \
                    <<<"$text" || fault "$file: exits; only src/cli may"
                ! grep -qE '\b(secure_)?getenv[ \t]*\(|\benviron\b' \
                    <<<"$text" || fault "$file: reads the environment; only src/cli may"
            fi
            if [ "$file" != src/core/copy.c ] && grep -qE '\bpthread_create\b' <<<"$text"; then
                fault "$file: starts threads; only src/core/copy.c may"
            fi
            if [ "$dir" = src/core ] && grep -qE '\bvml_formats\b|\bvml_format_(raw|vmdk|vhd|ova)\b' \
                <<<"$text"; then
                fault "$file: names a format; core takes the table"
            fi
        done
    done
    for file in formats/*.c src/*/*.c tests/*/*.c; do
        ! grep -qE '\bgoto\b' <<<"$(without_comments "$file")" || fault "$file: goto"
    done
    [ $faults -eq 0 ]
)

check "$root"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
planted=0
# plant FILE LINE: a copy of the tree with LINE added to FILE must be found at fault there.
plant() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/$(dirname "$1")" "$tmp/tree/src/base"
    printf '%s\n' "$2" >"$tmp/tree/$1"
    if check "$tmp/tree" >"$tmp/out" || ! grep -qF "$(dirname "$1")" "$tmp/out"; then
        echo "not found in $1: $2"
        exit 1
    fi
    planted=$((planted + 1))
}
plant src/base/x.c '#include "vmlift/io.h"'
plant src/io/x.c '#include "vmlift/image.h"'
plant src/codec/x.c '# include "vmlift/io.h"'
plant formats/x.c '#include "vmlift/store.h"'
plant formats/x.c '#include "core/ring.h"'
plant src/core/x.h '#include "vmlift/store.h"'
plant src/core/x.c '#include "../../formats/vhd.h"'
plant src/catalog/x.c '#include "vmlift/store.h"'
plant src/store/x.c '#include "vmlift/ami.h"'
plant src/guest/x.c '#include "vmlift/store.h"'
plant src/target/x.c '#include "vmlift/store.h"'
plant src/ami/x.c '#include "store/heap.h"'
plant src/aws/x.c '#include "vmlift/registry.h"'
plant src/ami/x.c '#include "vmlift/aws.h"'
plant src/aws/x.c '#include "store/heap.h"'
plant src/serve/x.c '#include "ami/registry.h"'
plant src/ami/x.c '#include "vmlift/serve.h"'
plant src/cli/x.c '#include "catalog/db.h"'
plant src/new/x.c '#include "vmlift/base.h"'
plant src/store/x.c 'void f(void) { printf("x"); }'
plant formats/x.c 'void f(void) { fputs("x", stderr); }'
plant src/io/x.c 'void f(void) { exit(1); }'
plant src/ami/x.c 'char *f(void) { return getenv("HOME"); }'
plant src/core/compare.c 'void f(void) { pthread_create(0, 0, 0, 0); }'
plant src/core/x.c 'const void *f(void) { return vml_formats; }'
plant src/cli/x.c 'void f(void) { goto out; out:; }'

# And nothing that is allowed is called a fault.
mkdir -p "$tmp/clean/src/core" "$tmp/clean/src/cli" "$tmp/clean/formats"
printf '%s\n' '#include "vmlift/copy.h"' '/* goto, exit(1), stdout */' \
    'const char *s = "goto exit(1) stdout"; void f(void) { pthread_create(0, 0, 0, 0); }' \
    >"$tmp/clean/src/core/copy.c"
printf '%s\n' '#include "vmlift/ami.h"' 'void f(void) { printf("x"); exit(0); }' \
    >"$tmp/clean/src/cli/main.c"
check "$tmp/clean"
echo "layers: no fault; each of $planted planted faults was found"
