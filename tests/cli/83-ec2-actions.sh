#!/usr/bin/env bash
# EC2's actions on images, snapshots, their attributes and tags, asked by AWS's SDK for Python: answers are
# what its models say, and refusals have EC2's codes.
. "$(dirname "$0")/../functions.sh"
requires python3 jq
"$VMLIFT" serve --help >/dev/null || exit 77 # built without

for who in alice=111122223333 bob=444455556666 carol=777788889999; do
    "$VMLIFT" serve key add --store store --account "${who#*=}" --json >"${who%%=*}.json"
done
truncate -s 1G disk.raw
printf 'a disk' | dd of=disk.raw bs=1M seek=3 conv=notrunc status=none
import() {
    "$VMLIFT" import disk.raw -f raw --store store --account 111122223333 --arch x86_64 --boot-mode legacy-bios "$@"
}
import --name first --region us-east-1 --tag Env=Prod >first.txt
import --name secret --region us-east-1 --encrypt >secret.txt 2>/dev/null
# shellcheck disable=SC2119 # it has no options here
serve
with_boto "$tests/ec2_actions.py"

# A catalog that is made anew meanwhile is the one that is served from then on.
"$VMLIFT" store rebuild --store store >/dev/null
cat >rebuilt.py <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
from endpoint import *

client("ec2", "alice").create_tags(Resources=[sys.argv[2]], Tags=[{"Key": "Since", "Value": botocore.__version__}])
PYTHON
with_boto rebuilt.py "$(cat first.txt)"
"$VMLIFT" image show --store store --account 111122223333 first --json |
    jq -e '.Images[0].Tags | length == 2' >/dev/null ||
    fail "the tag is in no catalog, or in the old one"
"$VMLIFT" store gc --store store >/dev/null
stop_server
