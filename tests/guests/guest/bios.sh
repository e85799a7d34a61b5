# shellcheck shell=bash disable=SC2034,SC2154
# Debian 12 with GRUB in an MBR and one ext4, as it comes from VMware: its initramfs has VMware's disks
# only, its network waits for a ens192, its console is the screen.
from=tree
uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b001

table() {
    truncate -s 2G "$1"
    printf 'label: dos\nlabel-id: 0x76420001\nstart=2048,type=83,bootable\n' | sfdisk -q "$1"
}
fill() {
    identity tree bios
    without tree grub-efi-amd64-bin extlinux syslinux-common
    vmware_initramfs tree
    grub_modules tree i386-pc
    grub_files tree UUID=$uuid $uuid msdos hd0,msdos1 ""
    printf 'UUID=%s / ext4 errors=remount-ro 0 1\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n' \
        $uuid >tree/etc/fstab
    printf 'auto lo\niface lo inet loopback\n\nallow-hotplug ens192\niface ens192 inet dhcp\n' \
        >tree/etc/network/interfaces
    grub_mbr "$1" tree . '(hd0,msdos1)/boot/grub'
    ext4 "$1" 1 2047 $uuid root tree
}
