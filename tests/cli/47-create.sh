#!/usr/bin/env bash
# CreateImage: an AMI of what a machine was started from. New snapshots without a byte copied; what is inherited
# and what is not; mappings; the way round that launching is; keys.
. "$(dirname "$0")/../functions.sh"
requires jq

export VMLIFT_STORE=$tmp/store
own=000000000000 other=111122223333 third=444455556666

show() {
    "$VMLIFT" image show --json "$1" --account "${3:-$own}" | jq -r ".Images[0] | $2"
}
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# blocks: bytes of those that snapshots use
blocks() {
    "$VMLIFT" store stats --json | jq -r .unique
}
create() {
    run "$VMLIFT" image create "$@" 2>notes || fail "$* refused: $(cat notes)"
}
refused() {
    local status=$1 code=$2 words=$3
    shift 3
    before=$("$VMLIFT" store stats --json)
    expect "$status" "$code" "$VMLIFT" image create "$@"
    grep -qF -e "$words" stderr || fail "not a word of $words: $(cat stderr)"
    is "$before" "$("$VMLIFT" store stats --json)"
}

truncate -s 8M root.raw
truncate -s 2M data.raw
head -c 3000000 < <(yes 'vmlift root') | dd of=root.raw conv=notrunc status=none
head -c 1000000 < <(yes 'vmlift data') | dd of=data.raw conv=notrunc status=none
golden=$("$VMLIFT" import root.raw --name golden --description 'a golden one' --tag Env=Prod --boot-mode uefi --tpm v2.0 \
    --imds v2.0 --sriov --platform windows --billing-product bp-6ba54002 --root-device /dev/xvda \
    --mapping /dev/sdb=ephemeral0 --mapping /dev/sdf=:20::gp3:6000:500 --mapping /dev/sdg=none 2>/dev/null)
"$VMLIFT" import data.raw --name data >/dev/null 2>&1
root=$(show golden '.BlockDeviceMappings[0].Ebs.SnapshotId')
data=$(show data '.BlockDeviceMappings[0].Ebs.SnapshotId')

# --- of an image of one's own

before=$(blocks)
copy=$(create --from-image golden --name made --description 'of the golden one' --tag Env=Test)
is "$before" "$(blocks)"
inherited='[.Architecture, .VirtualizationType, .BootMode, .TpmSupport, .ImdsSupport, .SriovNetSupport, .EnaSupport,
    .Platform, .RootDeviceName, .BillingProducts, ([.BlockDeviceMappings[] | .Ebs.SnapshotId |= null])] | tojson'
is "$(show golden "$inherited")" "$(show "$copy" "$inherited")"
is "made|of the golden one|Test|$golden|us-east-1|null" "$(show "$copy" '[.Name, .Description, .Tags[0].Value,
    .SourceImageId, .SourceImageRegion, .CrashConsistent] | map(tostring) | join("|")')"
snapshot=$(show made '.BlockDeviceMappings[0].Ebs.SnapshotId')
[ "$snapshot" != "$root" ] || fail "the snapshot is the golden one's own"
run "$VMLIFT" export "$snapshot" back.raw
same root.raw back.raw
"$VMLIFT" snapshot list --json | jq -e --arg id "$snapshot" --arg text "Created by CreateImage for $copy from $root" \
    '.Snapshots[] | select(.SnapshotId == $id and .Description == $text)' >/dev/null || fail "another description"
"$VMLIFT" image history made | grep -q "create *of $golden\$" || fail "no history: $("$VMLIFT" image history made)"
# Source and copy are independent.
"$VMLIFT" image deregister golden >/dev/null 2>&1
run "$VMLIFT" snapshot delete "$root"
run "$VMLIFT" store gc
run "$VMLIFT" export "$snapshot" again.raw
same root.raw again.raw
golden=$copy

# --- without a reboot

create --from-image "$golden" --name running --no-reboot >/dev/null
is true "$(show running .CrashConsistent)"
"$VMLIFT" image show running | grep -q 'as after a crash' || fail "image show does not say it"
"$VMLIFT" image history running | grep -q 'without a reboot' || fail "nor does its history"
create --from-image running --name at-rest >/dev/null
is null "$(show at-rest '.CrashConsistent // null')"

# --- mappings: new devices, fewer, and of a volume whether it goes with the machine

create --from-image "$golden" --name remapped --mapping /dev/xvda=::false --mapping /dev/sdf=::true \
    --mapping /dev/sdb=none --mapping /dev/sdg=ephemeral1 --mapping /dev/sdh=:10 >/dev/null
is '/dev/xvda false gp3,/dev/sdf true gp3,/dev/sdg null null,/dev/sdh false gp2' "$(show remapped '[.BlockDeviceMappings[] |
    "\(.DeviceName) \(.Ebs.DeleteOnTermination) \(.Ebs.VolumeType)"] | join(",")')"
