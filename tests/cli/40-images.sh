#!/usr/bin/env bash
# Images as EC2 has them: boot modes read from the disks, its device names and sizes, its refusals with its
# error codes; and out again in every format.
. "$(dirname "$0")/../functions.sh"
requires sfdisk qemu-img jq tar mkfs.fat mcopy

export VMLIFT_STORE=$tmp/store PATH=$PATH:/usr/sbin:/sbin

# show AMI FILTER: what jq finds in the image's record
show() {
    "$VMLIFT" image show --json "$1" | jq -r ".Images[0] | $2"
}
# is WANTED GOT...: what was printed
is() {
    [ "$2" = "$1" ] || fail "got $2, not $1"
}
# noise FILE OFFSET BYTES SEED: the same every time, no two seeds alike
noise() {
    head -c "$3" < <(yes "vmlift $4") |
        dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# --- disks: one that a BIOS starts, one for UEFI, one without anything to boot from

truncate -s 64M bios.raw
noise bios.raw 1M 3000000 1
echo 'start=2048, type=83, bootable' | sfdisk -q --label dos bios.raw
printf '\xfa\x31\xc0\x8e\xd0\xbc\x00\x7c' | dd of=bios.raw conv=notrunc status=none
truncate -s 64M uefi.raw
printf 'size=32M, type=U\ntype=L\n' | sfdisk -q --label gpt uefi.raw
noise uefi.raw 40M 3000000 2
make_esp uefi.raw 1 32
truncate -s 3000M data.raw # 2.93 GiB
noise data.raw 2G 1000000 3

# --- boot modes: from the disk, unless someone says otherwise

bios=$("$VMLIFT" import bios.raw --name bios --description 'starts by BIOS' --tag Env=Prod \
    --tag 'Cost centre=42=7')
[[ $bios =~ ^ami-[0-9a-f]{17}$ ]] || fail "import printed $bios"
is legacy-bios "$(show "$bios" .BootMode)"
is 'bios|starts by BIOS|available|000000000000|x86_64|hvm|/dev/sda1' "$(show "$bios" \
    '[.Name, .Description, .State, .OwnerId, .Architecture, .VirtualizationType, .RootDeviceName]
     | join("|")')"
is 'Cost centre=42=7 Env=Prod' "$(show "$bios" '[.Tags[] | "\(.Key)=\(.Value)"] | join(" ")')"
uefi=$(dd if=uefi.raw status=none | "$VMLIFT" import - --name uefi -f raw) # a pipe passes once
is uefi "$(show uefi .BootMode)"
is "$uefi" "$(show uefi .ImageId)"
expect 5 import/boot-mode "$VMLIFT" import bios.raw --name said --boot-mode uefi
grep -q 'the user says boot mode uefi, but disk bios.raw says legacy-bios' stderr || fail "who says what?"
said=$("$VMLIFT" import bios.raw --name said --boot-mode uefi --force-boot 2>notes)
is uefi "$(show "$said" .BootMode)"
grep -q 'legacy-bios.*\[import/boot-mode\]' notes || fail "the contradiction is not told"
"$VMLIFT" import data.raw --name nothing --root-device /dev/xvda 2>notes >/dev/null
is 'null /dev/xvda 3' "$(show nothing \
    '"\(.BootMode) \(.RootDeviceName) \(.BlockDeviceMappings[0].Ebs.VolumeSize)"')"
grep -q '\[import/boot-mode\]' notes || fail "nothing to boot from, and nothing said"
"$VMLIFT" import bios.raw --name xen --virt paravirtual >/dev/null
is null "$(show xen .BootMode)"
expect 5 import/architecture "$VMLIFT" import uefi.raw --name arm --arch arm64
cp uefi.raw arm.raw
make_esp arm.raw 1 32 aa64
"$VMLIFT" import arm.raw --name arm >/dev/null
is 'uefi arm64' "$(show arm '"\(.BootMode) \(.Architecture)"')"

is 'bios uefi said nothing xen arm' "$("$VMLIFT" image list --json | jq -r '[.Images[].Name] | join(" ")')"
"$VMLIFT" image list | grep -q "$bios" || fail "image list without $bios"
is 0 "$("$VMLIFT" image list --json --region eu-west-1 | jq '.Images | length')"
is 0 "$("$VMLIFT" image list --json --account 210987654321 | jq '.Images | length')"
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show "$bios" --region eu-west-1
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show --account 210987654321 "$bios"

# --- refusals: EC2's codes, and the store as it was

before=$("$VMLIFT" store stats --json)
files=$(find store -name '*.pack' | sort)
refused() {
    expect 5 "$@"
    is "$before" "$("$VMLIFT" store stats --json)"
    is "$files" "$(find store -name '*.pack' | sort)"
}
long=$(printf 'x%.0s' {1..129})
many=$(printf -- ' --tag k%d=v' {1..51})
refused InvalidAMIName.Duplicate "$VMLIFT" import data.raw --name bios
grep -q "AMI name bios is already in use by AMI $bios" stderr || fail "not EC2's words"
refused InvalidAMIName.Malformed "$VMLIFT" import bios.raw --name ab
refused InvalidAMIName.Malformed "$VMLIFT" import bios.raw --name "$long"
refused InvalidAMIName.Malformed "$VMLIFT" import bios.raw --name 'a:b'
refused InvalidTagKey.Malformed "$VMLIFT" import bios.raw --name new --tag aws:x=y
# shellcheck disable=SC2086
refused TagLimitExceeded "$VMLIFT" import bios.raw --name new $many
refused InvalidBlockDeviceMapping "$VMLIFT" import bios.raw --name new --root-device /dev/sda
refused InvalidParameterValue "$VMLIFT" import bios.raw --name new --arch amd64
refused InvalidParameterValue "$VMLIFT" import bios.raw --name new --virt pv
refused InvalidParameterValue "$VMLIFT" import bios.raw --name new --boot-mode bios
refused InvalidParameterCombination "$VMLIFT" import uefi.raw --name new --virt paravirtual \
    --boot-mode uefi
refused InvalidParameterCombination "$VMLIFT" import uefi.raw --name new --arch arm64 \
    --boot-mode legacy-bios
refused InvalidParameterValue "$VMLIFT" import bios.raw --name new --description "$long$long"
"$VMLIFT" import bios.raw --name bios --region eu-west-1 >/dev/null # another region, another name space
truncate -s 2048G large.raw # EC2 starts no MBR on a volume of 2 TiB
echo 'start=2048, type=83, bootable' | sfdisk -q --label dos large.raw
expect 0 image/mbr-size "$VMLIFT" import large.raw --name large
rm large.raw
cp bios.raw $'caf\xe9.raw'
run "$VMLIFT" import $'caf\xe9.raw' --name latin-1 # a file's name may be any bytes
"$VMLIFT" snapshot list --json >list.json
grep -q 'created by vmlift from caf?.raw' list.json || fail "no description"

# --- a machine of two disks: what qemu-img and tar wrote

for disk in uefi data; do
    qemu-img convert -f raw -O vmdk -o subformat=streamOptimized $disk.raw $disk.vmdk
done
cat >two.ovf <<OVF
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:id="f2" ovf:href="data.vmdk" ovf:size="$(stat -c %s data.vmdk)"/>
    <File ovf:id="f1" ovf:href="uefi.vmdk" ovf:size="$(stat -c %s uefi.vmdk)"/>
  </References>
  <DiskSection>
    <Info>disks</Info>
    <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="3000" ovf:capacityAllocationUnits="byte * 2^20"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
    <Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="64" ovf:capacityAllocationUnits="byte * 2^20"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id="two">
    <Info>a machine</Info>
    <Name>two</Name>
    <VirtualHardwareSection>
      <Info>hardware</Info>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>SCSI</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>1</rasd:AddressOnParent>
        <rasd:ElementName>second</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d2</rasd:HostResource>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>first</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="bios"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
OVF
for file in two.ovf data.vmdk uefi.vmdk; do
    echo "SHA256($file)= $(sha256sum <$file | cut -d' ' -f1)"
done >two.mf
tar --format=ustar -cf two.ova two.ovf two.mf data.vmdk uefi.vmdk
expect 5 import/boot-mode "$VMLIFT" import two.ova --name two
grep -q 'the OVF says boot mode legacy-bios, but disk uefi.vmdk says uefi' stderr || fail "who says what?"
expect 5 import/boot-mode "$VMLIFT" import - --name two < <(dd if=two.ova status=none)
two=$("$VMLIFT" import two.ova --name two --force-boot 2>notes)
# The machine's order, not the file's; the OVF's word goes before the disk's, and that is told.
is '/dev/sda1 1 true,/dev/sdf 3 false' "$(show "$two" '[.BlockDeviceMappings[]
    | "\(.DeviceName) \(.Ebs.VolumeSize) \(.Ebs.DeleteOnTermination)"] | join(",")')"
