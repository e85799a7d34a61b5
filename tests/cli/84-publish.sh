#!/usr/bin/env bash
# publish: from a file and from the local registry to an endpoint of another store; and back again.
. "$(dirname "$0")/../functions.sh"
requires python3 jq qemu-img sha256sum
"$VMLIFT" serve --help >/dev/null 2>&1 || exit 77
"$VMLIFT" publish --help >/dev/null 2>&1 || exit 77

# shellcheck disable=SC2119 # it has no options here
serve
"$VMLIFT" serve key add --store store --account 111122223333 --json >key.json
AWS_ACCESS_KEY_ID=$(jq -r .AccessKeyId key.json) AWS_SECRET_ACCESS_KEY=$(jq -r .SecretAccessKey key.json)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL=$endpoint AWS_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true VMLIFT_STORE=$tmp/mine HOME=$tmp

# there SNAPSHOT: the bytes of a snapshot on the other side.
there() {
    rm -f there.raw
    "$VMLIFT" export --store store --account 111122223333 "$1" there.raw
}
# is_disk SNAPSHOT FILE: the file's bytes and zeroes up to the GiB.
is_disk() {
    there "$1"
    [ $(($(stat -c %s there.raw) % (1 << 30))) -eq 0 ] || fail "$1 is not of whole GiB"
    qemu-img compare -q -f raw -F raw there.raw "$2" || fail "$1 is not $2"
}
publish() {
    run "$VMLIFT" publish --arch x86_64 --boot-mode uefi --force-boot --json "$@" >out.json ||
        fail "publish $*: $(cat out.json)"
    snapshot=$(jq -r '.SnapshotIds[0]' out.json)
    ami=$(jq -r .ImageId out.json)
}

python3 - <<'PY'
import random
r = random.Random(84)
B = 524288
def disk(name, size, blocks):
    with open(name, "wb") as f:
        f.truncate(size)
        for n, data in blocks.items():
            f.seek(n * B)
            f.write(data)
blocks = {n: r.randbytes(B) for n in (0, 1, 7, 1000, 2047, 2048, 2999)}
blocks[5] = r.randbytes(100)                  # the rest of it is zeroes
blocks[6] = bytes(B)                          # written, and zeroes
blocks[3000] = r.randbytes(512)               # the disk ends within it
disk("one.raw", 3000 * B + 512, blocks)
blocks[1] = r.randbytes(B)                    # changed
blocks[7] = bytes(B)                          # zeroed
blocks[20] = r.randbytes(B)                   # new
del blocks[1000]                              # a hole where there was something
disk("two.raw", 3000 * B + 512, blocks)
PY

# --- a file: only what has data is sent; the AMI says all that it was told
publish one.raw --name one --description "a disk" --tag Env=test --tag "a b=" --tpm v2.0 --imds v2.0
jq -e '.blocks == 9 and .known_blocks == 0' out.json >/dev/null || fail "$(cat out.json)"
is_disk "$snapshot" one.raw
"$VMLIFT" image show --store store --account 111122223333 --json "$ami" >image.json
jq -e '.Images[0] | .Architecture == "x86_64" and .BootMode == "uefi" and .TpmSupport == "v2.0" and .ImdsSupport == "v2.0"
    and .EnaSupport and .VirtualizationType == "hvm" and .Description == "a disk" and (.Tags | length) == 2
    and .BlockDeviceMappings[0].Ebs.VolumeSize == 2 and .BlockDeviceMappings[0].Ebs.VolumeType == "gp3"' \
    image.json >/dev/null || fail "not what was asked for: $(cat image.json)"
"$VMLIFT" snapshot show --store store --account 111122223333 --json "$snapshot" |
    jq -e '.Snapshots[0].Tags | length == 2' >/dev/null || fail "the snapshot has no tags"
[ -z "$(ls mine.publish/jobs)" ] || fail "a job that has ended is still noted"
first=$snapshot
expect 6 InvalidAMIName.Duplicate "$VMLIFT" publish one.raw --name one

# --- a child: what differs, zeroes too
publish two.raw --name two --parent-snapshot "$first"
jq -e '.blocks == 4' out.json >/dev/null || fail "not only what differs: $(cat out.json)"
is_disk "$snapshot" two.raw
publish one.raw --name three --parent-snapshot "$snapshot" # a child of the child, and back again
jq -e '.blocks == 4' out.json >/dev/null || fail "a child's child: $(cat out.json)"
is_disk "$snapshot" one.raw
mv mine.publish noted.publish # nothing is known of the parent but where it has data
publish two.raw --name four --parent-snapshot "$first"
is_disk "$snapshot" two.raw
jq -e '.notes | any(.slug == "publish/parent")' out.json >/dev/null || fail "no word about the parent"

