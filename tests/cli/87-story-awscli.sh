#!/usr/bin/env bash
# The life of an image, in the AWS CLI and nothing else: blocks are uploaded, an AMI is registered of them,
# found, shared, copied to another region, tagged, deprecated and deregistered, and its snapshots are deleted.
# What is wrong is refused with EC2's codes.
. "$(dirname "$0")/../functions.sh"
requires jq openssl
"$VMLIFT" serve --help >/dev/null || exit 77 # built without
# Debian's, which is version 2; a version 1 of another Python may come first in PATH.
aws=/usr/bin/aws
[ -x "$aws" ] || aws=$(command -v aws) || exit 77

alice=111122223333 bob=444455556666
for who in alice bob; do
    "$VMLIFT" serve key add --store store --account "${!who}" --json >$who.json
done
# shellcheck disable=SC2119 # it has no options here
serve
export AWS_PAGER="" AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=1 AWS_CONFIG_FILE=none \
    AWS_SHARED_CREDENTIALS_FILE=none AWS_DEFAULT_OUTPUT=json
region=us-east-1

# as WHO COMMAND...: the AWS CLI with that one's access key, in $region.
as() {
    local key=$tmp/$1.json
    shift
    AWS_ACCESS_KEY_ID=${id-$(jq -r .AccessKeyId "$key")} \
        AWS_SECRET_ACCESS_KEY=${secret-$(jq -r .SecretAccessKey "$key")} \
        run "$aws" --endpoint-url "$endpoint" --region "$region" "$@"
}

# refused CODE WHO COMMAND...: it must end with that error.
refused() {
    local code=$1 status=0
    shift
    as "$@" >refused.txt 2>&1 || status=$?
    [ "$status" -ne 0 ] || fail "not refused with $code: $*: $(cat refused.txt)"
    grep -qF "($code)" refused.txt || fail "not $code: $(cat refused.txt)"
}

# is WANTED GOT
is() {
    [ "$1" = "$2" ] || fail "$2, not $1"
}

echo "--- blocks become a snapshot"
snapshot=$(as alice ebs start-snapshot --volume-size 1 --description 'by hand' \
    --tags Key=Stage,Value=new | jq -r .SnapshotId)
is pending "$(as alice ec2 describe-snapshots --snapshot-ids "$snapshot" --query 'Snapshots[0].State' --output text)"
refused IncorrectState alice ec2 register-image --name early --architecture x86_64 --virtualization-type hvm \
    --root-device-name /dev/xvda --block-device-mappings "DeviceName=/dev/xvda,Ebs={SnapshotId=$snapshot}"
head -c 524288 /dev/urandom >block
sum=$(openssl dgst -sha256 -binary block | base64)
as alice ebs put-snapshot-block --snapshot-id "$snapshot" --block-index 7 --block-data block --data-length 524288 \
    --checksum "$sum" --checksum-algorithm SHA256 | jq -e --arg sum "$sum" '.Checksum == $sum' >/dev/null
total=$(openssl dgst -sha256 -binary block | openssl dgst -sha256 -binary | base64)
as alice ebs complete-snapshot --snapshot-id "$snapshot" --changed-blocks-count 1 --checksum "$total" \
    --checksum-algorithm SHA256 --checksum-aggregation-method LINEAR >/dev/null
as alice ec2 wait snapshot-completed --snapshot-ids "$snapshot"
token=$(as alice ebs list-snapshot-blocks --snapshot-id "$snapshot" | jq -r '.Blocks[0].BlockToken')
as alice ebs get-snapshot-block --snapshot-id "$snapshot" --block-index 7 --block-token "$token" back >/dev/null
same block back

echo "--- an image of it"
map="DeviceName=/dev/xvda,Ebs={SnapshotId=$snapshot,VolumeType=gp3}"
ami=$(as alice ec2 register-image --name web-01 --architecture x86_64 --virtualization-type hvm --ena-support \
    --root-device-name /dev/xvda --boot-mode uefi --block-device-mappings "$map" --query ImageId --output text)
refused InvalidAMIName.Duplicate alice ec2 register-image --name web-01 --architecture x86_64 \
    --virtualization-type hvm --root-device-name /dev/xvda --block-device-mappings "$map"
refused InvalidAMIName.Malformed alice ec2 register-image --name ab --root-device-name /dev/xvda \
    --block-device-mappings "$map"
as alice ec2 wait image-available --image-ids "$ami"
as alice ec2 create-tags --resources "$ami" "$snapshot" --tags Key=Env,Value=Prod 'Key=Name,Value=the web'
is "$ami" "$(as alice ec2 describe-images --owners self --filters 'Name=name,Values=web-*' \
    'Name=tag:Env,Values=Prod,Test' Name=architecture,Values=x86_64 --query 'Images[].ImageId' --output text)"
