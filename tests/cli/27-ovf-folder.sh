#!/usr/bin/env bash
# An OVF with its files beside it, packages of several machines, and disks without a file.
. "$(dirname "$0")/../functions.sh"
requires tar sha256sum qemu-img gzip split jq

for disk in one two; do
    truncate -s 4M $disk.raw
    head -c 700000 /dev/urandom | dd of=$disk.raw conv=notrunc status=none
done
truncate -s 3M empty.raw

# item ADDRESS DISK PARENT; controller INSTANCE ADDRESS TYPE SUBTYPE
item() { echo "<Item><AddressOnParent>$1</AddressOnParent><HostResource>ovf:/disk/$2</HostResource><InstanceID>2$1$3</InstanceID><Parent>$3</Parent><ResourceType>17</ResourceType></Item>"; }
controller() { echo "<Item><Address>$2</Address><InstanceID>$1</InstanceID>${4:+<ResourceSubType>$4</ResourceSubType>}<ResourceType>$3</ResourceType></Item>"; }

# envelope FILES DISKS SYSTEMS
envelope() {
    cat <<OVF
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>$1</References>
  <DiskSection>$2</DiskSection>
  $3
</Envelope>
OVF
}

two_files='<File ovf:id="f1" ovf:href="one.vmdk"/><File ovf:id="f2" ovf:href="sub/two%20b.vmdk"/>'
two_disks='<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="4" ovf:capacityAllocationUnits="byte * 2^20"/>
  <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="4194304"/>
  <Disk ovf:diskId="e" ovf:capacity="3" ovf:capacityAllocationUnits="MegaBytes"/>'

# --- a folder --------------------------------------------------------------------------------------

mkdir -p vm/sub
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized one.raw vm/one.vmdk
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized two.raw 'vm/sub/two b.vmdk'
envelope "$two_files" "$two_disks" "<VirtualSystem ovf:id='m'><Name>the machine</Name><VirtualHardwareSection>
  <System><VirtualSystemType>vmx-13</VirtualSystemType></System>
  $(controller 3 0 6 lsilogic) $(controller 4 0 20 vmware.sata.ahci) $(controller 5 1 5 '')
  $(item 1 d2 3) $(item 0 e 4) $(item 0 d1 5)
  <Item><Connection>LAN</Connection><InstanceID>9</InstanceID><ResourceSubType>VmxNet3</ResourceSubType><ResourceType>10</ResourceType></Item>
  <Item><InstanceID>10</InstanceID><ResourceType>10</ResourceType></Item>
  </VirtualHardwareSection></VirtualSystem>" >vm/vm.ovf
sums() { (cd vm && find . -type f ! -name '*.mf' ! -name '*.cert' | cut -c3- | LC_ALL=C sort | xargs -d '\n' sha256sum | sed 's/^\([0-9a-f]*\)  \(.*\)$/SHA256(\2)= \1/' >vm.mf); }
sums

"$VMLIFT" info --json vm >info.json
[ "$(jq -c '[.format, .machine.hardware, .machine.networks, [.disks[] | [.file, .controller, .virtual_size]]]' info.json)" = \
    '["ovf","vmx-13",[{"network":"LAN","model":"VmxNet3"},{"network":"","model":""}],[["sub/two b.vmdk","lsilogic",4194304],[null,"vmware.sata.ahci",3145728],["one.vmdk","IDE",4194304]]]' ] ||
    fail "info: $(cat info.json)"
"$VMLIFT" info vm/vm.ovf >info.txt
for line in 'network: *LAN (VmxNet3)' 'hardware: *vmx-13' 'disk 2: *(empty)' 'controller: *vmware.sata.ahci'; do
    grep -q "^$line" info.txt || fail "info: no '$line' in $(cat info.txt)"
done

# right WORDS...: the source of these words is the machine's three disks
right() {
    local n=1 disk
    for disk in two empty one; do
        run "$VMLIFT" convert --force --disk $n "$@" got.raw
        same $disk.raw got.raw
        n=$((n + 1))
    done
    run "$VMLIFT" convert --force "$@" got.ova
    [ "$("$VMLIFT" info --json got.ova | jq -c '[.disks[].virtual_size]')" = '[4194304,3145728,4194304]' ] ||
        fail "three disks: $("$VMLIFT" info got.ova)"
    run "$VMLIFT" compare "$@" got.ova
}
right vm
right vm/vm.ovf
right -f ovf vm/
run "$VMLIFT" hash vm/vm.ovf >got
for disk in two empty one; do sha256sum $disk.raw; done | cut -c1-64 >want
cut -c1-64 got | diff - want
"$VMLIFT" map --disk 2 vm >got
[ "$(tr -s ' ' <got)" = ' 0 3145728 hole' ] || fail "map: $(cat got)"
run "$VMLIFT" check vm

