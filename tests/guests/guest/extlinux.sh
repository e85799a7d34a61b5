# shellcheck shell=bash disable=SC2034,SC2154
# A small Debian 12 that extlinux starts, by label.  extlinux wants its file system mounted: that is done
# in libguestfs' appliance.
from=tree
uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b005

table() {
    truncate -s 1536M "$1"
    printf 'label: dos\nlabel-id: 0x76420005\nstart=2048,type=83,bootable\n' | sfdisk -q "$1"
}
fill() {
    identity tree extlinux
    without tree open-vm-tools grub-efi-amd64-bin grub-pc-bin grub2-common grub-common
    rm -rf tree/boot/grub tree/etc/default/grub
    find tree/etc/systemd/system \( -name 'open-vm-tools*' -o -name 'vmtoolsd*' -o -name 'vgauth*' \) -delete
    vmware_initramfs tree
    mkdir tree/boot/extlinux
    cat >tree/boot/extlinux/extlinux.conf <<CFG
DEFAULT linux
TIMEOUT 10
LABEL linux
    LINUX ../$(basename tree/boot/vmlinuz-*)
    INITRD ../$(basename tree/boot/initrd.img-*)
    APPEND root=LABEL=small ro quiet
CFG
    printf 'LABEL=small / ext4 errors=remount-ro 0 1\n' >tree/etc/fstab
    printf 'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n' >tree/etc/network/interfaces
    # extlinux 6.04 does not read 64-bit file systems
    ext4 "$1" 1 1535 $uuid small tree ^64bit,^metadata_csum
}
finish() {
    appliance "$1" <<'COMMANDS'
mount /dev/sda1 /
extlinux /boot/extlinux
copy-file-to-device /usr/lib/EXTLINUX/mbr.bin /dev/sda size:440
COMMANDS
}
