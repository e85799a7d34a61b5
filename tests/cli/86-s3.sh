#!/usr/bin/env bash
# The way into AWS by S3 and VM Import: parts, beside radosgw, which nobody here wrote; then publish --via
# import-snapshot and import-image, where the endpoint is EC2, and between the two is what VM Import does
# inside of AWS: it takes the object out of the bucket (via.py).
. "$(dirname "$0")/../functions.sh"
[ -x /usr/bin/python3 ] || fail "no python3" # Debian's, which has Debian's boto3
requires jq
: "${VMLIFT_BUILD:?names the build folder}"
caller=$VMLIFT_BUILD/tests/test_s3
if [ ! -x "$caller" ] || ! "$VMLIFT" serve --help >/dev/null; then
    echo "skipped: built without the client of AWS, or without the endpoint" >&2
    exit 77
fi
# shellcheck source=tests/radosgw.sh
. "$tests/radosgw.sh"

# One account is the user of both.
run "$VMLIFT" serve key add --store store --account 111122223333 --json >alice.json
AWS_ACCESS_KEY_ID=$(jq -r .AccessKeyId alice.json) AWS_SECRET_ACCESS_KEY=$(jq -r .SecretAccessKey alice.json)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
radosgw_start
/usr/bin/python3 -B "$tests/s3_client.py" "$VMLIFT" "$caller"

mkdir -p buckets/imports
serve --buckets buckets
head -c 20000000 /dev/urandom >one.raw
truncate -s 64M one.raw
printf '\x55\xaa' | dd of=one.raw bs=1 seek=510 conv=notrunc status=none
run "$VMLIFT" convert -O ova one.raw machine.ova
/usr/bin/python3 -B "$tests/via.py" "$VMLIFT"
stop_server