# --- a machine of two disks, and its manifest
"$VMLIFT" import one.raw --name local --arch x86_64 --force-boot >local.txt 2>/dev/null
"$VMLIFT" import two.raw --name other --arch x86_64 --force-boot >/dev/null 2>&1
other=$("$VMLIFT" image show --json other | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId')
root=$("$VMLIFT" image show --json local | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId')
"$VMLIFT" image register --name both --root-device /dev/sda1 --mapping "/dev/sda1=$root" \
    --mapping "/dev/sdf=$other" --mapping /dev/sdg=ephemeral0 --tag K=V >/dev/null
"$VMLIFT" export both both.ova
publish both.ova --name machine --connections 3
is_disk "$(jq -r '.SnapshotIds[0]' out.json)" one.raw
is_disk "$(jq -r '.SnapshotIds[1]' out.json)" two.raw
mkdir m && tar -xf both.ova -C m && (cd m && tar --format=ustar -cf ../wrong.ova -- *.ovf *.mf *.vmdk)
python3 - <<'PY'
data = open("wrong.ova", "rb").read()
at = data.index(b"SHA256(")
at = data.index(b"= ", at) + 2
data = data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :]
open("wrong.ova", "wb").write(data)
PY
count() { "$VMLIFT" snapshot list --store store --account 111122223333 --json | jq '.Snapshots | length'; }
before=$(count)
expect 3 manifest/mismatch "$VMLIFT" publish wrong.ova --name wrong --arch x86_64 --force-boot
[ "$(count)" -eq "$before" ] || fail "a failure left snapshots there"
[ -z "$(ls mine.publish/jobs)" ] || fail "a failure left a job"

# --- an AMI of the local registry
publish both --name published --description new
"$VMLIFT" image show --store store --account 111122223333 --json "$ami" >image.json
jq -e '.Images[0] | .Description == "new" and (.BlockDeviceMappings | length) == 3 and .Tags[0].Value == "V"' image.json \
    >/dev/null || fail "not as it is here: $(cat image.json)"
is_disk "$(jq -r '.SnapshotIds[1]' out.json)" two.raw

# --- only said
"$VMLIFT" publish one.raw --name dry --arch x86_64 --force-boot --dry-run >dry.txt 2>/dev/null
grep -qxF "PutSnapshotBlock, 9 times" dry.txt || fail "$(cat dry.txt)"
grep -q "^RegisterImage Name=dry " dry.txt || fail "$(cat dry.txt)"
grep -q "USD" dry.txt || fail "no cost: $(cat dry.txt)"
"$VMLIFT" publish two.raw --name dry --dry-run --json --parent-snapshot "$first" 2>/dev/null |
    jq -e '.DryRun and .blocks > 0' >/dev/null || fail "--dry-run --json"
[ "$(count)" -eq $((before + 2)) ] || fail "--dry-run made a snapshot"

# --- back
"$VMLIFT" export "ebs:$first" back.vmdk
qemu-img compare -q -f vmdk -F raw back.vmdk one.raw || fail "export ebs:"
"$VMLIFT" import "ebs:$first" --name imported --arch x86_64 --force-boot >/dev/null 2>&1
"$VMLIFT" export imported imported.raw
cmp -n "$(stat -c %s one.raw)" imported.raw one.raw || fail "import ebs:"
"$VMLIFT" compare "ebs:$first" one.raw >/dev/null || fail "compare ebs:"
"$VMLIFT" publish --pull published --name pulled --json >pulled.json
"$VMLIFT" image show --json pulled >image.json
jq -e '.Images[0].BlockDeviceMappings | length == 3' image.json >/dev/null || fail "not all of it: $(cat image.json)"
"$VMLIFT" export "$(jq -r '.Images[0].BlockDeviceMappings[1].Ebs.SnapshotId' image.json)" second.raw
cmp -n "$(stat -c %s two.raw)" second.raw two.raw || fail "--pull: another disk"
expect 6 InvalidAMIName.Duplicate "$VMLIFT" publish --pull published --name pulled
expect 6 InvalidAMIID.NotFound "$VMLIFT" publish --pull ami-00000000000000000

# --- what is refused, and what may be tried again
expect 5 InvalidSignatureException env AWS_SECRET_ACCESS_KEY=wrong "$VMLIFT" info "ebs:$first"
expect 6 ResourceNotFoundException "$VMLIFT" info ebs:snap-00000000000000000
expect 6 ResourceNotFoundException env AWS_REGION=eu-west-1 "$VMLIFT" info "ebs:$first"
expect 2 InvalidSnapshotID.Malformed "$VMLIFT" info ebs:x
expect 2 usage/via "$VMLIFT" publish one.raw --name x11 --via nothing
expect 2 usage/resume "$VMLIFT" publish one.raw --name x11 --resume --discard
expect 2 usage/name "$VMLIFT" publish one.raw
expect 6 aws/credentials env -u AWS_ACCESS_KEY_ID "$VMLIFT" publish one.raw --name x11
expect 7 aws/connect env AWS_ENDPOINT_URL=http://127.0.0.1:9 "$VMLIFT" publish one.raw --name x11 --arch x86_64
expect 6 publish/source "$VMLIFT" publish missing.raw --name x11
! grep -rqF "$AWS_SECRET_ACCESS_KEY" mine mine.publish ./*.txt || fail "a secret was written down"

# --- encrypted there, by the account's own key; with a profile's keys, over TLS, whose certificate is trusted or not
publish one.raw --name sealed --encrypted
"$VMLIFT" snapshot show --store store --account 111122223333 --json "$snapshot" >snapshot.json
jq -e '.. | objects | select(has("Encrypted")) | .Encrypted' snapshot.json >/dev/null || fail "not encrypted: $(cat snapshot.json)"
is_disk "$snapshot" one.raw
stop_server
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.pem 2>/dev/null
serve --tls-certificate tls.pem --tls-key tls.key
mkdir -p .aws
printf '[other]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >.aws/credentials
by_profile() {
    env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL="$endpoint" "$VMLIFT" publish one.raw --profile other \
        --arch x86_64 --boot-mode uefi --force-boot "$@"
}
expect 7 aws/tls by_profile --name secure
by_profile --name secure --ca-bundle tls.pem >/dev/null
by_profile --name lenient --no-verify-ssl >/dev/null
