#!/usr/bin/env bash
# RegisterImage's rules at the command line: what is taken, what is refused with which of EC2's codes and
# words; paravirtual images and their kernels; the same options on import.
. "$(dirname "$0")/../functions.sh"
requires sfdisk jq

export VMLIFT_STORE=$tmp/store PATH=$PATH:/usr/sbin:/sbin

# show AMI FILTER: what jq finds in the image's record
show() {
    "$VMLIFT" image show --json "$1" | jq -r ".Images[0] | $2"
}
# snapshot AMI: of its root
snapshot() {
    show "$1" '.BlockDeviceMappings[0].Ebs.SnapshotId'
}
# is WANTED GOT
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}

truncate -s 3G mbr.raw
echo 'start=2048, type=83, bootable' | sfdisk -q --label dos mbr.raw
printf '\xfa\x31\xc0\x8e\xd0\xbc\x00\x7c' | dd of=mbr.raw conv=notrunc status=none
truncate -s 64M gpt.raw
printf 'size=32M, type=U\ntype=L\n' | sfdisk -q --label gpt gpt.raw
truncate -s 1M data.raw
for disk in mbr gpt data; do
    "$VMLIFT" import $disk.raw --name $disk >/dev/null 2>&1
done
mbr=$(snapshot mbr) gpt=$(snapshot gpt) data=$(snapshot data)

# taken OPTION...: registered, and the record is $ami's
taken() {
    n=$((n + 1))
    ami=$(run "$VMLIFT" image register --name "new $n" "$@" 2>notes) || fail "$* refused: $(cat notes)"
    [[ $ami =~ ^ami-[0-9a-f]{17}$ ]] || fail "$* printed $ami"
}
n=0
# refused CODE WORDS OPTION...: with EC2's code and these of its words, and the store as it was
refused() {
    local code=$1 words=$2 before
    shift 2
    before=$("$VMLIFT" store stats --json)
    expect 5 "$code" "$VMLIFT" image register --name refused "$@"
    grep -qF -e "$words" stderr || fail "not a word of $words: $(cat stderr)"
    is "$before" "$("$VMLIFT" store stats --json)"
}
root() {
    local code=$1 words=$2
    shift 2
    refused "$code" "$words" --snapshot "$mbr" "$@"
}
# disk DEVICE-AND-WHAT CODE WORDS
disk() {
    root "$2" "$3" --mapping "$1"
}

# --- what a record may say

taken --snapshot "$mbr"
is "/dev/sda1 $mbr 3 gp2 true x86_64 hvm null" "$(show "$ami" '"\(.RootDeviceName) \(.BlockDeviceMappings[0].Ebs |
    "\(.SnapshotId) \(.VolumeSize) \(.VolumeType) \(.DeleteOnTermination)") \(.Architecture) \(
    .VirtualizationType) \(.BootMode)"')"
taken --snapshot "$mbr" --description "$(printf '\xc3\xa9%.0s' {1..255})" --tag Env=Prod --boot-mode uefi \
    --tpm v2.0 --imds v2.0 --sriov --root-device /dev/xvda --volume-type gp3
is "/dev/xvda gp3 uefi 255 Prod" "$(show "$ami" '"\(.RootDeviceName) \(.BlockDeviceMappings[0].Ebs.VolumeType) \(
    .BootMode) \(.Description | length) \(.Tags[0].Value)"')"
taken --snapshot "$gpt" --arch arm64 --boot-mode uefi --no-ena
taken --snapshot "$mbr" --platform windows --billing-product bp-6ba54002
grep -q '\[image/billing-product\]' notes || fail "nothing is said of the billing product"
ami=$("$VMLIFT" image register --name as-json --snapshot "$mbr" --json)
is "$mbr" "$(jq -r '.SnapshotIds | join(" ")' <<<"$ami")"
is "$(jq -r .ImageId <<<"$ami")" "$(show as-json .ImageId)"

