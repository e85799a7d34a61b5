#!/usr/bin/env bash
# Everything that decides: installs what is missing, checks format and scripts, builds with warnings as
# errors, runs the tests under the sanitizers, clang-tidy, and at the end every test on the release
# build.  Nothing needs KVM or root (but installing packages does).
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$(realpath "$0")")/.."
export LC_ALL=C LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg
# The machines are made once and kept beside the builds.
export VMLIFT_VM_CACHE=${VMLIFT_VM_CACHE:-$PWD/build/vm}
export VMLIFT_GUEST_CACHE=${VMLIFT_GUEST_CACHE:-$PWD/build/guests}
PATH=$PATH:/usr/sbin:/sbin
jobs=$(nproc)

times=()
# A step's commands are joined by &&: inside a condition set -e does nothing.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@" || {
        echo "run.sh: $name failed" >&2
        exit 1
    }
    times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}
build() {
    cmake --preset "$1" --log-level=WARNING &&
        cmake --build --preset "$1" -j "$jobs"
}
c_files() {
    find include formats src tests -name '*.[ch]' -print0
}
format() {
    c_files | xargs -0 clang-format --dry-run -Werror
}
scripts() {
    ! git grep -nE '^(<<<<<<<|>>>>>>>) ' || return 1 # what a merge left
    find .ci samples tests -name '*.sh' -print0 | xargs -0 shellcheck .ci/run
}
tidy() {
    run-clang-tidy -quiet -p build/release -j "$jobs" '^'"$PWD"'/(formats|src)/' >build/tidy.log 2>&1 || {
        grep -E 'error:|warning:' build/tidy.log | sort -u
        return 1
    }
}
# The sanitizers find more in small tests than in the machine, which is left to the release build.
asan() {
    build asan &&
        ctest --preset asan -j "$jobs" --progress -L 'unit|contract|cli' -LE 'long|peers'
}
# This sanitizer puts signals off while a thread waits for a lock, so interruptions are left out; and so is
# what takes long there and has one thread.
tsan() {
    build tsan &&
        ctest --preset tsan -j "$jobs" --progress -L 'unit|contract|threads' \
            -E 'test_(registry|boot|boot_content|catalog_flips)$'
}

step "packages" samples/install-deps.sh --tests
step "clang-format" format
step "shellcheck" scripts
step "build" build release
step "machine" samples/make-vm.sh
step "guests" tests/guests/make.sh
step "clang-tidy" tidy
step "address, undefined behaviour" asan
step "threads" tsan
printf '\n'
printf '%s\n' "${times[@]}"
printf '\n== every test, release build\n'
exec ctest --preset release -j "$jobs"
