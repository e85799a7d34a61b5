#!/usr/bin/env bash
# OVA against tar, sha256sum, qemu-img and, where they are installed, bsdtar, xmllint and virt-v2v.
. "$(dirname "$0")/../functions.sh"
requires tar sha256sum qemu-img python3 jq

for disk in one two; do
    truncate -s 20M $disk.raw
    head -c 3000000 /dev/urandom | dd of=$disk.raw conv=notrunc status=none
    head -c 512 /dev/urandom | dd of=$disk.raw conv=notrunc oflag=seek_bytes seek=20971008 status=none
done

# --- what vmlift writes ----------------------------------------------------------------------------

run "$VMLIFT" convert one.raw machine.ova
printf '%s\n' machine.ovf machine.mf machine-disk1.vmdk >want
tar -tf machine.ova >got 2>warnings
same want got
[ ! -s warnings ] || fail "tar: $(cat warnings)"
tar -tvf machine.ova | while read -r mode owner _; do
    [ "$mode $owner" = "-rw-r--r-- 0/0" ] || fail "tar -tv: $mode $owner"
done
python3 -c 'import sys, tarfile; print("\n".join(tarfile.open(sys.argv[1], "r:").getnames()))' \
    machine.ova >got
same want got
if command -v bsdtar >/dev/null; then
    bsdtar -tf machine.ova >got 2>warnings
    same want got
    [ ! -s warnings ] || fail "bsdtar: $(cat warnings)"
else
    echo "bsdtar is not installed: not asked"
fi

mkdir out
tar -xf machine.ova -C out
sed -n 's/^SHA256(\(.*\))= \([0-9a-f]\{64\}\)$/\2  \1/p' out/machine.mf >sums
[ "$(wc -l <sums) $(wc -l <out/machine.mf)" = "2 2" ] || fail "manifest: $(cat out/machine.mf)"
(cd out && sha256sum -c --quiet ../sums)
run qemu-img compare -f raw -F vmdk one.raw out/machine-disk1.vmdk
size=$(stat -c %s out/machine-disk1.vmdk)
grep -qF "ovf:size=\"$size\"" out/machine.ovf || fail "ovf:size is not $size"
grep -qF 'ovf:capacity="20971520"' out/machine.ovf || fail "ovf:capacity is not 20971520"
python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' out/machine.ovf
! command -v xmllint >/dev/null || xmllint --noout out/machine.ovf
if command -v virt-v2v >/dev/null; then
    run virt-v2v -i ova machine.ova --print-source >source.txt
    grep -q 'vCPUs: 1' source.txt || fail "virt-v2v: $(cat source.txt)"
else
    echo "virt-v2v is not installed: not asked"
fi

run env SOURCE_DATE_EPOCH=1700000000 "$VMLIFT" convert --force one.raw machine.ova
cp machine.ova first.ova
run env SOURCE_DATE_EPOCH=1700000000 "$VMLIFT" convert --force one.raw machine.ova
same first.ova machine.ova
"$VMLIFT" convert -o manifest=sha1,hw=vmx-13 one.raw old.ova
tar -xOf old.ova old.mf | grep -q '^SHA1(old.ovf)= [0-9a-f]\{40\}$' || fail "manifest=sha1"
tar -xOf old.ova old.ovf | grep -q '>vmx-13<' || fail "hw=vmx-13"

# --- what others put together ------------------------------------------------------------------------

mkdir parts
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized one.raw parts/one.vmdk
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized two.raw parts/two.vmdk
cat >parts/vm.ovf <<OVF
<?xml version="1.0"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:r="r" xmlns:vmw="v">
  <ovf:References>
    <ovf:File ovf:id="f1" ovf:href="one.vmdk"/>
    <ovf:File ovf:id="f2" ovf:href="two.vmdk"/>
  </ovf:References>
  <ovf:DiskSection>
    <ovf:Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="20" ovf:capacityAllocationUnits="MegaBytes"/>
    <ovf:Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="20" ovf:capacityAllocationUnits="byte*2^20"/>
  </ovf:DiskSection>
  <ovf:VirtualSystem ovf:id="two disks">
    <ovf:VirtualHardwareSection>
      <ovf:Item><r:ResourceType>3</r:ResourceType><r:VirtualQuantity>2</r:VirtualQuantity></ovf:Item>
      <vmw:Config vmw:key="firmware" vmw:value="efi"/>
    </ovf:VirtualHardwareSection>
  </ovf:VirtualSystem>
