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

# --- who may launch: only what one is told of

"$VMLIFT" image share theirs --account 222222222222 --with 000000000000,333333333333 >/dev/null
"$VMLIFT" image share web-2 --with 333333333333 >/dev/null
is 'web-1 web-2 db [new] theirs' "$(names)"
is 'theirs' "$(names --executable-by self)"
is 'web-2' "$(names --executable-by 333333333333)" # that of theirs is not ours to know
is 'web-1 web-2 db [new]' "$(names --owner self)"
is 'theirs' "$(names --owner 222222222222)"
"$VMLIFT" image share 'db [new]' --public >/dev/null
is 'db [new]' "$(names --executable-by all --account 444444444444)"
is 'db [new]' "$(names --filter is-public=true)"
"$VMLIFT" image disable web-2 >/dev/null
is 'web-1 db [new] theirs' "$(names)"
is 'web-1 web-2 db [new] theirs' "$(names --include-disabled)"
is '' "$(names web-2 2>note)"
grep -qF '[image/hidden]' note || fail "a disabled AMI is left out without a word"

# --- snapshots

snaps() {
    "$VMLIFT" snapshot list --json "$@" | jq -r '[.Snapshots[].SnapshotId] | join(" ")'
}
snap_of() {
    "$VMLIFT" image show --json "$@" | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId'
}
s1=$(snap_of web-1)
s3=$(snap_of 'db [new]')
theirs=$(snap_of theirs --account 222222222222)
"$VMLIFT" snapshot tag "$s1" --tag Env=Prod >/dev/null
"$VMLIFT" snapshot share "$theirs" --account 222222222222 --with 000000000000 >/dev/null
copy=$("$VMLIFT" snapshot copy "$s3" --description 'of three')
is 5 "$(snaps | wc -w)"
is "$theirs" "$(snaps --owner 222222222222)"
is 5 "$(snaps --restorable-by self | wc -w)" # one's own, too
is '' "$(snaps --restorable-by all)"
is "$s1" "$(snaps --filter tag:Env=Prod)"
is "$copy" "$(snaps --filter 'description=of *,status=completed,storage-tier=standard,encrypted=false')"
is "$s1 $s3" "$(snaps "$s3" "$s1")"
is "$copy" "$(snaps --orphans)"
is '' "$(snaps --orphans --account 222222222222)"
expect 5 InvalidParameterValue "$VMLIFT" snapshot list --filter architecture=x86_64
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot list snap-0123456789abcdef0
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot list "$copy" --account 222222222222
expect 5 InvalidSnapshotID.Malformed "$VMLIFT" snapshot list vol-1
"$VMLIFT" snapshot list --json >snapshots.json
"$tests/ec2_shape.py" DescribeSnapshots FullSnapshotSizeInBytes SizeInBytes Root <snapshots.json

# --- what it costs: EBS counts 512 KiB blocks that are no holes, and nothing for a copy

cost() {
    "$VMLIFT" store stats --cost "$@" --json | jq -r .cost
}
block=$((512 << 10))
# three blocks in each of four disks that were imported five times, and one copy here
is $((5 * 3 * block)) "$(cost | jq .ebs_bytes)"
is $((5 * 3 * block)) "$("$VMLIFT" snapshot list --json | jq '[.Snapshots[].FullSnapshotSizeInBytes] | add')"
is 0 "$(cost | jq .ebs_unused_bytes)" # the copy's blocks are those of its source
"$VMLIFT" snapshot copy "$s3" --source-region us-east-1 --region eu-west-1 >elsewhere
is $((6 * 3 * block)) "$(cost | jq .ebs_bytes)"
is $((3 * block)) "$(cost | jq .ebs_unused_bytes)"
is "$("$VMLIFT" store stats --json | jq .compressed)" "$(cost | jq .bytes)" # here, each block once
is "$(cost | jq '.ebs_bytes / 1024 / 1024 / 1024 * 100 * 10000 | round / 10000')" \
    "$(cost --price 100 | jq .ebs_monthly)"
is '0.05 USD' "$(cost | jq -r '"\(.price) \(.currency)"')"
"$VMLIFT" store stats --cost --price 1000000 | grep -q '^cost in EBS  8789.06 USD a month' || fail "no cost"
for wrong in -1 1e3 0x10 nan '' 1.2.3 9999999; do
    expect 2 usage/price "$VMLIFT" store stats --cost --price="$wrong"
done
"$VMLIFT" image show web-1 --price 1000 | grep -q '^cost:  *1.46 USD a month in EBS, for 1.5 MiB$' ||
    fail "no cost of an AMI"
own_id() {
    "$VMLIFT" image show "$1" --json | jq -r '.Images[0].ImageId'
}
own() {
    "$VMLIFT" image show "$1" --json --cost | jq ".Images[0].Cost | if .EbsBytes == 3 * $block then .OwnBytes else -1 end"
}
is 0 "$(own web-1)" # others have the same disk
is "$("$VMLIFT" store stats --images --json | jq --arg id "$(own_id web-2)" '.Images[] | select(.ImageId == $id).frees')" \
    "$(own web-2)"
"$VMLIFT" image show theirs | grep -q '^cost:' && fail "what others own costs us"
[ "$(own web-2)" -gt 0 ] || fail "nothing is web-2's own"

# --- pruning

