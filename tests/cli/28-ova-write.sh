#!/usr/bin/env bash
# The machine in an OVA that vmlift writes, as others see it; and OVAs that are written anew without
# deflating their disks again.
. "$(dirname "$0")/../functions.sh"
requires tar sha256sum qemu-img python3 jq

# optional PROGRAM: is it there to be asked?
optional() {
    command -v "$1" >/dev/null && return
    echo "$1 is not installed: not asked"
    return 1
}

python3 - <<'PY'
import random
for n in range(1, 17):
    r = random.Random(n)
    size = 2 * 2**20 + n * 65536
    with open(f"{n}.raw", "wb") as f:
        f.truncate(size)
        f.write(r.randbytes(70000) + f"disk {n} all work and no play ".encode() * 9000)
        f.seek(size - 512)
        f.write(r.randbytes(512))
PY

# stored FILE: offset and length of each member's bytes, by python's tarfile.
stored() {
    python3 -c 'import sys, tarfile
for m in tarfile.open(sys.argv[1], "r:"):
    print(m.name, m.offset_data, m.size)' "$1"
}

# good OVA DISKS: tar, bsdtar, sha256sum, an XML parser and qemu-img take it, with n.raw as disk n.
good() {
    local ova=$1 disks=$2 base name off size n=0
    base=$(tar -tf "$ova" | sed -n 1p)
    base=${base%.ovf}
    { printf '%s\n' "$base.ovf" "$base.mf" && seq -f "$base-disk%g.vmdk" "$disks"; } >want
    tar -tf "$ova" >got 2>warnings
    same want got
    if optional bsdtar; then
        bsdtar -tf "$ova" >got 2>>warnings
        same want got
    fi
    [ ! -s warnings ] || fail "$ova: $(cat warnings)"
    rm -rf out
    mkdir out
    tar -xf "$ova" -C out
    sed -n 's/^SHA256(\(.*\))= \([0-9a-f]\{64\}\)$/\2  \1/p' "out/$base.mf" >sums
    [ "$(wc -l <sums)" = $((disks + 1)) ] || fail "manifest: $(cat "out/$base.mf")"
    (cd out && sha256sum -c --quiet ../sums)
    ! optional xmllint || xmllint --noout "out/$base.ovf"
    run "$VMLIFT" check "$ova"
    stored "$ova" | sed 1,2d >places
    while read -r name off size; do
        n=$((n + 1))
        run qemu-img compare -q -f raw "$n.raw" \
            "json:{\"driver\":\"vmdk\",\"file\":{\"driver\":\"raw\",\"offset\":$off,\"size\":$size,\"file\":{\"driver\":\"file\",\"filename\":\"$ova\"}}}"
        grep -qF "ovf:size=\"$size\"" "out/$base.ovf" || fail "$name: ovf:size is not $size"
    done <places
    [ "$n" = "$disks" ] || fail "$n disks of $disks"
}

# put_together OVA DISKS FORMAT [qemu-img options]: somebody else's, on a controller of many.
put_together() {
    local ova=$1 disks=$2 format=$3 n
    shift 3
    rm -rf parts
    mkdir parts
    for n in $(seq "$disks"); do
        qemu-img convert -f raw -O "$format" "$@" "$n.raw" "parts/$n.img"
    done
    python3 - "$disks" >parts/vm.ovf <<'PY'
import os, sys
n = int(sys.argv[1])
print('''<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>''')
for i in range(1, n + 1):
    print(f'<File ovf:id="f{i}" ovf:href="{i}.img"/>')
print('</References><DiskSection><Info/>')
for i in range(1, n + 1):
    print(f'<Disk ovf:diskId="d{i}" ovf:fileRef="f{i}" ovf:capacity="{os.stat(f"{i}.raw").st_size}"/>')
print('''</DiskSection><VirtualSystem ovf:id="a machine"><Info/><VirtualHardwareSection><Info/>
<System><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:Address>0</rasd:Address><rasd:InstanceID>2</rasd:InstanceID>
<rasd:ResourceSubType>vmware.sata.ahci</rasd:ResourceSubType>
<rasd:ResourceType>20</rasd:ResourceType></Item>''')
for i in range(1, n + 1):
    print(f'''<Item><rasd:AddressOnParent>{i - 1}</rasd:AddressOnParent>
<rasd:HostResource>ovf:/disk/d{i}</rasd:HostResource><rasd:InstanceID>{i + 2}</rasd:InstanceID>
<rasd:Parent>2</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>''')
print('</VirtualHardwareSection></VirtualSystem></Envelope>')
PY
    (cd parts && tar -cf "../$ova" vm.ovf $(seq -f '%g.img' "$disks"))
}