for change in size=:21 type=::true:gp2 iops=::true:gp3:7000 throughput=::true:gp3:6000:501 encryption=::::encrypted \
    kind=ephemeral0; do
    refused 5 InvalidBlockDeviceMapping "The ${change%%=*} of /dev/sdf cannot be changed" --from-image "$golden" --name not \
        --mapping "/dev/sdf=${change#*=}"
done
refused 5 InvalidBlockDeviceMapping 'The snapshot of /dev/xvda' --from-image "$golden" --name not --mapping "/dev/xvda=$data"
refused 5 InvalidBlockDeviceMapping 'No root snapshot' --from-image "$golden" --name not --mapping /dev/xvda=none
refused 5 InvalidParameterCombination 'iops must be specified' --from-image "$golden" --name not --mapping /dev/sdi=:10::io1

# --- what cannot be

refused 2 usage/source 'one of them' --name not
refused 2 usage/source 'one of them' --name not --from-image "$golden" --from-snapshot "$data"
refused 2 usage/source 'arch' --name not --from-image "$golden" --arch i386
refused 2 usage/name 'needs a name' --from-image "$golden"
refused 5 InvalidAMIName.Duplicate 'already in use' --from-image "$golden" --name running
refused 6 InvalidAMIID.NotFound 'does not exist' --from-image ami-0123456789abcdef0 --name not
refused 6 InvalidAMIID.NotFound 'does not exist' --from-image "$golden" --name not --region eu-west-1
"$VMLIFT" image register --name bundled --location bucket/web.manifest.xml >/dev/null
refused 5 InvalidParameterValue 'instance store' --from-image bundled --name not
expect 4 export/no-snapshot "$VMLIFT" export bundled not.ova
"$VMLIFT" image disable at-rest >/dev/null 2>&1
refused 5 InvalidAMIID.Unavailable 'is disabled' --from-image at-rest --name not

# --- of snapshots

two=$(create --from-snapshot "$snapshot,$data" --name two --arch i386 --virt paravirtual --mapping /dev/sdf=:5:true \
    --mapping /dev/sdb=ephemeral0)
grep -q '\[image/kernel\]' notes || fail "no kernel is told"
is '/dev/sda1 1 true gp2,/dev/sdf 5 true gp2' "$(show "$two" '[.BlockDeviceMappings[] | select(.Ebs) |
    "\(.DeviceName) \(.Ebs.VolumeSize) \(.Ebs.DeleteOnTermination) \(.Ebs.VolumeType)"] | join(",")')"
run "$VMLIFT" export two two.ova 2>/dev/null
run "$VMLIFT" export "$(show two '.BlockDeviceMappings[1].Ebs.SnapshotId')" second.raw
same data.raw second.raw
refused 5 InvalidSnapshotID.Malformed 'expecting "snap-..."' --from-snapshot vol-1 --name not
refused 5 InvalidSnapshotID.Malformed 'expecting "snap-..."' --from-snapshot "$data,x" --name not
refused 6 InvalidSnapshot.NotFound "$data" --from-snapshot "$data" --name not --account $other
"$VMLIFT" snapshot share "$data" --with $other >/dev/null 2>&1
create --from-snapshot "$data" --name mine --account $other >/dev/null
is $other "$(show mine .OwnerId $other)"

# --- the way round: the permission to launch is enough, and the codes of products stay

refused 6 InvalidAMIID.NotFound 'does not exist' --from-image "$golden" --name got --account $other
"$VMLIFT" image share "$golden" --with $other >/dev/null 2>&1
expect 5 InvalidRequest "$VMLIFT" image copy "$golden" --name got --account $other
got=$(create --from-image "$golden" --name got --account $other)
is "$other bp-6ba54002 $golden 0" "$(show got '"\(.OwnerId) \(.BillingProducts | join(" ")) \(.SourceImageId) \(
    .Tags | length)"' $other)"
got_snapshot=$(show got '.BlockDeviceMappings[0].Ebs.SnapshotId' $other)
run "$VMLIFT" export "$got_snapshot" got.raw --account $other
same root.raw got.raw
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show "$got" # who may launch the first sees nothing of it
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show "$got" --account $third

# --- encrypted: with the same key, for those who may use it

key=$("$VMLIFT" key create)
"$VMLIFT" import root.raw --name sealed --encrypt --key "$key" >/dev/null 2>&1
"$VMLIFT" image share sealed --with $other >/dev/null 2>&1
sealed=$(show sealed .ImageId)
expect 5 key/denied "$VMLIFT" image create --from-image "$sealed" --name unsealed --account $other
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show unsealed --account $other
"$VMLIFT" key grant "$key" --to $other >/dev/null 2>&1
create --from-image "$sealed" --name unsealed --account $other >/dev/null
is "true $key" "$(show unsealed '.BlockDeviceMappings[0].Ebs | "\(.Encrypted) \(.KmsKeyId)"' $other)"
run "$VMLIFT" export unsealed unsealed.raw --account $other
same root.raw unsealed.raw
run "$VMLIFT" store verify