unset VMLIFT_STORE
export VMLIFT_STORE=$tmp/nightly
now=$(date +%s)
# made NAME DAYS DISK: an AMI that was made so many days ago
made() {
    SOURCE_DATE_EPOCH=$((now - $2 * 86400)) "$VMLIFT" import "$3" --name "$1" 2>/dev/null
}
for i in 1 2 3 4 5; do
    made nightly-$i $((100 - 20 * i)) disk$((i % 3 + 1)).raw >"nightly$i" # 80, 60, 40, 20 and 0 days ago
done
made weekly-1 90 disk1.raw >/dev/null
made weekly-2 1 disk1.raw >/dev/null
head -c 1500000 /dev/urandom >only.raw
made precious 300 only.raw >/dev/null
made theirs 300 disk1.raw >/dev/null
"$VMLIFT" import disk1.raw --name foreign --account 222222222222 >/dev/null 2>&1
"$VMLIFT" image share foreign --public --account 222222222222 >/dev/null
"$VMLIFT" image protect precious >/dev/null
"$VMLIFT" image disable theirs >/dev/null
# prune OPTION...: the names that go
prune() {
    "$VMLIFT" image prune --json "$@" 2>notes | jq -r '[.Images[].Name] | join(" ")'
}
for without in '' '--dry-run' '--name=*' '--keep-last=3' '--delete-snapshots'; do
    # shellcheck disable=SC2086
    expect 2 usage/prune "$VMLIFT" image prune $without
done
expect 2 usage/value "$VMLIFT" image prune --older-than 3w
expect 5 InvalidParameterValue "$VMLIFT" image prune --name 'a\b' --keep-last 1
before=$("$VMLIFT" image list --json --include-disabled)
is 'nightly-1 nightly-2 nightly-3' "$(prune --name 'nightly-*' --keep-last 2 --dry-run)"
is 'nightly-1 nightly-2' "$(prune --name 'nightly-*' --older-than 50 --dry-run)"
is 'nightly-1' "$(prune --name 'nightly-*' --older-than 50 --keep-last 4 --dry-run)"
is 'nightly-1 nightly-2 nightly-3 nightly-4 weekly-1' \
    "$(prune --name 'nightly-*' --name 'weekly-?' --keep-last 1 --dry-run)" # the newest of each
is 'nightly-1 nightly-2 weekly-1' "$(prune --older-than 50 --dry-run)" # whatever they are called
grep -q 'precious.*protected.*\[image/stays\]' notes || fail "nothing is said of what is protected"
grep -q 'theirs.*disabled.*\[image/stays\]' notes || fail "nothing is said of what is disabled"
is '' "$(prune --deprecated --dry-run)"
is "$before" "$("$VMLIFT" image list --json --include-disabled)"
SOURCE_DATE_EPOCH=$((now - 10 * 86400)) "$VMLIFT" image deprecate nightly-4 --at +5 >/dev/null
"$VMLIFT" image deprecate nightly-5 --at +5 >/dev/null
is 'nightly-4' "$(prune --deprecated --dry-run)"
is 'nightly-1 nightly-2 nightly-4' "$(prune --deprecated --older-than 50 --name 'n*' --dry-run)"

# Snapshots stay, and cost what they did, until they are deleted.
ebs=$("$VMLIFT" store stats --cost --json | jq .cost.ebs_bytes)
kept=$(snap_of nightly-1)
"$VMLIFT" image prune --name 'nightly-*' --older-than 70 >gone 2>notes
is "nightly-1 old" "$(awk 'NR == 2 { print $2, $4 }' gone)"
grep -q '\[image/snapshots-stay\]' notes || fail "not a word of what stays"
is "$ebs" "$("$VMLIFT" store stats --cost --json | jq .cost.ebs_bytes)"
is "$((3 * block))" "$("$VMLIFT" store stats --cost --json | jq .cost.ebs_unused_bytes)"
is "$kept" "$(snaps --orphans)"
is 'prune' "$("$VMLIFT" image history "$(cat nightly1)" --json | jq -r '.. | .Action? // empty' | tail -1)"
expect 6 InvalidAMIID.Unavailable "$VMLIFT" image show "$(cat nightly1)"

# With their snapshots: what it said it frees is freed.
"$VMLIFT" image protect precious --off >/dev/null
said=$("$VMLIFT" image prune --name precious --older-than 200 --delete-snapshots --dry-run --json 2>/dev/null |
    jq .OwnBytes)
"$VMLIFT" store gc >/dev/null
stored=$("$VMLIFT" store stats --json | jq .stored)
is precious "$(prune --name precious --older-than 200 --delete-snapshots)"
"$VMLIFT" store gc >/dev/null
freed=$((stored - $("$VMLIFT" store stats --json | jq .stored)))
off=$((freed - said)) # what is written of it takes some room
[ "$said" -gt 1500000 ] || fail "only $said bytes are its own"
[ "${off#-}" -lt 65536 ] || fail "$freed bytes are free, not $said"
# A snapshot that two of them use goes with the last one; others' stay.
shared=$(snap_of weekly-2)
"$VMLIFT" image copy weekly-2 --name weekly-3 >/dev/null
is 'weekly-1 weekly-2' "$(prune --name 'weekly-*' --keep-last 1 --delete-snapshots)"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot show "$shared"
run "$VMLIFT" export weekly-3 weekly.raw
same disk1.raw weekly.raw
run "$VMLIFT" store verify