# --- the machine, by virt-v2v ------------------------------------------------------------------------

# source_is OVA TEXT...: virt-v2v finds each in the machine's description.
source_is() {
    local ova=$1 text
    shift
    optional virt-v2v || return 0
    run virt-v2v -i ova "$ova" --print-source >source.txt 2>source.err ||
        fail "virt-v2v: $(cat source.err source.txt)"
    for text; do
        grep -qF -- "$text" source.txt || fail "virt-v2v: no '$text' in: $(cat source.txt)"
    done
}

run "$VMLIFT" convert 1.raw plain.ova
good plain.ova 1
source_is plain.ova 'source name: 1' 'memory: 1073741824' 'nr vCPUs: 1' '0 [scsi]' \
    'Bridge "VM Network" [e1000]'

run "$VMLIFT" convert -o cpus=4,memory=4G,firmware=efi,secure_boot=on,network=LAN+DMZ \
    -o "name=web 01,adapter=sata,os=debian11_64Guest" 1.raw machine.ova
good machine.ova 1
source_is machine.ova 'source name: web 01' 'memory: 4294967296' 'nr vCPUs: 4' 'firmware: uefi' \
    'Bridge "LAN"' 'Bridge "DMZ"'
[ "$(tar -tf machine.ova | sed -n 1p)" = web_01.ovf ] || fail "name= does not name the files"
run "$VMLIFT" convert -o firmware=bios,network=none,adapter=ide 1.raw bios.ova
source_is bios.ova 'firmware: bios' '0 [ide]'
[ ! -e source.txt ] || ! grep -q Bridge source.txt || fail "network=none: $(cat source.txt)"

expect 2 image/option "$VMLIFT" convert -o adapter=virtio 1.raw no.ova
expect 2 image/option "$VMLIFT" convert -o hw=vmx-10,adapter=nvme 1.raw no.ova
expect 2 image/option "$VMLIFT" convert -o cpus=4 1.raw no.vmdk

# --- several disks, and the words of the source -----------------------------------------------------------

for disks in 2 16; do # sixteen are more than one SCSI controller holds
    put_together in.ova $disks vmdk -o subformat=streamOptimized
    run "$VMLIFT" convert in.ova file.ova
    good file.ova $disks
    source_is file.ova 'source name: a machine' 'nr vCPUs: 2'
    run "$VMLIFT" convert - piped.ova < <(cat in.ova)
    good piped.ova $disks
    rm file.ova piped.ova
done

# --- disks that are passed on ------------------------------------------------------------------------

# grains OFFSET FILE: where each grain of the VMDK there belongs, and the digest of its stream.
grains() {
    python3 - "$@" <<'PY'
import hashlib, struct, sys
with open(sys.argv[2], "rb") as f:
    f.seek(int(sys.argv[1]))
    d = f.read()
at = struct.unpack_from("<Q", d, 64)[0] * 512    # overHead
while True:
    sector, size, kind = struct.unpack_from("<QII", d, at)
    if size:
        print(sector, hashlib.sha256(d[at + 12:at + 12 + size]).hexdigest())
        at += (12 + size + 511) // 512 * 512
    elif kind == 0 or at + 512 >= len(d):
        break
    else:
        at += 512 + sector * 512
PY
}

# qemu-img's zlib makes other streams than vmlift would: they arrive as they are.
put_together in.ova 2 vmdk -o subformat=streamOptimized
grains 0 parts/2.img >streams
for how in file pipe; do
    rm -f again.ova
    if [ $how = file ]; then
        run "$VMLIFT" convert --repack in.ova again.ova
    else
        run "$VMLIFT" convert --repack - again.ova < <(cat in.ova)
    fi
    good again.ova 2
    off=$(stored again.ova | sed -n '4s/^[^ ]* \([0-9]*\) .*/\1/p')
    grains "$off" again.ova >got
    [ "$(wc -l <streams)" -gt 3 ] || fail "only $(wc -l <streams) grains"
    [ -z "$(comm -23 <(sort streams) <(sort got))" ] || fail "$how: grains were changed: $(diff streams got)"