# the same in a tar, of a file and of a pipe
tar -cf in.ova -C vm vm.ovf vm.mf 'sub/two b.vmdk' one.vmdk
right in.ova
run "$VMLIFT" convert --force - got.ova < <(cat in.ova)
run "$VMLIFT" compare in.ova got.ova
run "$VMLIFT" convert --force --disk 2 -O raw - got.raw < <(cat in.ova)
same empty.raw got.raw
run "$VMLIFT" import --store store --name piped - < <(cat in.ova)
run "$VMLIFT" import --store store --name folder vm
for name in piped folder; do
    [ "$("$VMLIFT" image show --store store --json $name | jq '.Images[0].BlockDeviceMappings | length')" = 3 ] || fail "$name: disks"
    run "$VMLIFT" export --store store --force $name got.ova
    run "$VMLIFT" compare got.ova in.ova
done

# gzip and chunks
gzip -c vm/one.vmdk >vm/one.vmdk.gz
split -b 300000 -a 9 -d vm/one.vmdk.gz vm/one.vmdk.gz.
cp vm/vm.ovf keep.ovf
sed -i 's|ovf:href="one.vmdk"|ovf:href="one.vmdk.gz" ovf:compression="gzip"|' vm/vm.ovf
sums
right vm
sed -i 's|ovf:compression="gzip"|ovf:compression="gzip" ovf:chunkSize="300000"|' vm/vm.ovf
sums
right vm
run "$VMLIFT" check vm >got
! grep -q check/nothing got || fail "not looked into: $(cat got)"
cp vm/one.vmdk.gz.000000001 keep.chunk # the digest is right, what is in it is not
printf '%099d' 7 | dd of=vm/one.vmdk.gz.000000001 bs=1 seek=1000 conv=notrunc status=none
sums
expect 1 '' "$VMLIFT" check vm
grep -q 'fault: one.vmdk.gz.*\[' stdout || fail "check: $(cat stdout)"
mv keep.chunk vm/one.vmdk.gz.000000001
sums
mv vm/one.vmdk.gz.000000001 gone
expect 3 ovf/chunk "$VMLIFT" convert --disk 3 vm out.raw
mv gone vm/one.vmdk.gz.000000001
rm vm/one.vmdk.gz*
cp keep.ovf vm/vm.ovf
sums

# --- what a folder must not do ---------------------------------------------------------------------

# refused STATUS SLUG
refused() {
    expect "$1" "$2" "$VMLIFT" convert --disk 3 vm out.raw
    [ ! -e out.raw ] || fail "out.raw is there"
}
sed -i 's/^\(SHA256(one.vmdk)= \)..../\10000/' vm/vm.mf
refused 3 manifest/mismatch
expect 1 '' "$VMLIFT" check vm
grep -q manifest/mismatch stdout || fail "check: $(cat stdout)"
sed -i '/one.vmdk/d' vm/vm.mf
refused 3 manifest/missing-member
sums
mv vm/one.vmdk elsewhere.vmdk
refused 3 ovf/href
grep -qF "'one.vmdk'" stderr || fail "the missing file is not named: $(cat stderr)"
"$VMLIFT" info vm >got
grep -q "names 'one.vmdk', which is not beside it \[ovf/href\]" got || fail "info: $(cat got)"
grep -q '^disk 3: *one.vmdk' got || fail "info: $(cat got)"
expect 1 '' "$VMLIFT" check vm
ln -s ../elsewhere.vmdk vm/one.vmdk
refused 5 input/outside
"$VMLIFT" info vm | grep -qF '[input/outside]' || fail "info: a link"
rm vm/one.vmdk
mkfifo vm/one.vmdk
refused 3 input/kind
rm vm/one.vmdk
for href in ../elsewhere.vmdk "$tmp/elsewhere.vmdk" http://127.0.0.1/one.vmdk; do
    sed "s|ovf:href=\"one.vmdk\"|ovf:href=\"$href\"|" keep.ovf >vm/vm.ovf
    rm -f vm/vm.mf
    refused 3 ovf/href
    grep -q 'line [0-9]' stderr || fail "no line: $(cat stderr)"
    "$VMLIFT" info vm | grep -qF '[ovf/href]' || fail "info: $href"
