#!/usr/bin/env bash
# Which images and snapshots there are: EC2's filters, and its own words for what is found.
. "$(dirname "$0")/../functions.sh"
requires jq python3
python3 -c 'import botocore' 2>/dev/null || {
    echo "skipped: no botocore" >&2
    exit 77
}

export VMLIFT_STORE=$tmp/store

# is WANTED GOT: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# names OPTION...: of the images that a list has, in its order
names() {
    "$VMLIFT" image list --json "$@" | jq -r '[.Images[].Name] | join(" ")'
}
# noise FILE BYTES SEED: the same every time, no two seeds alike
noise() {
    head -c "$2" < <(yes "vmlift $3") >"$1"
    truncate -s 4M "$1"
}

# --- no store is an empty list; an AMI that is named must be there

is '{"Images":[]}' "$(unset VMLIFT_STORE && XDG_DATA_HOME=$tmp/none "$VMLIFT" image list --json | jq -c .)"
expect 6 store/not-found env -u VMLIFT_STORE XDG_DATA_HOME="$tmp/none" "$VMLIFT" image list ami-1

# --- what there is

for i in 1 2 3; do
    noise disk$i.raw 1500000 $i
done
web=$("$VMLIFT" import disk1.raw --name web-1 --tag Env=Prod --tag Team=a,b --boot-mode uefi)
"$VMLIFT" import disk2.raw --name web-2 --tag Env=Test --arch arm64 --boot-mode uefi >/dev/null
db=$("$VMLIFT" import disk3.raw --name 'db [new]' --tag Env=Prod --description 'a, b=c \ d')
"$VMLIFT" import disk1.raw --name theirs --account 222222222222 >/dev/null
"$VMLIFT" import disk1.raw --name web-1 --region eu-west-1 >/dev/null

# --- filters: the oldest first

is 'web-1 web-2 db [new]' "$(names)"
is 'theirs' "$(names --account 222222222222)"
is 'web-1' "$(names --region eu-west-1)"
is 'web-1 web-2' "$(names --filter 'name=web-*')"
is 'web-1' "$(names --filter 'name=web-*,state=available,tag:Env=Prod')"
is 'web-1' "$(names --filter 'name=web-*' --filter tag:Env=Prod)"
is 'web-1 web-2' "$(names --filter 'Name=tag:Env,Values=Test,Pr?d' --filter 'name=web*')"
is 'web-1 web-2' "$(names --filter 'tag:Env=Test,Prod,name=web*')"
is 'web-1' "$(names --filter 'tag:Team=a\,b')"
is 'db [new]' "$(names --filter 'name=*[new]')"
is 'db [new]' "$(names --filter 'Name=description,Values=a\, b=c \\ d')"
is '' "$(names --filter 'name=WEB-*')"
is '' "$(names --filter 'platform=*')"
is 'web-2' "$(names --filter architecture=arm64)"
is 'web-1 web-2' "$(names "$web" web-2)"
is 'web-1 web-2' "$(names web-2 "$web" web-1)"
is 'web-2' "$(names "$web" web-2 --filter tag:Env=Test)"
is "$db" "$("$VMLIFT" image list --filter "block-device-mapping.snapshot-id=$("$VMLIFT" image show \
    --json "$db" | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId')" | awk 'NR == 2 { print $1 }')"
is 'web-1 web-2 db [new]' "$(names --owner self)"
is '' "$(names --owner 222222222222)"
is '' "$(names --owner amazon --owner aws-marketplace)"
is '' "$(names --executable-by self)"

# EC2's words
expect 5 InvalidParameterValue "$VMLIFT" image list --filter cluster=x
grep -qF "The filter 'cluster' is invalid" stderr || fail "not EC2's words"
expect 5 InvalidParameterValue "$VMLIFT" image list --filter 'name=web-\d'
grep -qF "The escape sequence '\\d' is invalid" stderr || fail "not EC2's words"
expect 4 image/filter "$VMLIFT" image list --filter image-allowed=true
expect 2 usage/filter "$VMLIFT" image list --filter web-1
expect 5 InvalidUserID.Malformed "$VMLIFT" image list --owner me
expect 5 FilterLimitExceeded "$VMLIFT" image list --filter "name=$(printf 'x%.0s,' {1..201})"
expect 6 InvalidAMIID.NotFound "$VMLIFT" image list ami-0123456789abcdef0
expect 6 InvalidAMIID.NotFound "$VMLIFT" image list theirs
expect 5 InvalidAMIID.Malformed "$VMLIFT" image list ami-x

# --- the answer is that of "aws ec2 describe-images", by the AWS SDK's own model

newer=(DeregistrationProtection SourceImageId SourceImageRegion)
ours=(Source SourceFormat BillingProducts CrashConsistent)
"$VMLIFT" image list --json >images.json
"$tests/ec2_shape.py" DescribeImages "${newer[@]}" "${ours[@]}" <images.json
jq -e --arg id "$web" '.Images[0] | .ImageId == $id and .ImageLocation == "000000000000/web-1" and
    .Public == false and .ImageType == "machine" and .Hypervisor == "xen" and .BootMode == "uefi" and
    .RootDeviceType == "ebs" and .PlatformDetails == "Linux/UNIX" and .UsageOperation == "RunInstances" and
    .DeregistrationProtection == "disabled" and (has("Platform") | not) and (has("KernelId") | not) and
    (.CreationDate | test("^20[0-9-]{8}T[0-9:]{8}\\.000Z$"))' images.json >/dev/null ||
    fail "not what EC2 says: $(jq -c '.Images[0]' images.json)"
sed 's/"State"/"Stat"/; s/"Public": false/"Public": "no"/' images.json >wrong.json
"$tests/ec2_shape.py" DescribeImages "${newer[@]}" "${ours[@]}" <wrong.json 2>faults && fail "any shape will do"
is 6 "$(grep -c "no member Stat\|is no boolean" faults)"