expect 2 usage/name "$VMLIFT" image register --snapshot "$mbr"
expect 2 usage/ena "$VMLIFT" image register --name new --snapshot "$mbr" --ena --no-ena
expect 2 usage/tag "$VMLIFT" image register --name new --snapshot "$mbr" --tag Env
expect 5 InvalidAMIName.Malformed "$VMLIFT" image register --name ab --snapshot "$mbr"
expect 5 InvalidAMIName.Malformed "$VMLIFT" image register --name "$(printf 'x%.0s' {1..129})" --snapshot "$mbr"
expect 5 InvalidAMIName.Duplicate "$VMLIFT" image register --name as-json --snapshot "$mbr"
root InvalidParameterValue 'maximum length of 255 characters' --description "$(printf '\xc3\xa9%.0s' {1..256})"
root InvalidParameterValue 'for parameter architecture' --arch amd64
root InvalidParameterValue 'for parameter virtualizationType' --virt pv
root InvalidParameterValue 'for parameter bootMode' --boot-mode bios
root InvalidParameterValue 'for parameter tpmSupport' --tpm v1.2
root InvalidParameterValue 'for parameter imdsSupport' --imds v1.0
root InvalidParameterValue 'for parameter platform' --platform linux
root InvalidParameterCombination 'needs boot mode uefi, not uefi-preferred' --tpm v2.0 --boot-mode uefi-preferred
root InvalidParameterCombination 'needs boot mode uefi' --tpm v2.0
root InvalidParameterCombination 'boots in mode uefi only' --arch arm64 --boot-mode legacy-bios
root InvalidParameterCombination 'A kernel ID' --kernel aki-5c21674b
root InvalidParameterCombination 'A RAM disk ID' --ramdisk ari-01234567
root InvalidParameterValue 'expecting "bp-..."' --billing-product windows
root InvalidTagKey.Malformed 'aws:' --tag aws:x=y

# --- the root and the other devices

expect 5 InvalidBlockDeviceMapping "$VMLIFT" image register --name new
grep -q 'No root snapshot specified in device mapping' stderr || fail "not EC2's words"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" image register --name new --snapshot snap-0123456789abcdef0
expect 6 InvalidSnapshot.NotFound "$VMLIFT" image register --name new --snapshot "$mbr" --region eu-west-1
expect 6 InvalidSnapshot.NotFound "$VMLIFT" image register --name new --snapshot "$mbr" --account 210987654321
refused InvalidSnapshotID.Malformed 'Invalid id: "vol-1"' --snapshot vol-1
root InvalidBlockDeviceMapping 'Invalid device name /dev/sda' --root-device /dev/sda
disk /dev/sdf1=:1 InvalidBlockDeviceMapping 'Invalid device name /dev/sdf1'
disk /dev/xvda=:1 InvalidBlockDeviceMapping 'Invalid device name /dev/xvda'
root InvalidBlockDeviceMapping '/dev/sdf is being assigned to multiple times' --mapping /dev/sdf=:1 --mapping /dev/sdf=:2
refused InvalidBlockDeviceMapping 'No root snapshot specified' --mapping /dev/sda1=:8
refused InvalidBlockDeviceMapping 'No root snapshot specified' --mapping /dev/sda1=ephemeral0
refused InvalidBlockDeviceMapping 'No root snapshot specified' --mapping /dev/sda1=none
expect 2 usage/mapping "$VMLIFT" image register --name new --snapshot "$mbr" --mapping "/dev/sda1=$mbr"
taken --mapping "/dev/sda1=$mbr:8:false:io2:100" --mapping /dev/sdb=ephemeral23 --mapping /dev/sdc=none \
    --mapping "/dev/sdf=$data::true" --mapping /dev/sdg=:10:::encrypted --mapping /dev/sdh=:20::gp3:6000:500:encrypted \
    --mapping /dev/sdi=:20::gp3::130 --mapping "/dev/sdj=$gpt"
is "$mbr 8 io2 false" "$(show "$ami" '.BlockDeviceMappings[0].Ebs |
    "\(.SnapshotId) \(.VolumeSize) \(.VolumeType) \(.DeleteOnTermination)"')"
is "/dev/sdf 1 true /dev/sdg 10 false /dev/sdh 20 false /dev/sdi 20 false /dev/sdj 1 false" "$(show "$ami" \
    '[.BlockDeviceMappings[] | select(.Ebs.VolumeSize > 0) | "\(.DeviceName) \(.Ebs.VolumeSize) \(
    .Ebs.DeleteOnTermination)"] | .[1:] | join(" ")')"
for text in /dev/sdf =:1 /dev/sdf= /dev/sdf=:x /dev/sdf=:-1 /dev/sdf=:1:yes /dev/sdf=:1::gp3:fast \
    /dev/sdf=:1::gp3:1:2:3 /dev/sdf=:1::gp3:encrypted:3; do
    expect 2 usage/mapping "$VMLIFT" image register --name new --snapshot "$mbr" --mapping "$text"
done