is "" "$(as alice ec2 describe-images --owners self --filters Name=tag:Env,Values=Test --query 'Images[].ImageId' --output text)"
as alice ec2 describe-images --image-ids "$ami" >described.json
is "$alice web-01 uefi true gp3 1" "$(jq -r '.Images[0] | [.OwnerId, .Name, .BootMode, .EnaSupport,
    .BlockDeviceMappings[0].Ebs.VolumeType, .BlockDeviceMappings[0].Ebs.VolumeSize] | join(" ")' described.json)"

echo "--- shared, and copied from"
refused InvalidAMIID.NotFound bob ec2 describe-images --image-ids "$ami"
as alice ec2 modify-image-attribute --image-id "$ami" --launch-permission "Add=[{UserId=$bob}]"
is "$alice" "$(as bob ec2 describe-images --executable-users self --query 'Images[0].OwnerId' --output text)"
is "$bob" "$(as alice ec2 describe-image-attribute --image-id "$ami" --attribute launchPermission \
    --query 'LaunchPermissions[].UserId' --output text)"
refused AuthFailure bob ec2 modify-image-attribute --image-id "$ami" --attribute launchPermission \
    --operation-type add --user-groups all
refused InvalidRequest bob ec2 copy-image --name mine --source-region us-east-1 --source-image-id "$ami"
as alice ec2 modify-snapshot-attribute --snapshot-id "$snapshot" --attribute createVolumePermission \
    --operation-type add --user-ids "$bob"
mine=$(as bob ec2 copy-image --name mine --source-region us-east-1 --source-image-id "$ami" --query ImageId --output text)
is "$bob" "$(as bob ec2 describe-images --image-ids "$mine" --query 'Images[0].OwnerId' --output text)"
as alice ec2 reset-image-attribute --image-id "$ami" --attribute launchPermission
refused InvalidAMIID.NotFound bob ec2 describe-images --image-ids "$ami"

echo "--- another region"
region=eu-west-1
refused InvalidAMIID.NotFound alice ec2 describe-images --image-ids "$ami"
far=$(as alice ec2 copy-image --name web-01 --source-region us-east-1 --source-image-id "$ami" --query ImageId --output text)
far_snapshot=$(as alice ec2 describe-images --image-ids "$far" \
    --query 'Images[0].BlockDeviceMappings[0].Ebs.SnapshotId' --output text)
token=$(as alice ebs list-snapshot-blocks --snapshot-id "$far_snapshot" | jq -r '.Blocks[0].BlockToken')
as alice ebs get-snapshot-block --snapshot-id "$far_snapshot" --block-index 7 --block-token "$token" far >/dev/null
same block far
region=us-east-1

echo "--- the end"
as alice ec2 enable-image-deprecation --image-id "$ami" --deprecate-at 2030-06-01T12:00:00Z >/dev/null
is 2030-06-01T12:00:00.000Z "$(as alice ec2 describe-images --image-ids "$ami" --query 'Images[0].DeprecationTime' --output text)"
as alice ec2 disable-image-deprecation --image-id "$ami" >/dev/null
refused DryRunOperation alice ec2 deregister-image --image-id "$ami" --dry-run
refused AuthFailure bob ec2 delete-snapshot --snapshot-id "$snapshot"
refused InvalidSnapshot.InUse alice ec2 delete-snapshot --snapshot-id "$snapshot"
as alice ec2 deregister-image --image-id "$ami"
as alice ec2 delete-snapshot --snapshot-id "$snapshot"
refused InvalidSnapshot.NotFound alice ec2 describe-snapshots --snapshot-ids "$snapshot"
# Copies have snapshots of their own.
is completed "$(as bob ec2 describe-snapshots --owner-ids self --query 'Snapshots[].State' --output text)"

echo "--- wrong keys, clocks, regions, actions"
secret=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY refused SignatureDoesNotMatch alice ec2 describe-images
id=AKIAIOSFODNN7EXAMPLE refused AuthFailure alice ec2 describe-images
region=mars refused AuthFailure alice ec2 describe-images
refused InvalidAction alice ec2 describe-instances
AWS_SESSION_TOKEN=token refused InvalidClientTokenId alice ec2 describe-images
# The CLI with a clock that is 20 minutes fast when it signs.
cat >fast <<'PYTHON'
#!/usr/bin/python3
import datetime
import sys
import types

import awscli.clidriver


class Fast(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return datetime.datetime.utcnow() + datetime.timedelta(minutes=20)


for name in ("awscli.botocore.auth", "awscli.botocore.crt.auth"):
    if name in sys.modules:
        sys.modules[name].datetime = types.SimpleNamespace(datetime=Fast, timezone=datetime.timezone)
sys.exit(awscli.clidriver.main())
PYTHON
chmod +x fast
if /usr/bin/python3 -c 'import awscli.botocore.auth' 2>/dev/null; then
    aws=./fast refused RequestExpired alice ec2 describe-images
fi
stop_server
grep -q ' DeregisterImage 200 OK' server.log || fail "nothing of it in the log"
