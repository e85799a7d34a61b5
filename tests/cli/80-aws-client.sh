#!/usr/bin/env bash
# The client of AWS: signatures beside botocore's, keys from everywhere, calls made again.
. "$(dirname "$0")/../functions.sh"
[ -x /usr/bin/python3 ] || fail "no python3" # Debian's, which has Debian's botocore
: "${VMLIFT_BUILD:?names the build folder}"
caller=$VMLIFT_BUILD/tests/test_aws
if [ ! -x "$caller" ]; then
    echo "skipped: built without the client of AWS" >&2
    exit 77
fi
/usr/bin/python3 -B "$tests/aws_client.py" "$VMLIFT_BUILD/tests/test_sigv4" "$caller"
