#!/usr/bin/env bash
# check-install.sh BUILD: what is installed works from wherever it is put: the program runs, and a program
# that knows nothing but pkg-config compiles, links and reads a disk with the library.
set -euo pipefail
build=$(realpath "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cmake --install "$build" --prefix "$tmp/first" >/dev/null
mv "$tmp/first" "$tmp/there"
version=$("$tmp/there/bin/vmlift" --version)

cat >"$tmp/main.c" <<'C'
#include <stdio.h>
#include <vmlift/image.h>
int main(int argc, char **argv)
{
    struct vml_error err;
    struct vml_input *in;
    struct vml_reader *r;

    if (argc != 2 || vml_input_open(&in, argv[1], &err) < 0 ||
        vml_image_open(&r, vml_formats, in, NULL, &err) < 0)
        return 1;
    printf("%s %llu\n", r->subformat, (unsigned long long)r->size);
    vml_reader_free(r);
    return 0;
}
C
pc=$(find "$tmp/there" -name vmlift.pc)
export PKG_CONFIG_PATH=${pc%/*}
[ "vmlift $(pkg-config --modversion vmlift)" = "$version" ]
read -ra flags <<<"$(pkg-config --cflags --libs vmlift)"
gcc -o "$tmp/main" "$tmp/main.c" "${flags[@]}"
truncate -s 1M "$tmp/disk.raw"
"$tmp/there/bin/vmlift" convert "$tmp/disk.raw" "$tmp/disk.vmdk"
said=$(LD_LIBRARY_PATH=${pc%/pkgconfig*} "$tmp/main" "$tmp/disk.vmdk")
[ "$said" = "streamOptimized 1048576" ] || {
    echo "the program said: $said" >&2
    exit 1
}
