#!/usr/bin/env bash
# Makes a small but real virtual machine: Debian 12 on an 8 GiB disk with an MBR, GRUB and one ext4
# partition, that starts under a BIOS and asks for a login on its serial console.  Packages come from
# the Debian archive that this machine's apt is set up for.  Needs neither root nor loop devices.
#
#   samples/make-vm.sh [OUT.raw]
#
# The disk is made once for each version of this script and of debian.sh, and kept in VMLIFT_VM_CACHE
# (build/vm); OUT gets a sparse copy.  Without OUT the kept file's path is printed.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
PATH=$PATH:/usr/sbin:/sbin
here=$(dirname "$(realpath "$0")")
# shellcheck source=samples/debian.sh
. "$here/debian.sh"
cache=${VMLIFT_VM_CACHE:-$here/../build/vm}
suite=bookworm
uuid=5d6c1f0a-7a40-4b0e-9c57-0f2b8d1e5a01 # of the root file system
packages=linux-image-amd64,systemd-sysv,udev,dbus,initramfs-tools,login,passwd,e2fsprogs
packages+=,iproute2,less,nano,perl,python3-minimal,curl,ca-certificates

say() {
    echo "make-vm: $*" >&2
}

# What makes a file tree into the machine: runs as mmdebstrap's hooks, $1 is the tree.
write_early() {
    # A short list of modules: with all of them the loader takes a minute under emulation.
    mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/hooks"
    echo "MODULES=list" >"$1/etc/initramfs-tools/conf.d/vm"
    cat >"$1/usr/share/initramfs-tools/hooks/vm" <<'HOOK'
#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
for m in ata_piix ahci sd_mod virtio_blk virtio_pci virtio_scsi nvme ext4 crc32c_generic; do
    force_load $m
done
HOOK
    chmod 755 "$1/usr/share/initramfs-tools/hooks/vm"
}
write_late() {
    local unit
    echo web-01 >"$1/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 web-01\n' >"$1/etc/hosts"
    printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' $uuid >"$1/etc/fstab"
    echo web-01 | md5sum | cut -c1-32 >"$1/etc/machine-id"
    rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"
    # Nothing here needs these, and under emulation they are most of the time to the login.
    mkdir -p "$1/etc/systemd/system"
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer systemd-timesyncd.service systemd-networkd.service \
        systemd-binfmt.service systemd-pstore.service sys-kernel-debug.mount \
        sys-kernel-tracing.mount dev-hugepages.mount; do
        ln -sf /dev/null "$1/etc/systemd/system/$unit"
    done
    mkdir -p "$1/boot/grub"
    cat >"$1/boot/grub/grub.cfg" <<CFG
set timeout=0
menuentry "Debian GNU/Linux" {
    linux /vmlinuz root=UUID=$uuid ro quiet console=tty0 console=ttyS0,115200
    initrd /initrd.img
}
CFG
    rm -f "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*_* "$1"/var/cache/apt/archives/*.deb
}

# $1 the tree as tar, $2 the disk to make, $3 a folder for scratch; under fakeroot unless root.
write_disk() {
    local grub=/usr/lib/grub/i386-pc
    mkdir "$3/tree"
    tar -xf "$1" -C "$3/tree" --numeric-owner
    truncate -s 8G "$2"
    printf 'label: dos\nlabel-id: 0x57454230\nstart=2048, type=83, bootable\n' | sfdisk -q "$2"
    # GRUB 2.06 reads neither of the two features that are switched off.
    E2FSPROGS_FAKE_TIME=1700000000 mke2fs -q -t ext4 -U $uuid -L web-01-root -m 1 \
        -O ^metadata_csum_seed,^orphan_file -E "offset=1048576,hash_seed=$uuid,root_owner=0:0" \
        -d "$3/tree" "$2" $((8 * 1024 * 1024 - 1024))k
    # What grub-install would do, without a device: boot.img loads sector 1, whose block list
    # (written by grub-mkimage) loads the rest of core.img from sector 2 on.
    grub-mkimage -O i386-pc -d $grub -p '(hd0,msdos1)/boot/grub' -o "$3/core.img" \
        biosdisk part_msdos ext2 linux normal configfile
    [ "$(stat -c %s "$3/core.img")" -le $((2047 * 512)) ]
    dd if="$3/core.img" of="$2" bs=512 seek=1 conv=notrunc status=none
    dd if=$grub/boot.img of="$2" bs=440 count=1 conv=notrunc status=none
}

# mmdebstrap and fakeroot call this script again for the steps above.
case ${1-} in
--hook-early) write_early "$2" && exit ;;
--hook-late) write_late "$2" && exit ;;
--disk) write_disk "$2" "$3" "$4" && exit ;;
esac

mkdir -p "$cache"
cache=$(realpath "$cache")
exec 9>"$cache/lock"
flock 9 # two at once would make it twice
recipe=$(cat "$0" "$here/debian.sh" | sha256sum | cut -c1-64)
if [ ! -f "$cache/vm.raw" ] || [ "$(cat "$cache/vm.recipe" 2>/dev/null)" != "$recipe" ]; then
    tmp=$(mktemp -d "$cache/making.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    say "installing Debian packages"
    install_debian $suite "$tmp/tree.tar" --include=$packages \
        --setup-hook="$(realpath "$0") --hook-early \"\$1\"" \
        --customize-hook="$(realpath "$0") --hook-late \"\$1\""
    say "writing the disk"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(fakeroot)
    "${as_root[@]}" "$0" --disk "$tmp/tree.tar" "$tmp/vm.raw" "$tmp"
    sync "$tmp/vm.raw"
    rm -f "$cache/vm.recipe"
    mv "$tmp/vm.raw" "$cache/vm.raw"
    echo "$recipe" >"$cache/vm.recipe"
fi
if [ $# -ge 1 ]; then
    cp --sparse=always "$cache/vm.raw" "$1.part"
    mv "$1.part" "$1"
else
    echo "$cache/vm.raw"
fi
