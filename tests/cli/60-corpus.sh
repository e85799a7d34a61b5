#!/usr/bin/env bash
# Real images of other producers: each is read as its digest says, and as a second reader reads it, or
# refused with the reason.  corpus/disks.tsv is the list; the images are not part of the project.
. "$(dirname "$0")/../functions.sh"
requires python3
requires_corpus

cat >digest.py <<'PY'
import hashlib, os, struct, sys
fd, size, pos = os.open(sys.argv[1], os.O_RDONLY), os.path.getsize(sys.argv[1]), 0
h = hashlib.sha256(struct.pack("<Q", size))
while pos < size:
    try:                                            # holes need not be read
        pos = os.lseek(fd, pos, os.SEEK_DATA) // 65536 * 65536
    except OSError:
        break
    block = os.pread(fd, min(65536, size - pos), pos)
    if block.count(0) != len(block):
        h.update(struct.pack("<Q", pos) + block)
    pos += 65536
print(size, h.hexdigest())
PY

# is RAW SIZE DIGEST WHOSE
is() {
    [ "$(python3 digest.py "$1")" = "$2 $3" ] ||
        fail "$4: $(python3 digest.py "$1"), where $2 $3 is expected"
    rm "$1"
}

# second READER FILE: the disk into second.raw, by somebody else; false where he is not installed.
second() {
    case $1 in
    7z)
        command -v 7z >/dev/null && 7z e -so -tvhd "$2" >second.raw 2>second.txt
        ;;
    ova)
        command -v qemu-img >/dev/null || return 1
        rm -rf ova
        mkdir ova
        tar -C ova -xf "$2"
        cat ova/*.vmdk* >disk.vmdk # its chunks, where there are some
        qemu-img convert -f vmdk -O raw disk.vmdk second.raw
        ;;
    *)
        command -v qemu-img >/dev/null && qemu-img convert -f "$1" -O raw "$2" second.raw
        ;;
    esac
}

met=0
while IFS=$'\t' read -r path verdict a b by note; do
    file=$corpus/$path
    case $path in '#'*) continue ;; esac
    [ -e "$file" ] || continue
    met=$((met + 1))
    parents=()
    case $verdict in
    refused)
        expect "$a" "$b" "$VMLIFT" convert "$file" got.raw
        [ ! -e got.raw ] || fail "$path: refused, and yet there is an output"
        continue
        ;;
    child)
        expect 4 image/parent "$VMLIFT" convert "$file" got.raw
        parents=(--follow-parents)
        ;;
    esac
    run "$VMLIFT" convert "${parents[@]}" "$file" got.raw
    is got.raw "$a" "$b" "$path ($note)"
    if "$VMLIFT" info "${parents[@]}" "$file" | grep -q '(streamOptimized)'; then
        run "$VMLIFT" convert - got.raw < <(cat "$file")
        is got.raw "$a" "$b" "$path from a pipe"
    fi
    if second "$by" "$file"; then
        is second.raw "$a" "$b" "$path by $by"
    fi
done <"$tests/corpus/disks.tsv"
[ $met -gt 0 ] || fail "$corpus has none of the images"

# None is without a verdict.
(cd "$corpus" && find . -type f ! -name '*.ovf' ! -name '*.mf' ! -name '*.md' ! -name '*.tsv' -printf '%P\n') |
    sort >have.txt
grep -v '^#' "$tests/corpus/disks.tsv" | cut -f 1 | sort >listed.txt
comm -23 have.txt listed.txt >unlisted.txt
[ ! -s unlisted.txt ] || fail "not in disks.tsv: $(cat unlisted.txt)"
echo "$met images"
