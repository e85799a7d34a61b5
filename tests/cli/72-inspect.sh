#!/usr/bin/env bash
# inspect: a machine of two disks in an OVA, as libguestfs reads it from where it lies; what is said where
# libguestfs is missing; and that an interruption leaves nothing behind.
. "$(dirname "$0")/../functions.sh"
requires sfdisk mkfs.ext4 bsdtar zstd nbdkit jq supermin qemu-system-x86_64
export PATH=$PATH:/usr/sbin:/sbin TMPDIR=$tmp/t VMLIFT_STORE=$tmp/store
mkdir t
requires_plugin

# --- a tree that libguestfs takes for a Debian, with some of everything

root=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b0aa
mkdir -p tree/{bin,boot/grub,dev,etc/network/interfaces.d,etc/cloud/cloud.cfg.d,etc/ssh,home,lib,proc,root,srv} \
    tree/lib/modules/6.1.0-9-amd64 tree/usr/{bin,sbin} tree/etc/systemd/system/multi-user.target.wants \
    tree/var/lib/dpkg tree/lib/udev/rules.d tree/sbin
cp /bin/true tree/bin/bash
cp /bin/true tree/bin/ls
cat >tree/etc/os-release <<'TEXT'
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
TEXT
echo 12.5 >tree/etc/debian_version
echo inside >tree/etc/hostname
: >tree/var/lib/dpkg/status
cat >tree/etc/fstab <<TEXT
UUID=$root / ext4 defaults 0 1
/dev/sda2 none swap sw 0 0
LABEL=data /srv ext4 defaults 0 2
UUID=00000000-1111-2222-3333-444444444444 /gone ext4 defaults 0 2
nas.example.com:/home /home nfs defaults 0 0
TEXT
printf 'auto ens192\niface ens192 inet static\n  address 192.0.2.10/24\n' >tree/etc/network/interfaces
echo 0123456789abcdef0123456789abcdef >tree/etc/machine-id
: >tree/etc/ssh/ssh_host_rsa_key
for program in usr/sbin/sshd usr/bin/vmtoolsd usr/bin/cloud-init usr/sbin/dhclient; do
    cp /bin/true "tree/$program"
done
ln -s /lib/systemd/system/ssh.service tree/etc/systemd/system/multi-user.target.wants/ssh.service
: >tree/lib/udev/rules.d/80-net-setup-link.rules
: >tree/boot/vmlinuz-6.1.0-9-amd64
printf 'CONFIG_XEN=y\nCONFIG_XEN_PV=y\nCONFIG_XEN_PVHVM=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_BLK_DEV_NVME=m\n' \
    >tree/boot/config-6.1.0-9-amd64
printf '%s:\n' kernel/drivers/nvme/host/nvme.ko kernel/drivers/net/ethernet/amazon/ena/ena.ko \
    kernel/drivers/block/xen-blkfront.ko >tree/lib/modules/6.1.0-9-amd64/modules.dep
mkdir -p early/kernel/x86/microcode in/lib/modules/6.1.0-9-amd64/kernel/drivers/nvme/host
: >early/kernel/x86/microcode/GenuineIntel.bin
: >in/lib/modules/6.1.0-9-amd64/kernel/drivers/nvme/host/nvme.ko
{
    bsdtar -c --format newc -C early kernel
    bsdtar -c --format newc -C in lib | zstd -q
} >tree/boot/initrd.img-6.1.0-9-amd64
cat >tree/boot/grub/grub.cfg <<TEXT
menuentry 'Debian' {
    linux /boot/vmlinuz-6.1.0-9-amd64 root=UUID=$root ro console=ttyS0,115200
    initrd /boot/initrd.img-6.1.0-9-amd64
}
TEXT
# more than may be written anywhere while it is looked at
head -c 96M /dev/urandom >tree/home/ballast

truncate -s 300M a.raw
printf 'start=2048,size=260M,bootable\nsize=16M,type=82\n' | sfdisk -q --label dos a.raw
mkfs.ext4 -q -L root -U $root -d tree -E offset=$((1 << 20)) a.raw 260M
mkswap --offset $((261 << 20)) a.raw >/dev/null 2>&1 || true
truncate -s 64M b.raw
mkfs.ext4 -q -L data b.raw
mkdir machine
"$VMLIFT" convert a.raw machine/a.vmdk
"$VMLIFT" convert b.raw machine/b.vmdk
cat >machine/two.ovf <<TEXT
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References><File ovf:id="a" ovf:href="a.vmdk" ovf:size="$(stat -c %s machine/a.vmdk)"/>
<File ovf:id="b" ovf:href="b.vmdk" ovf:size="$(stat -c %s machine/b.vmdk)"/></References>
<DiskSection><Info>disks</Info>
<Disk ovf:diskId="da" ovf:fileRef="a" ovf:capacity="$((300 << 20))" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
<Disk ovf:diskId="db" ovf:fileRef="b" ovf:capacity="$((64 << 20))" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
</DiskSection>
<VirtualSystem ovf:id="two"><Info>two</Info><VirtualHardwareSection><Info>hardware</Info>
<Item><rasd:ElementName>scsi</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>a</rasd:ElementName><rasd:HostResource>ovf:/disk/da</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:ElementName>b</rasd:ElementName><rasd:HostResource>ovf:/disk/db</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
TEXT
tar -C machine --format ustar -cf two.ova two.ovf a.vmdk b.vmdk

