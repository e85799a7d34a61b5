# shellcheck shell=bash disable=SC2034,SC2154
# Debian 12 set up by hand, years ago: its kernel command line and fstab are full of /dev/sdX, of shares and
# of a disk that stayed behind; its address is written down.  It has all modules, so all that it misses
# where disks are NVMe is their names.
from=tree
uuid=0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1b004

table() {
    truncate -s 2G "$1"
    printf '%s\n' 'label: dos' 'label-id: 0x76420004' 'start=1MiB,size=1799MiB,type=83,bootable' \
        'start=1800MiB,type=5' 'start=1801MiB,size=64MiB,type=82' 'start=1866MiB,size=64MiB,type=83' |
        sfdisk -q "$1"
}
fill() {
    identity tree names
    without tree grub-efi-amd64-bin extlinux syslinux-common
    grub_modules tree i386-pc
    grub_files tree /dev/sda1 $uuid msdos hd0,msdos1 "net.ifnames=1 console=tty0 console=ttyS0,115200"
    echo GRUB_DISABLE_LINUX_UUID=true >>tree/etc/default/grub
    cat >tree/etc/fstab <<'FSTAB'
# <file system> <mount point> <type> <options> <dump> <pass>
/dev/sda1  /             ext4         errors=remount-ro  0 1
/dev/sda5  none          swap         sw                 0 0
/dev/sda6  /home         ext4         defaults,nodev     0 2
/dev/sdb1  /srv/data     ext4         defaults           0 2
/dev/sr0   /media/cdrom0 udf,iso9660  user,noauto        0 0
/dev/fd0   /media/floppy auto         rw,user,noauto     0 0
//files.example.com/share /srv/share cifs credentials=/root/.share 0 0
tmpfs      /tmp          tmpfs        nosuid,nodev       0 0
FSTAB
    mkdir -p tree/srv/data tree/srv/share tree/media/cdrom0 tree/media/floppy
    cat >tree/etc/network/interfaces <<'INTERFACES'
auto lo
iface lo inet loopback

auto ens192
iface ens192 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
INTERFACES
    grub_mbr "$1" tree . '(hd0,msdos1)/boot/grub'
    ext4 "$1" 1 1799 $uuid root tree
    truncate -s 64M swap
    mkswap -q -U 0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1c004 swap
    dd if=swap of="$1" bs=1M seek=1801 conv=notrunc,sparse status=none
    mkdir -p home/user
    ext4 "$1" 1866 64 0b6ac7f4-36dc-4b57-9d2e-7c9c3ad1d004 home home
}
