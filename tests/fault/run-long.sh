#!/usr/bin/env bash
# The long form of the fault tests: every call, every allocation, every k, 10,000 flips, 1,000 kills, 200
# gc runs; some three hours on two idle cores, half of it for memory.  Prints the report that RESULTS.md
# keeps:
#
#   tests/fault/run-long.sh [NAME...] >tests/fault/RESULTS.md
#
# of the release build (or of VMLIFT and FAULT_SHIM), as root for the power cuts.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$(realpath "$0")")" && pwd)
root=$here/../..
export VMLIFT=${VMLIFT:-$root/build/release/vmlift} LC_ALL=C
export FAULT_SHIM=${FAULT_SHIM:-$root/build/release/tests/libfault_shim.so}
PATH=$PATH:/usr/sbin:/sbin

names=("$@")
[ $# -gt 0 ] || names=(syscalls memory power flips race full source publish)

cat <<END
# What the long form of the fault tests found

$(date -u +%Y-%m-%d), commit $(git -C "$root" rev-parse --short HEAD), Linux $(uname -r), $(nproc) cores,
glibc $(ldd --version | sed -n '1s/.* //p'), SQLite $(sqlite3 --version | cut -d' ' -f1),
$(mkfs.ext4 -V 2>&1 | sed -n '1s/ (.*//p'), $(mkfs.xfs -V 2>/dev/null || echo 'no mkfs.xfs').

END
failed=0
for name in "${names[@]}"; do
    status=0
    nice python3 -B "$here/$name.py" --long >"${TMPDIR:-/tmp}/fault-$$" || status=$?
    sed -n 's/^RESULT /- /p' "${TMPDIR:-/tmp}/fault-$$"
    rm "${TMPDIR:-/tmp}/fault-$$"
    [ "$status" -ne 77 ] || echo "- $name: skipped"
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || failed=1
done
exit $failed