done
sed 's|ovf:href="one.vmdk"|ovf:href="%2e%2e/elsewhere.vmdk"|' keep.ovf >vm/vm.ovf
expect 5 input/outside "$VMLIFT" convert --disk 3 vm out.raw
cp keep.ovf vm/vm.ovf
# a disk of several files is none of a package: the manifest would not be of its bytes
qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat one.raw vm/one.vmdk
refused 4 input/no-folder
rm vm/one-flat.vmdk
mv elsewhere.vmdk vm/one.vmdk
cp vm/vm.ovf vm/other.ovf
expect 3 input/folder "$VMLIFT" convert --disk 3 vm out.raw
grep -qF "'other.ovf' and 'vm.ovf'" stderr || fail "$(cat stderr)"
rm vm/*.ovf
expect 3 input/folder "$VMLIFT" info vm
cp keep.ovf vm/vm.ovf
expect 4 input/no-folder "$VMLIFT" convert --disk 3 -O raw - out.raw < <(cat vm/vm.ovf)
expect 4 image/read-only "$VMLIFT" convert one.raw out.ovf

# a disk without file and capacity
sed 's|diskId="e" ovf:capacity="3"|diskId="e"|' keep.ovf >vm/vm.ovf
refused 4 ovf/empty-disk
cp keep.ovf vm/vm.ovf

# --- several machines ------------------------------------------------------------------------------

mv 'vm/sub/two b.vmdk' vm/two.vmdk
envelope "${two_files/sub\/two%20b/two}" "$two_disks" "<VirtualSystemCollection ovf:id='app'><Name>app</Name>
  <VirtualSystem ovf:id='web'><Name>Web Server</Name><VirtualHardwareSection>$(controller 3 0 6 lsilogic) $(item 0 d1 3)</VirtualHardwareSection></VirtualSystem>
  <VirtualSystem ovf:id='db'><Name>Data</Name><VirtualHardwareSection>$(controller 3 0 6 lsilogic) $(item 1 d2 3) $(item 0 e 3)</VirtualHardwareSection></VirtualSystem>
  </VirtualSystemCollection>" >vm/vm.ovf
rmdir vm/sub
sums
tar -cf in.ova -C vm vm.ovf vm.mf one.vmdk two.vmdk
for src in vm in.ova; do
    for verb in info hash map; do
        expect 4 ovf/multi "$VMLIFT" $verb $src
        grep -qF -- "--vm: 'web' (Web Server), 'db' (Data)" stderr || fail "$(cat stderr)"
    done
    expect 4 ovf/multi "$VMLIFT" convert $src out.ova
    expect 6 ovf/vm "$VMLIFT" convert --vm other $src out.ova
    for name in web 'Web Server'; do
        run "$VMLIFT" convert --force --vm "$name" $src got.raw
        same one.raw got.raw
    done
    run "$VMLIFT" convert --force --vm db --disk 2 $src got.raw
    same two.raw got.raw
    run "$VMLIFT" convert --force --vm db $src got.ova
    run "$VMLIFT" compare --vm db $src got.ova
    run "$VMLIFT" compare --vm web $src one.raw
    expect 1 '' "$VMLIFT" compare --vm web $src two.raw
    [ "$("$VMLIFT" hash --vm web $src | cut -c1-64)" = "$(sha256sum <one.raw | cut -c1-64)" ] || fail "hash --vm"
    [ "$("$VMLIFT" info --json --vm Data $src | jq -c '[.machine.name, (.disks | length)]')" = '["Data",2]' ] || fail "info --vm"
    "$VMLIFT" map --vm web $src >/dev/null
    run "$VMLIFT" import --store store --name "db of $src" --vm db $src
done
run "$VMLIFT" convert --force --vm web -O raw - got.raw < <(cat in.ova)
same one.raw got.raw
run "$VMLIFT" convert --force --vm db - again.ova < <(cat in.ova)
run "$VMLIFT" compare got.ova again.ova
run "$VMLIFT" import --store store --name 'db of a pipe' --vm db - < <(cat in.ova)
run "$VMLIFT" check vm in.ova # all disks of all machines
cp vm/two.vmdk keep.vmdk
printf '%099d' 7 | dd of=vm/two.vmdk bs=1 seek=100000 conv=notrunc status=none
sums
expect 1 '' "$VMLIFT" check vm
grep -q 'fault: two.vmdk' stdout || fail "check: $(cat stdout)"
mv keep.vmdk vm/two.vmdk
sums
expect 2 package/vm-unused "$VMLIFT" convert --vm web one.raw out.vmdk
# the other machine's disk is not opened, but its bytes are checked where the tar has them
sed -i 's/^\(SHA256(two.vmdk)= \)..../\10000/' vm/vm.mf
tar -cf in.ova -C vm vm.ovf vm.mf one.vmdk two.vmdk
expect 3 manifest/mismatch "$VMLIFT" convert --vm web in.ova out.raw
rm vm/two.vmdk
run "$VMLIFT" convert --force --vm web vm got.raw
same one.raw got.raw
expect 3 ovf/href "$VMLIFT" convert --vm db vm out.ova