# --- without what it takes, the rest is told; before all others, since these take no time

# lacks SLUG WORD NAME=VALUE...: with this environment
lacks() {
    local slug=$1 word=$2
    shift 2
    expect 4 "$slug" env "$@" "$VMLIFT" inspect --json two.ova
    grep -qF "$word" stderr || fail "not a word of $word: $(cat stderr)"
    [ "$(jq -r '"\(.disks[0].table) \(.guest) \(.error.slug)"' stdout)" = "mbr null $slug" ] ||
        fail "$(cat stdout)"
}
mkdir broken without
: >broken/libguestfs.so.0
lacks guest/no-libguestfs 'Debian: libguestfs0' LD_LIBRARY_PATH="$tmp/broken"
lacks guest/no-nbdkit 'Debian: nbdkit' PATH="$tmp/without"
lacks guest/no-appliance 'qemu-system-x86' LIBGUESTFS_HV="$tmp/without/qemu"
expect 4 guest/no-nbdkit env PATH="$tmp/without" "$VMLIFT" inspect two.ova b.raw
[ "$(grep -c '^boot mode: ' stdout)" -eq 3 ] || fail "not every disk is told of: $(cat stdout)"
[ -z "$(ls t)" ] || fail "left behind: $(ls t)"

# --- the whole; none of the processes that look may write a file of more than 24 MiB, wherever it is: there
# is no copy of a disk that has 96 of ballast

[ "$(stat -c %s two.ova)" -gt $((96 << 20)) ] || fail "the ballast was compressed"
# what libguestfs keeps for all its users is made now, should it not be there
[ -e "/var/tmp/.guestfs-$(id -u)/appliance.d/root" ] || guestfish -a /dev/null run >/dev/null 2>&1 || true
mkdir limited
for program in nbdkit qemu-img qemu-system-x86_64; do
    printf '#!/bin/sh\nulimit -f %d\necho %s >>%q\nexec %q "$@"\n' $((24 << 11)) $program "$tmp/ran" \
        "$(command -v $program)" >limited/$program
    chmod +x limited/$program
done
PATH=$tmp/limited:$PATH LIBGUESTFS_HV=$tmp/limited/qemu-system-x86_64 \
    "$VMLIFT" inspect --json two.ova >found.json
[ "$(sort -u ran | xargs)" = 'nbdkit qemu-img qemu-system-x86_64' ] || fail "not limited: $(cat ran)"
[ -z "$(ls t)" ] || fail "left behind: $(ls t)"
# is WANTED FILTER
is() {
    [ "$(jq -r "$2" found.json)" = "$1" ] || fail "$2 is $(jq -r "$2" found.json), not $1"
}
is 'ova 2 mbr' '"\(.format) \(.disks | length) \(.disks[0].table)"'
is 'linux debian Debian GNU/Linux 12 (bookworm) x86_64 inside deb' \
    '.guest | "\(.os) \(.distro) \(.product) \(.architecture) \(.host_name) \(.packages)"'
is '/dev/sda1 ext4' '.guest | "\(.root) \(.root_type)"'
is 'uuid device label uuid network' '[.guest.fstab[].by] | join(" ")'
is 'false false false true false' '[.guest.fstab[].missing | tostring] | join(" ")'
is '/ /srv' '[.guest.usage[].dir] | join(" ")'
is '6.1.0-9-amd64 true true true' \
    '.guest.kernels[0] | "\(.version) \(.initramfs_read) \(.xen_pv) \(.xen_pvhvm)"'
is 'initramfs module built in absent module absent' '.guest.kernels[0].drivers | [.nvme, .ena,
    .["virtio-blk"], .["virtio-net"], .["xen-blkfront"], .["xen-netfront"]] | join(" ")'
is "UUID=$root uuid true" '.guest | "\(.kernel_root) \(.kernel_root_by) \(.serial_console)"'
is 'ens192 static 192.0.2.10/24' '.guest.network[0] | "\(.name) \(.address) \(.ip)"'
is 'true true true true' '.guest | "\(.predictable_names) \(.cloud_init) \(.ssh) \(.ssh_enabled)"'
is 'open-vm-tools' '[.guest.agents[].name] | join(" ")'
is 'machine-id,ssh host key' '[.guest.identity[].what] | join(",")'
is null .guest.encrypted

# --- an encrypted AMI is served as well; and an interruption: soon, and nothing is left

find_pid() { find t -name qemu.pid -size +0; }
echo 'a passphrase' >word
key=$("$VMLIFT" key create --passphrase-file word)
"$VMLIFT" import two.ova --name sealed --encrypt --key "$key" --passphrase-file word >/dev/null
"$VMLIFT" inspect sealed --passphrase-file word >out.txt 2>err.txt &
job=$!
for _ in {1..200}; do
    [ -z "$(find_pid)" ] || break
    sleep 0.1
done
[ -n "$(find_pid)" ] || fail "qemu did not start: $(cat err.txt)"
qemu=$(cat "$(find_pid)")
before=$(date +%s%N) status=0
kill -TERM $job
wait $job || status=$?
took=$((($(date +%s%N) - before) / 1000000))
[ $status -eq 130 ] || fail "status $status: $(cat err.txt)"
[ $took -lt 2000 ] || fail "it took $took ms to end"
[ -z "$(ls t)" ] || fail "left behind: $(ls t)"
! kill -0 "$qemu" 2>/dev/null || fail "qemu still runs"