</ovf:Envelope>
OVF
(cd parts && sha256sum vm.ovf one.vmdk two.vmdk |
    sed 's/^\([0-9a-f]*\)  \(.*\)$/SHA256 (\2) = \1\r/' >vm.mf)

for flavour in ustar gnu posix v7; do
    tar --format=$flavour -cf in.ova -C parts vm.ovf vm.mf one.vmdk two.vmdk
    run "$VMLIFT" convert --disk 1 in.ova got1.raw
    same one.raw got1.raw
    run "$VMLIFT" convert --disk 2 -O raw - got2.raw < <(cat in.ova)
    same two.raw got2.raw
    rm got1.raw got2.raw
done
"$VMLIFT" info --json in.ova >info.json
[ "$(jq -c '[.format, .machine.name, .machine.cpus, .machine.firmware, (.disks | length),
             .disks[1].virtual_size]' info.json)" = '["ova","two disks",2,"uefi",2,20971520]' ] ||
    fail "info: $(cat info.json)"

# both disks into a package again, from a pipe
run "$VMLIFT" convert - again.ova < <(cat in.ova)
mkdir again
tar -xf again.ova -C again
run qemu-img compare -f raw -F vmdk one.raw again/again-disk1.vmdk
run qemu-img compare -f raw -F vmdk two.raw again/again-disk2.vmdk
[ "$("$VMLIFT" info --json again.ova | jq -r .machine.firmware)" = uefi ] || fail "firmware is lost"

# --- what is refused, and leaves nothing -----------------------------------------------------------------

# refused STATUS SLUG OVA: from the file and from a pipe
refused() {
    expect "$1" "$2" "$VMLIFT" convert --disk 1 "$3" out.raw
    expect "$1" "$2" "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat "$3")
    [ ! -e out.raw ] || fail "$3: out.raw is there"
    [ -z "$(find . -maxdepth 1 -name '.*.part')" ] || fail "$3: a .part is left"
}

cp -r parts bad
sed -i '/one.vmdk/s/= ..../= 0000/' bad/vm.mf
tar -cf bad.ova -C bad vm.ovf vm.mf one.vmdk two.vmdk
refused 3 manifest/mismatch bad.ova
tar -cf bad.ova -C bad vm.ovf one.vmdk two.vmdk vm.mf
refused 3 manifest/mismatch bad.ova
sed -i '/one.vmdk/d' bad/vm.mf
tar -cf bad.ova -C bad vm.ovf vm.mf one.vmdk two.vmdk
refused 3 manifest/missing-member bad.ova
echo nonsense >>bad/vm.mf
tar -cf bad.ova -C bad vm.ovf vm.mf one.vmdk two.vmdk
refused 3 manifest/syntax bad.ova
# .. but for who does not want to know
expect 0 manifest/skipped "$VMLIFT" convert --no-manifest --disk 1 bad.ova out.raw
same one.raw out.raw
rm out.raw
expect 0 manifest/skipped "$VMLIFT" convert --no-manifest --disk 1 -O raw - out.raw < <(cat bad.ova)
same one.raw out.raw
rm out.raw

size=$(stat -c %s in.ova)
for cut in 512 1000 10000 $((size / 3)) $((size / 2)) $((size - 40000)); do
    head -c "$cut" in.ova >cut.ova
    refused 3 '' cut.ova
done

ln -sf /etc/passwd bad/one.vmdk
tar -cf bad.ova -C bad vm.ovf one.vmdk two.vmdk
refused 3 ova/member-type bad.ova
tar -cPf bad.ova -C parts vm.ovf two.vmdk ../parts/one.vmdk
refused 3 ova/member-name bad.ova
tar -cPf bad.ova -C parts vm.ovf one.vmdk two.vmdk "$tmp/parts/two.vmdk"
refused 3 ova/member-name bad.ova
{
    echo '<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    sed 1d parts/vm.ovf
} >bad/vm.ovf
tar -cf bad.ova -C bad vm.ovf
refused 3 xml/dtd bad.ova
