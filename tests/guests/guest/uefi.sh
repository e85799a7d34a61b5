# shellcheck shell=bash disable=SC2034,SC2154
# Debian 12 with GRUB on an EFI system partition, as its installer leaves it: firmware was told of
# EFI/debian/grubx64.efi, and a machine that was not told finds no EFI/BOOT/BOOTX64.EFI.
from=tree
uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b002

table() {
    truncate -s 2G "$1"
    printf '%s\n' 'label: gpt' 'label-id: 0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1c002' 'first-lba: 2048' \
        'size=64M,type=U,uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1d002' \
        'type=L,uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1e002' | sfdisk -q "$1"
}
fill() {
    identity tree uefi
    without tree grub-pc-bin extlinux syslinux-common
    grub_modules tree x86_64-efi
    grub_files tree UUID=$uuid $uuid gpt hd0,gpt2 "console=tty0 console=ttyS0,115200"
    printf 'UUID=%s / ext4 errors=remount-ro 0 1\nUUID=7E1D-0002 /boot/efi vfat umask=0077 0 1\n' \
        $uuid >tree/etc/fstab
    mkdir -p tree/boot/efi
    printf 'auto lo\niface lo inet loopback\n' >tree/etc/network/interfaces
    printf '[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\n' >tree/etc/systemd/network/20-wired.network
    ln -s /lib/systemd/system/systemd-networkd.service \
        tree/etc/systemd/system/multi-user.target.wants/systemd-networkd.service
    # what grub-install makes; its loader finds the root by UUID
    # shellcheck disable=SC2016 # the $ is GRUB's
    printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\n' $uuid >load.cfg
    grub-mkimage -O x86_64-efi -d tree/usr/lib/grub/x86_64-efi -c load.cfg -p /boot/grub -o grubx64.efi \
        part_gpt ext2 search_fs_uuid
    mkfs.fat -F 32 -s 1 -i 7E1D0002 --offset 2048 "$1" $((64 << 10)) >/dev/null 2>&1
    MTOOLS_SKIP_CHECK=1 mmd -i "$1@@1M" ::EFI ::EFI/debian
    MTOOLS_SKIP_CHECK=1 mcopy -i "$1@@1M" grubx64.efi ::EFI/debian/grubx64.efi
    ext4 "$1" 65 1982 $uuid root tree
}