done
run "$VMLIFT" convert -o level=9 in.ova smaller.ova
good smaller.ova 2
off=$(stored smaller.ova | sed -n '4s/^[^ ]* \([0-9]*\) .*/\1/p')
grains "$off" smaller.ova >got
[ -n "$(comm -23 <(sort streams) <(sort got))" ] || fail "level=9 did not deflate"
# A lone disk likewise.
run "$VMLIFT" convert parts/2.img lone.vmdk
grains 0 lone.vmdk >got
[ -z "$(comm -23 <(sort streams) <(sort got))" ] || fail "lone: grains were changed"
run qemu-img compare -q -f raw -F vmdk 2.raw lone.vmdk
# A child over such a disk has a unit of its own.
qemu-img create -q -f vmdk -F vmdk -b lone.vmdk child.vmdk
qemu-io -f vmdk -c 'write -P 7 100k 3k' child.vmdk >/dev/null
run "$VMLIFT" convert --follow-parents child.vmdk whole.vmdk
run qemu-img compare -q -f vmdk -F vmdk child.vmdk whole.vmdk

# What is damaged is refused, passed on or not.
cp in.ova bad.ova
off=$(stored in.ova | sed -n '2s/^[^ ]* \([0-9]*\) .*/\1/p')
at=$((off + $(od -An -t u8 -j $((off + 64)) -N 8 in.ova) * 512 + 5000))
printf 'damage' | dd of=bad.ova bs=1 seek=$at conv=notrunc status=none
expect 3 '' "$VMLIFT" convert --repack bad.ova no.ova
grep -qE '\[vmdk/(inflate|grain-len)\]' stderr || fail "$(cat stderr)"
expect 3 '' "$VMLIFT" convert --repack - no.ova < <(cat bad.ova)

# --- --repack ------------------------------------------------------------------------------------------

# In place, with all that it can change, and nothing else changed.
cp machine.ova web.ova
stored web.ova >before
run "$VMLIFT" convert --repack --force -o manifest=sha512,hw=vmx-19,name=db web.ova web.ova
printf '%s\n' db.ovf db.mf db-disk1.vmdk >want
tar -tf web.ova >got
same want got
tar -xOf web.ova db.mf | grep -q '^SHA512(db.ovf)= [0-9a-f]\{128\}$' || fail "manifest=sha512"
tar -xOf web.ova db.ovf | grep -q '>vmx-19<' || fail "hw=vmx-19"
source_is web.ova 'source name: db' 'memory: 4294967296' 'nr vCPUs: 4' 'firmware: uefi'
tar -xOf web.ova db-disk1.vmdk >db.vmdk
run qemu-img compare -q -f raw -F vmdk 1.raw db.vmdk

expect 6 output/exists "$VMLIFT" convert --repack in.ova web.ova
expect 2 usage/repack "$VMLIFT" convert --repack 1.raw no.ova
expect 2 usage/repack "$VMLIFT" convert --repack in.ova no.vmdk
expect 2 usage/repack "$VMLIFT" convert --repack --disk 1 in.ova no.ova
expect 2 usage/repack "$VMLIFT" convert --repack -o level=9 in.ova no.ova
put_together in.ova 1 vmdk -o subformat=monolithicSparse
expect 4 convert/repack "$VMLIFT" convert --repack in.ova no.ova
put_together in.ova 1 vpc -o subformat=dynamic,force_size=on
expect 4 convert/repack "$VMLIFT" convert --repack in.ova no.ova
if [ -e no.ova ] || [ -e no.vmdk ]; then
    fail "refused, and yet there is an output"
fi

