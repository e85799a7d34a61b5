#!/usr/bin/env bash
# prep: a machine of two disks, from an OVA into an OVA: what is changed in it, and that nothing else is; that
# a second run has nothing to do; and that an interruption leaves nothing behind.
. "$(dirname "$0")/../functions.sh"
requires sfdisk mkfs.ext4 debugfs mkfs.fat mcopy bsdtar nbdkit jq supermin qemu-system-x86_64 qemu-img python3
export PATH=$PATH:/usr/sbin:/sbin TMPDIR=$tmp/t MTOOLS_SKIP_CHECK=1
export LIBGUESTFS_CACHEDIR=${LIBGUESTFS_CACHEDIR:-/var/tmp}
mkdir t
requires_plugin

# --- a tree that libguestfs takes for a Debian, as it may have run on a VMware

root=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b0aa
data=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b0bb
v=6.1.0-9-amd64
mkdir -p tree/{boot/efi,boot/grub,dev,etc/default,etc/initramfs-tools,etc/network,etc/ssh,etc/systemd/system,proc,srv,sys,tmp} \
    tree/lib/modules/$v tree/lib/systemd/system tree/usr/{bin,lib,sbin} tree/var/lib/dpkg tree/bin
: >tree/var/lib/dpkg/status
cat >tree/etc/os-release <<'TEXT'
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
TEXT
echo 12.5 >tree/etc/debian_version
cat >tree/etc/fstab <<'TEXT'
# a comment that stays
/dev/sda2  /          ext4  errors=remount-ro  0 1
/dev/sda1  /boot/efi  vfat  umask=0077         0 1
/dev/sdb1  /srv       ext4  defaults           0 2
/dev/sdc1  /gone      ext4  defaults           0 2
TEXT
chmod 640 tree/etc/fstab
printf 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=-1\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n' >tree/etc/default/grub
cat >tree/boot/grub/grub.cfg <<TEXT
set default="0"
set timeout=-1
menuentry 'Debian' --class debian {
	linux	/boot/vmlinuz-$v root=/dev/sda2 ro quiet
	initrd	/boot/initrd.img-$v
}
TEXT
printf 'auto ens192\niface ens192 inet static\n  address 192.0.2.10/24\n' >tree/etc/network/interfaces
echo 0123456789abcdef0123456789abcdef >tree/etc/machine-id
echo secret >tree/etc/ssh/ssh_host_ed25519_key
printf '[Unit]\n' >tree/lib/systemd/system/open-vm-tools.service
: >tree/lib/systemd/systemd
: >tree/usr/bin/cloud-init

# a kernel whose initramfs has no nvme, and what makes another one, which needs a shell and cp
: >tree/boot/vmlinuz-$v
printf 'kernel/drivers/%s:\n' nvme/host/nvme.ko net/ethernet/amazon/ena/ena.ko >tree/lib/modules/$v/modules.dep
mkdir -p lacking/bin full/usr/lib/modules/$v/kernel
: >lacking/bin/busybox
: >full/usr/lib/modules/$v/kernel/nvme.ko
: >full/usr/lib/modules/$v/kernel/ena.ko
bsdtar --format newc -cf tree/boot/initrd.img-$v -C lacking .
bsdtar --format newc -cf tree/usr/lib/full.img -C full .
cat >tree/usr/sbin/update-initramfs <<'TEXT'
#!/bin/sh
[ "$1 $2" = "-u -k" ] && grep -q nvme /etc/initramfs-tools/modules && cp /usr/lib/full.img "/boot/initrd.img-$3"
TEXT
chmod 755 tree/usr/sbin/update-initramfs
for program in sh cp grep; do
    cp -L "/bin/$program" tree/bin/
    ldd "/bin/$program" | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "tree$(dirname "$library")"
        cp -nL "$library" "tree$library"
    done
done

# --- its disks: a GPT with an EFI system partition that no new machine would start, and one of data

truncate -s 128M one.raw
printf 'label: gpt\nsize=32M, type=uefi\ntype=linux\n' | sfdisk -q one.raw
mkfs.fat --offset 2048 one.raw 32768 >/dev/null 2>&1
mmd -i one.raw@@1M ::EFI ::EFI/debian
printf 'a loader' >loader
mcopy -i one.raw@@1M loader ::EFI/debian/grubx64.efi
mkfs.ext4 -q -U $root -d tree -E offset=$((33 << 20)) one.raw 94M
truncate -s 32M two.raw
echo 2048,,L | sfdisk -q two.raw
mkfs.ext4 -q -U $data -E offset=1048576 two.raw 30M
for disk in one two; do
    "$VMLIFT" convert -f raw $disk.raw $disk.vmdk
done
cat >vm.ovf <<'OVF'
<?xml version="1.0"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:r="r">
  <ovf:References>
    <ovf:File ovf:id="f1" ovf:href="one.vmdk"/>
    <ovf:File ovf:id="f2" ovf:href="two.vmdk"/>
  </ovf:References>
  <ovf:DiskSection>
    <ovf:Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="134217728"/>
    <ovf:Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="33554432"/>
  </ovf:DiskSection>
  <ovf:VirtualSystem ovf:id="web">
    <ovf:VirtualHardwareSection>
      <ovf:Item><r:ResourceType>3</r:ResourceType><r:VirtualQuantity>2</r:VirtualQuantity></ovf:Item>
    </ovf:VirtualHardwareSection>
  </ovf:VirtualSystem>
