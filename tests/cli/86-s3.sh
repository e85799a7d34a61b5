#!/usr/bin/env bash
# The way into AWS by S3 and VM Import: parts beside radosgw, which nobody here wrote.
. "$(dirname "$0")/../functions.sh"
[ -x /usr/bin/python3 ] || fail "no python3" # Debian's, which has Debian's boto3
: "${VMLIFT_BUILD:?names the build folder}"
caller=$VMLIFT_BUILD/tests/test_s3
if [ ! -x "$caller" ]; then
    echo "skipped: built without the client of AWS" >&2
    exit 77
fi
# shellcheck source=tests/radosgw.sh
. "$tests/radosgw.sh"
radosgw_start
/usr/bin/python3 -B "$tests/s3_client.py" "$VMLIFT" "$caller"