# All that is known of a machine is there again; a disk without a file stays without one, and of what
# is passed over there is a word.
rm -rf parts
mkdir parts
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized 1.raw parts/one.vmdk
echo variables >parts/vm.nvram
cat >parts/vm.ovf <<'OVF'
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>
    <File ovf:id="f1" ovf:href="one.vmdk"/>
    <File ovf:id="f2" ovf:href="vm.nvram"/>
  </References>
  <DiskSection><Info/>
    <Disk ovf:diskId="d1" ovf:capacity="3" ovf:capacityAllocationUnits="byte * 2^30"/>
    <Disk ovf:diskId="d2" ovf:fileRef="f1" ovf:capacity="2162688"/>
  </DiskSection>
  <NetworkSection><Info/><Network ovf:name="Prod"/></NetworkSection>
  <VirtualSystem ovf:id="vm"><Info/><Name>a VM</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian11_64Guest"><Info/>
      <Description>Debian GNU/Linux 11 (64-bit)</Description></OperatingSystemSection>
    <VirtualHardwareSection><Info/>
      <System><vssd:VirtualSystemType>vmx-15</vssd:VirtualSystemType></System>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>6</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1536</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:ResourceSubType>vmware.nvme.controller</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:HostResource>ovf:/disk/d2</rasd:HostResource><rasd:InstanceID>6</rasd:InstanceID>
        <rasd:Parent>4</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:Connection>Prod</rasd:Connection><rasd:InstanceID>7</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
OVF
tar -cf in.ova -C parts vm.ovf one.vmdk vm.nvram

# facts OVA: what info tells, but for what is another file.
facts() {
    "$VMLIFT" info --json "$1" 2>/dev/null |
        jq -cS '[.machine, (.disks | map([.virtual_size, .controller, .data_size]))]'
}
facts in.ova >want.json
for how in file pipe; do
    rm -f again.ova
    if [ $how = file ]; then
        run "$VMLIFT" convert --repack in.ova again.ova 2>notes
    else
        run "$VMLIFT" convert - again.ova < <(cat in.ova) 2>notes
    fi
    grep -q "'vm.nvram'.*\[ova/other-files\]" notes || fail "$how: no word of vm.nvram: $(cat notes)"
    printf '%s\n' again.ovf again.mf again-disk2.vmdk >want
    tar -tf again.ova >got
    same want got
    facts again.ova >got.json
    same want.json got.json
    tar -xOf again.ova again.ovf >text.ovf
    for text in '>vmx-15<' '"debian11_64Guest"' 'ovf:id="96"' '>Debian GNU/Linux 11 (64-bit)<' \
        '>VirtualSCSI<' '>vmware.nvme.controller<' '>VmxNet3<' 'ovf:name="Prod"' \
        'ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:format'; do
        grep -qF "$text" text.ovf || fail "$how: no $text in $(cat text.ovf)"
    done
    tar -xOf again.ova again-disk2.vmdk >again.vmdk
    run qemu-img compare -q -f raw -F vmdk 1.raw again.vmdk
done
# A lone format has no such word: there it is a disk of zeroes.
run "$VMLIFT" convert --disk 1 again.ova empty.raw
[ "$(stat -c '%s %b' empty.raw)" = '3221225472 0' ] || fail "empty.raw: $(stat -c '%s %b' empty.raw)"
# What VMware has not is replaced, and a note says so.
sed 's/vmx-15/virtualbox-2.2/; s/VmxNet3/virtio/; s/VirtualSCSI/virtio-scsi/' parts/vm.ovf >parts/box.ovf
tar -cf in.ova -C parts box.ovf one.vmdk
run "$VMLIFT" convert in.ova box.ova 2>notes
for slug in ova/hardware ova/network-model ova/controller; do
    grep -qF "[$slug]" notes || fail "no $slug: $(cat notes)"
done
tar -xOf box.ova box.ovf | grep -q '>vmx-13<' || fail "secure boot and nvme need vmx-13"

# --- out of the store ------------------------------------------------------------------------------------

export VMLIFT_STORE=$tmp/store
run "$VMLIFT" import --name uefi machine.ova >/dev/null
run "$VMLIFT" export uefi exported.ova
good exported.ova 1
source_is exported.ova 'source name: uefi' 'nr vCPUs: 1' 'firmware: uefi'
run "$VMLIFT" export -o cpus=2,network=LAN,adapter=nvme uefi chosen.ova
source_is chosen.ova 'nr vCPUs: 2' 'Bridge "LAN"'
