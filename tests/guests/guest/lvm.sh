# shellcheck shell=bash disable=SC2034,SC2154
# Debian 12 with its root in LVM, as its installer's guided choice makes it: /boot in a partition, a group
# with root and swap in the other.  LVM's own tools make the group; they need a device, so they run in
# libguestfs' appliance.
from=tree
uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b003
boot_uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1c003

table() {
    truncate -s 2G "$1"
    printf '%s\n' 'label: dos' 'label-id: 0x76420003' 'start=1MiB,size=255MiB,type=83,bootable' \
        'start=256MiB,type=8e' | sfdisk -q "$1"
    appliance "$1" <<'COMMANDS'
pvcreate /dev/sda2
vgcreate lvm-vg /dev/sda2
lvcreate root lvm-vg 1600
lvcreate swap_1 lvm-vg 64
mkswap /dev/lvm-vg/swap_1
COMMANDS
}
fill() {
    identity tree lvm
    without tree grub-efi-amd64-bin extlinux syslinux-common
    vmware_initramfs tree
    grub_modules tree i386-pc
    grub_files tree /dev/mapper/lvm--vg-root $boot_uuid msdos hd0,msdos1 ""
    sed -i 's|\([[:space:]]\)/boot/|\1/|' tree/boot/grub/grub.cfg # its paths begin in /boot's file system
    cat >tree/etc/fstab <<FSTAB
/dev/mapper/lvm--vg-root   / ext4 errors=remount-ro 0 1
UUID=$boot_uuid /boot ext4 defaults 0 2
/dev/mapper/lvm--vg-swap_1 none swap sw 0 0
FSTAB
    printf 'auto lo\niface lo inet loopback\n\nallow-hotplug ens192\niface ens192 inet dhcp\n' \
        >tree/etc/network/interfaces
    grub_mbr "$1" tree . '(hd0,msdos1)/grub'
    mv tree/boot boot
    mkdir tree/boot
    ext4 "$1" 1 255 $boot_uuid boot boot
    # the group's first volume begins with its first extent, behind 1 MiB of LVM's own
    ext4 "$1" 257 1600 $uuid root tree
}