</ovf:Envelope>
OVF
tar -cf src.ova vm.ovf one.vmdk two.vmdk
sha256sum src.ova >src.sha256

# --- what is refused before anything starts

expect 2 usage/step "$VMLIFT" prep --only fstap src.ova out.ova
expect 2 usage/operands "$VMLIFT" prep src.ova
expect 4 package/one-disk "$VMLIFT" prep src.ova out.vmdk
: >there.ova
expect 6 output/exists "$VMLIFT" prep src.ova there.ova
expect 4 input/needs-file "$VMLIFT" prep - out.ova </dev/null

# --- the run

run "$VMLIFT" prep --reset src.ova out.ova | tee told.txt
sha256sum --quiet -c src.sha256 || fail "the source was touched"
[ -z "$(ls -A t)" ] || fail "left behind: $(ls -A t)"
for step in fstab root network console menu initramfs fallback agents ssh-host-keys machine-id; do
    grep -q "^$step:" told.txt || fail "not a word of $step"
done
"$VMLIFT" convert --disk 1 out.ova one-out.raw
"$VMLIFT" convert --disk 2 out.ova two-out.raw
"$VMLIFT" info --json out.ova | jq -e '.machine.name == "web" and .machine.cpus == 2' >/dev/null ||
    fail "the machine's description"

# file PATH: of the result's root, as e2fsprogs reads it
file() {
    debugfs -R "cat $1" "one-out.raw?offset=$((33 << 20))" 2>/dev/null
}
# has PATH PATTERN
has() {
    file "$1" | grep -qE -e "$2" || fail "$1 has no '$2': $(file "$1")"
}
e2fsck -fn "one-out.raw?offset=$((33 << 20))" >/dev/null 2>&1 || fail "the file system is not clean"
has /etc/fstab "^# a comment that stays$"
has /etc/fstab "^UUID=$root  / "
has /etc/fstab "^UUID=[0-9A-F]{4}-[0-9A-F]{4}  /boot/efi "
has /etc/fstab "^UUID=$data  /srv "
has /etc/fstab "^/dev/sdc1 .* defaults,nofail "
[ "$(file /etc/.fstab.vmlift-orig)" = "$(cat tree/etc/fstab)" ] || fail "the original is not kept"
debugfs -R "stat /etc/fstab" "one-out.raw?offset=$((33 << 20))" 2>/dev/null | grep -q 'Mode: *0640' ||
    fail "the mode of fstab"
has /boot/grub/grub.cfg "root=UUID=$root ro quiet net.ifnames=0 biosdevname=0 console=tty0 console=ttyS0,115200n8$"
has /boot/grub/grub.cfg "^set timeout=5$"
has /etc/default/grub '^GRUB_CMDLINE_LINUX="net.ifnames=0 .*console=ttyS0'
[ "$(file /etc/network/interfaces)" = $'auto eth0\niface eth0 inet dhcp' ] || fail "interfaces"
has /etc/initramfs-tools/modules '^nvme$'
debugfs -R "dump /boot/initrd.img-$v initrd" "one-out.raw?offset=$((33 << 20))" 2>/dev/null
same initrd tree/usr/lib/full.img
mcopy -i one-out.raw@@1M ::EFI/BOOT/BOOTX64.EFI got
same got loader
debugfs -R "stat /etc/systemd/system/open-vm-tools.service" "one-out.raw?offset=$((33 << 20))" 2>/dev/null |
    grep -q 'Fast link dest: "/dev/null"' || fail "open-vm-tools is not masked"
[ -z "$(file /etc/machine-id)" ] || fail "machine-id stays"
! file /etc/ssh/ssh_host_ed25519_key | grep -q secret || fail "a host key stays"
! grep -qa '^secret$' one-out.raw || echo "(the key's old blocks are still in free space)" >&2

# --- a second run has nothing to do, and writes nothing

run "$VMLIFT" prep --dry-run --reset --json out.ova >again.json
jq -e '.changes == [] and .dry_run' again.json >/dev/null || fail "again: $(cat again.json)"

# --- an interruption

cat >interrupt.py <<'EOF2'
import glob, os, signal, subprocess, sys, time

child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
for i in range(600):  # until the appliance runs
    if glob.glob(os.environ["TMPDIR"] + "/*/qemu.pid"):
        break
    time.sleep(0.1)
time.sleep(2)
start = time.monotonic()
child.send_signal(signal.SIGINT)
status = child.wait(timeout=60)
took = time.monotonic() - start
print("interrupted:", status, "%.2f s" % took, child.stderr.read().decode().strip())
if status != 130:
    sys.exit("status %d" % status)
EOF2
python3 interrupt.py "$VMLIFT" prep src.ova none.ova
[ ! -e none.ova ] || fail "an output is left"
[ -z "$(ls -A t)" ] || fail "left behind: $(ls -A t)"
for pid in /proc/[0-9]*; do
    ! tr '\0' ' ' 2>/dev/null <"$pid/cmdline" | grep -qF "$tmp/t/" || fail "still there: $(tr '\0' ' ' <"$pid/cmdline")"
done