is legacy-bios "$(show "$two" .BootMode)"
grep -q 'OVF.*legacy-bios.*uefi.*\[import/boot-mode\]' notes || fail "the contradiction is not told"
piped=$(dd if=two.ova status=none | "$VMLIFT" import - --name piped --boot-mode uefi 2>notes)
is uefi "$(show "$piped" .BootMode)"
grep -q 'the OVF says boot mode legacy-bios, the user uefi, which holds' notes || fail "not told"
is "$(show "$two" '[.BlockDeviceMappings[] | .DeviceName, .Ebs.VolumeSize]')" \
    "$(show "$piped" '[.BlockDeviceMappings[] | .DeviceName, .Ebs.VolumeSize]')"
# A disk that is not what the manifest says: nothing of it is to be seen.
sed -i "/uefi/s/= .*/= $(printf '0%.0s' {1..64})/" two.mf
tar --format=ustar -cf bad.ova two.ovf two.mf data.vmdk uefi.vmdk
before=$("$VMLIFT" image list --json)$("$VMLIFT" snapshot list --json)
expect 3 manifest/mismatch "$VMLIFT" import bad.ova --name bad --force-boot
expect 3 manifest/mismatch "$VMLIFT" import - --name bad --force-boot < <(dd if=bad.ova status=none)
is "$before" "$("$VMLIFT" image list --json)$("$VMLIFT" snapshot list --json)"

