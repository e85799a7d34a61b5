#!/usr/bin/env bash
# How quick vmlift is beside what people use now: makes the disks, runs every job and its peer in turn,
# and prints a table.  Options are jobs.py's: --help, --rows, --tables, --rounds, --json, --svg ...
#
#   samples/install-deps.sh --bench
#   tests/bench/run.sh [OPTION...]
#
# VMLIFT is the program (build/release/vmlift); scratch files, 10 GB of them, go to TMPDIR.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
VMLIFT=$(realpath -m "${VMLIFT:-$here/../../build/release/vmlift}")
if [ ! -x "$VMLIFT" ]; then
    echo "run.sh: $VMLIFT is no program (cmake --build --preset release makes it; VMLIFT names another)" >&2
    exit 2
fi
export VMLIFT
unset VMLIFT_STORE SOURCE_DATE_EPOCH # the first would be the user's, the second costs digests
exec python3 -B "$here/jobs.py" "$@"
