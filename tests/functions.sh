# shellcheck shell=bash
# What the command line tests share.  A test begins with
#     . "$(dirname "$0")/../functions.sh"
# and is then in $tmp, a folder of its own that is removed when the test ends.
# VMLIFT is the program; VMLIFT_BUILD the build folder (both come from ctest).
set -euo pipefail
shopt -s inherit_errexit

: "${VMLIFT:?names the program to test}"
VMLIFT=$(realpath "$VMLIFT")
# The user's settings must not decide what a test sees.
unset VMLIFT_STORE VMLIFT_ACCOUNT AWS_REGION AWS_DEFAULT_REGION SOURCE_DATE_EPOCH
export VMLIFT LC_ALL=C LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$tests")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vmlift-test.XXXXXX")
export tests root tmp
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# 7-Zip calls itself 7z or, in Debian 12's package, 7zz.
if ! command -v 7z >/dev/null && command -v 7zz >/dev/null; then
    7z() { 7zz "$@"; }
fi

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# requires PROGRAM...: without them there is nothing to compare with; the test is skipped.
requires() {
    local program
    for program; do
        if ! command -v "$program" >/dev/null && [ ! -x "/usr/sbin/$program" ]; then
            echo "skipped: $program is not installed" >&2
            exit 77
        fi
    done
}

# requires_plugin: the nbdkit plugin, $plugin, which a sanitizer keeps from being loaded into nbdkit; without it the
# test is skipped.
requires_plugin() {
    plugin=${VMLIFT_BUILD:?names the build folder}/nbdkit-vmlift-plugin.so
    if [ ! -f "$plugin" ] || ldd "$plugin" | grep -E 'lib(asan|tsan|ubsan)' >/dev/null; then
        echo "skipped: nbdkit has no plugin that it can load" >&2
        exit 77
    fi
}

# requires_corpus: real images of other producers, which are not part of the project: $corpus is the
# folder, VMLIFT_CORPUS or the one that lies beside the source; without it the test is skipped.
requires_corpus() {
    corpus=${VMLIFT_CORPUS:-$root/../shared/corpus}
    if [ ! -d "$corpus" ]; then
        echo "skipped: no corpus (VMLIFT_CORPUS)" >&2
        exit 77
    fi
    corpus=$(realpath "$corpus")
    export corpus
}

# run COMMAND...: says it on stderr, then runs it.
run() {
    { printf '$' && printf ' %q' "$@" && echo; } >&2
    "$@"
}

# expect STATUS SLUG COMMAND...: it must end with STATUS and say [SLUG] on stderr; an empty SLUG asks
# for the status only.  What it said stays in $tmp/stdout and $tmp/stderr.
expect() {
    local want=$1 slug=$2 got=0
    shift 2
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" || got=$?
    if [ "$got" -ne "$want" ]; then
        cat "$tmp/stdout" "$tmp/stderr" >&2
        fail "exit status $got, not $want: $*"
    fi
    if [ -n "$slug" ] && ! grep -qF "[$slug]" "$tmp/stderr"; then
        cat "$tmp/stderr" >&2
        fail "no [$slug] on stderr: $*"
    fi
}

# refuse STATUS SLUG TEXT OPTION...: of converting to a raw disk; it must say TEXT, and leave nothing.
refuse() {
    local status=$1 slug=$2 text=$3
    shift 3
    expect "$status" "$slug" "$VMLIFT" convert "$@" no.raw
    grep -qF -e "$text" "$tmp/stderr" || fail "not a word of $text: $(cat "$tmp/stderr")"
    [ ! -e no.raw ] || fail "something is left: $*"
}

# same A B: two files hold the same bytes.
same() {
    cmp "$1" "$2" || fail "$1 and $2 differ"
}

# make_esp DISK START SIZE [x64|aa64]: at START MiB of the disk a FAT of SIZE MiB with the smallest
# loader for UEFI that there can be.
make_esp() {
    local disk=$1 start=$2 size=$3 arch=${4-x64} machine='\144\206'
    [ "$arch" = x64 ] || machine='\144\252'
    mkfs.fat --offset $((start * 2048)) "$disk" $((size * 1024)) >/dev/null 2>&1
    # shellcheck disable=SC2059 # the format is what makes the bytes
    printf "MZ%58s\\100\\0\\0\\0PE\\0\\0$machine\\0\\0%112s" >"$tmp/loader.efi"
    MTOOLS_SKIP_CHECK=1 mmd -i "$disk@@${start}M" ::EFI ::EFI/BOOT
    MTOOLS_SKIP_CHECK=1 mcopy -i "$disk@@${start}M" "$tmp/loader.efi" "::EFI/BOOT/BOOT${arch^^}.EFI"
}

# trace COMMAND...: by strace with its options, into ./trace.  It and the leak sanitizer both want to be the
# one that traces.
trace() {
    ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace -f -o trace "$@"
}

# reads FILE: how many bytes of it are read for the answer
reads() {
    trace -y -e trace=read,pread64,readv,preadv,preadv2,mmap "$VMLIFT" inspect --boot "$1" >/dev/null
    ! grep -qE "mmap\(.*$(basename "$1")>" trace || fail "$1 is mapped"
    grep -E "^[0-9]+ +p?read[^(]*\([0-9]+<[^>]*/$(basename "$1")>" trace |
        awk '{ sum += $NF } END { print sum + 0 }'
}

# reads_few FILE LEAST: for the answer more than LEAST bytes are read, and not more than 4 MiB
reads_few() {
    local n
    n=$(reads "$1")
    echo "$1: $n bytes are read" >&2
    [ "$n" -gt "$2" ] || fail "$1: that cannot be all"
    [ "$n" -le $((4 << 20)) ] || fail "$1: that is too much"
}

# serve OPTION...: starts "vmlift serve" of the store $tmp/store on a port that is free; $endpoint is
# its URL, $server its process, $tmp/server.log what it says.  It ends with the test, however that
# ends.
serve() {
    rm -f "$tmp/server.url"
    mkfifo "$tmp/server.url"
    "$VMLIFT" serve --store "$tmp/store" --listen 127.0.0.1:0 --exit-with-parent -v "$@" \
        >"$tmp/server.url" 2>>"$tmp/server.log" &
    server=$!
    read -r endpoint <"$tmp/server.url" || fail "the server does not start: $(cat "$tmp/server.log")"
    export endpoint server
}

# stop_server: ends it as a user would; its status must be 0.
stop_server() {
    local status=0
    kill -TERM "$server"
    wait "$server" || status=$?
    [ "$status" -eq 0 ] || fail "the server ended with status $status: $(cat "$tmp/server.log")"
}

# with_boto SCRIPT ARGUMENT...: runs it with Debian's SDK for Python, and with another one where there is
# one; the folder of tests/endpoint.py is its first argument.  Without any the test is skipped.
with_boto() {
    local python ran=0
    for python in /usr/bin/python3 "$(command -v python3)"; do
        if [ -x "$python" ] && "$python" -c 'import boto3' 2>/dev/null && [ "$python" != "$ran" ]; then
            run "$python" -B "$1" "$tests" "${@:2}" || fail "$1 with $python"
            [ "$ran" = 0 ] || return 0
            ran=$python
        fi
    done
    [ "$ran" != 0 ] || exit 77
}