disk /dev/sdf=ephemeral24 InvalidBlockDeviceMapping 'ephemeral0 to ephemeral23'
root InvalidBlockDeviceMapping 'ephemeral0 is being assigned to multiple times' --mapping /dev/sdb=ephemeral0 \
    --mapping /dev/sdc=ephemeral0
disk /dev/sdf=:: InvalidBlockDeviceMapping 'Either snapshot ID or volume size must be provided for: /dev/sdf'
disk "/dev/sdf=$mbr:2" InvalidBlockDeviceMapping \
    "Volume of size 2GB is smaller than snapshot '$mbr', expect size >= 3GB"
disk "/dev/sdf=$data:::gp2:encrypted" InvalidBlockDeviceMapping \
    'the encrypted flag cannot be specified since device /dev/sdf has a snapshot specified'
disk /dev/sdf=:1::gp4 UnknownVolumeType gp4
disk /dev/sdf=:65537::gp3 InvalidParameterValue '65536GB'
disk /dev/sdf=:16385::gp2 InvalidParameterValue '16384GB'
disk /dev/sdf=:1025::standard InvalidParameterValue '1024GB'
disk /dev/sdf=:124::st1 InvalidParameterValue '125 to'
root BootForVolumeTypeUnsupported st1 --volume-type st1
root BootForVolumeTypeUnsupported sc1 --volume-type sc1
disk /dev/sdf=:4::io1 InvalidParameterCombination 'The parameter iops must be specified for io1 volumes'
disk /dev/sdf=:4::io2 InvalidParameterCombination 'The parameter iops must be specified for io2 volumes'
disk /dev/sdf=:4::gp2:3000 InvalidParameterCombination 'The parameter iops is not supported for gp2 volumes'
disk /dev/sdf=:4::io1:99 InvalidParameterValue 'Volume iops of 99 is too low; minimum is 100'
disk /dev/sdf=:9999::io2:256001 InvalidParameterValue 'Volume iops of 256001 is too high; maximum is 256000'
disk /dev/sdf=:4::io1:201 InvalidParameterValue 'ratio of 50.250000 is too high; maximum is 50'
disk /dev/sdf=:4::io2:4001 InvalidParameterValue 'too high; maximum is 1000'
disk /dev/sdf=:5::gp3:6000 InvalidParameterValue 'Iops to volume size ratio of 1200.000000 is too high; maximum is 500'
disk /dev/sdf=:4::gp3::751 InvalidParameterValue \
    'Throughput (MiBps) to iops ratio of 0.250333 is too high; maximum is 0.250000 MiBps per iops'
disk /dev/sdf=:4::io1:100:125 InvalidParameterCombination 'throughput can only be specified for volumeType gp3'

# --- paravirtual: a kernel of the region and the architecture, no RAM disk, no GPT for an old one

pv=(--virt paravirtual)
taken --snapshot "$mbr" "${pv[@]}"
grep -q 'kernel aki-5c21674b, .*x86_64 in us-east-1.*\[image/kernel\]' notes || fail "which kernel? $(cat notes)"
taken --snapshot "$mbr" "${pv[@]}" --arch i386 --kernel aki-04206613 --root-device /dev/sda --mapping /dev/sdf6=:1
taken --snapshot "$gpt" "${pv[@]}" --kernel aki-919dcaf8 # 1.04
taken --snapshot "$mbr" "${pv[@]}" --kernel aki-88aa75e1 # 1.03
refused InvalidParameterCombination 'PV-GRUB 1.03, which cannot read the GPT' --snapshot "$gpt" "${pv[@]}" \
    --kernel aki-88aa75e1
root InvalidKernelId.Malformed 'The specified kernel ID is not valid' "${pv[@]}" --kernel aki-5C21674B
root InvalidRamDiskId.Malformed 'The specified RAM disk ID is not valid' "${pv[@]}" --ramdisk ari-1
root InvalidManifest 'Invalid or unaccessible kernel id in ami manifest: aki-dc9ed9af is of eu-west-1' "${pv[@]}" \
    --kernel aki-dc9ed9af
root InvalidManifest 'Invalid or unaccessible kernel id in ami manifest: aki-01234567' "${pv[@]}" --kernel aki-01234567
root InvalidParameterCombination 'cannot start architecture x86_64' "${pv[@]}" --kernel aki-04206613
root InvalidParameterCombination 'when using a PV-GRUB AKI' "${pv[@]}" --ramdisk ari-01234567
root UnsupportedOperation 'Region us-east-2 has no paravirtual images' "${pv[@]}" --region us-east-2
root InvalidParameterCombination 'Boot mode uefi needs' "${pv[@]}" --boot-mode uefi
root InvalidParameterCombination 'ENA' "${pv[@]}" --ena
root InvalidParameterCombination 'SR-IOV' "${pv[@]}" --sriov
root InvalidParameterCombination 'windows needs' "${pv[@]}" --platform windows
root InvalidParameterCombination 'arm64 needs' "${pv[@]}" --arch arm64
root InvalidBlockDeviceMapping 'Device names /dev/sdf and /dev/sdf1 cannot be in one image' "${pv[@]}" \
    --mapping /dev/sdf=:1 --mapping /dev/sdf1=:1