# --- out again

snap=$(show "$bios" '.BlockDeviceMappings[0].Ebs.SnapshotId')
for file in bios.vmdk bios.vhd bios.ova copy.raw; do
    run "$VMLIFT" export "$bios" $file
    run "$VMLIFT" compare bios.raw $file
done
same bios.raw copy.raw
qemu-img compare -f raw -F vmdk bios.raw bios.vmdk
qemu-img compare -f raw -F vpc bios.raw bios.vhd
run "$VMLIFT" export "$snap" snap.raw
same bios.raw snap.raw
run "$VMLIFT" export two back.ova
"$VMLIFT" info --json back.ova | jq -e '.machine.name == "two" and .machine.firmware == "bios" and
    (.disks | length) == 2' >/dev/null || fail "the machine in back.ova is another"
run "$VMLIFT" compare two.ova back.ova
expect 1 '' "$VMLIFT" compare bios.raw uefi.raw
expect 4 package/one-disk "$VMLIFT" export two two.vmdk
grep -q '\.ova' stderr || fail "no way out is named"
expect 6 '' "$VMLIFT" export "$bios" copy.raw # is there already
expect 6 InvalidAMIID.NotFound "$VMLIFT" export ami-0123456789abcdef0 none.raw
expect 6 InvalidSnapshot.NotFound "$VMLIFT" export snap-0123456789abcdef0 none.raw
expect 6 InvalidSnapshot.NotFound "$VMLIFT" export "$snap" none.raw --region eu-west-1
[ ! -e none.raw ] || fail "a refused export left a file"
[ ! -e two.vmdk ] || fail "a refused export left a file"

# --- the end of an image

expect 5 InvalidSnapshot.InUse "$VMLIFT" snapshot delete "$snap"
grep -q "$bios" stderr || fail "the image in the way is not named"
is "$snap" "$("$VMLIFT" image deregister "$bios" 2>/dev/null)"
expect 6 InvalidAMIID.Unavailable "$VMLIFT" image deregister "$bios"
expect 6 InvalidAMIID.Unavailable "$VMLIFT" image show "$bios"
expect 5 InvalidAMIID.Malformed "$VMLIFT" image show ami-nonsense
expect 6 InvalidAMIID.NotFound "$VMLIFT" image show nonsense
run "$VMLIFT" export "$snap" kept.raw
same bios.raw kept.raw
again=$("$VMLIFT" import bios.raw --name bios) # the name is free
[ "$again" != "$bios" ] || fail "an ID was given twice"
# Of many that want one name at once, one gets it.
for i in {1..6}; do
    "$VMLIFT" import uefi.raw --name race >"race$i" 2>>losers &
done
wait
is 1 "$(cat race? | grep -c '^ami-')"
is 5 "$(grep -c '\[InvalidAMIName.Duplicate\]' losers)"
is "$(cat race?)" "$(show race .ImageId)"
run "$VMLIFT" snapshot delete "$snap"
expect 6 InvalidSnapshot.NotFound "$VMLIFT" snapshot show "$snap"
run "$VMLIFT" store gc
run "$VMLIFT" store verify
run "$VMLIFT" export "$again" last.raw
same bios.raw last.raw