# An encrypted root whose key has a passphrase that nobody gives: it is registered, and that is told.
echo secret >passphrase
key=$("$VMLIFT" key create --passphrase-file passphrase)
"$VMLIFT" import gpt.raw --name sealed --encrypt --key "$key" --passphrase-file passphrase >/dev/null 2>&1
taken --snapshot "$(snapshot sealed)" "${pv[@]}" --kernel aki-88aa75e1 </dev/null
grep -q '\[image/root-unread\]' notes || fail "the root could not be read, and nothing is said: $(cat notes)"
expect 5 InvalidParameterCombination "$VMLIFT" image register --name new --snapshot "$(snapshot sealed)" "${pv[@]}" \
    --kernel aki-88aa75e1 --passphrase-file passphrase

# --- an instance store

taken --location bucket/web.manifest.xml --mapping /dev/sdb=ephemeral0 --mapping "/dev/sdf=$data"
refused InvalidManifest 'Invalid image location' --location web.manifest.xml
root InvalidBlockDeviceMapping 'comes from its manifest' --location bucket/web.manifest.xml

# --- the same options on import: what can be refused is refused before a byte is read

imported() {
    n=$((n + 1))
    ami=$(run "$VMLIFT" import "$@" --name "new $n" 2>notes) || fail "$* refused: $(cat notes)"
}
imported mbr.raw "${pv[@]}" --arch i386
grep -q 'aki-04206613.*\[image/kernel\]' notes || fail "which kernel?"
imported gpt.raw "${pv[@]}" --kernel aki-5c21674b
imported gpt.raw --tpm v2.0 --imds v2.0 --mapping /dev/sdb=ephemeral0 --mapping /dev/sda1=:50:false:gp3:4000:500 \
    --mapping /dev/sdg=:20:true --volume-type gp2
is "uefi /dev/sda1 50 gp3 false,/dev/sdg 20 gp2 true" "$(show "$ami" '.BootMode + " " + ([.BlockDeviceMappings[] |
    select(.Ebs.VolumeSize > 0) | "\(.DeviceName) \(.Ebs.VolumeSize) \(.Ebs.VolumeType) \(
    .Ebs.DeleteOnTermination)"] | join(","))')"
imported mbr.raw --tpm v2.0 --force-boot # needs uefi, whatever the disk is
is uefi "$(show "$ami" .BootMode)"
grep -q 'the TPM says boot mode uefi.*legacy-bios.*\[import/boot-mode\]' notes || fail "a contradiction, and no word"
files=$(find store -name '*.pack' | sort)
import_refused() {
    expect 5 "$1" "$VMLIFT" import mbr.raw --name refused "${@:2}"
    is "$files" "$(find store -name '*.pack' | sort)"
}
import_refused import/boot-mode --tpm v2.0
import_refused InvalidParameterCombination --tpm v2.0 --boot-mode legacy-bios
import_refused InvalidParameterCombination --kernel aki-5c21674b
import_refused InvalidManifest "${pv[@]}" --kernel aki-01234567
import_refused UnsupportedOperation "${pv[@]}" --region eu-west-2
import_refused BootForVolumeTypeUnsupported --volume-type st1
import_refused UnknownVolumeType --volume-type gp4
import_refused InvalidParameterCombination --volume-type io1
import_refused InvalidBlockDeviceMapping --mapping /dev/sda1=:2 # less than the disk has
import_refused InvalidBlockDeviceMapping --mapping /dev/sda1=ephemeral0
import_refused InvalidBlockDeviceMapping --mapping /dev/sdf=:1 --mapping /dev/sdf=:1
import_refused InvalidBlockDeviceMapping --mapping /dev/sda1=:50:::encrypted
expect 2 usage/mapping "$VMLIFT" import mbr.raw --name refused --mapping "/dev/sdf=$data"
expect 5 InvalidParameterCombination "$VMLIFT" import gpt.raw --name refused "${pv[@]}" --kernel aki-88aa75e1
