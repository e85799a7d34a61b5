# shellcheck shell=bash
# What the scripts of the Linux guests share.  Places and sizes are in MiB.

# identity TREE NAME
identity() {
    echo "$2" >"$1/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$2" >"$1/etc/hosts"
    echo "$2" | md5sum | cut -c1-32 >"$1/etc/machine-id"
}

# without TREE PACKAGE...: as if they had never been installed
without() {
    local tree=$1 package file
    shift
    for package; do
        while IFS= read -r file; do
            # /lib is a link to a folder, and everybody's
            if [ ! -d "$tree$file" ]; then rm -f "$tree$file"; fi
        done <"$tree/var/lib/dpkg/info/$package.list"
        rm "$tree/var/lib/dpkg/info/$package".*
        awk -v "package=$package" 'BEGIN { RS = ""; ORS = "\n\n" } $0 !~ "^Package: " package "\n"' \
            "$tree/var/lib/dpkg/status" >"$tree/var/lib/dpkg/status.new"
        mv "$tree/var/lib/dpkg/status.new" "$tree/var/lib/dpkg/status"
    done
}

# vmware_initramfs TREE: only what a disk on VMware needs
vmware_initramfs() {
    rm -r "$1/etc/initramfs-tools"
    mv "$1/guest/initramfs-tools" "$1/etc/initramfs-tools"
    mv "$1/guest/initrd.img" "$1"/boot/initrd.img-*
}

# grub_files TREE ROOT UUID PARTMAP HINT CMDLINE: what GRUB reads; UUID is that of /boot's file system
grub_files() {
    sed -i "s|@ROOT@|$2|g; s|@UUID@|$3|g; s|@PARTMAP@|$4|g; s|@HINT@|$5|g; s|@CMDLINE@|$6|g; s| *\$||" \
        "$1/boot/grub/grub.cfg" "$1/etc/default/grub"
    chmod 644 "$1/boot/grub/grub.cfg"
}

# grub_modules TREE PLATFORM: as grub-install leaves them
grub_modules() {
    mkdir -p "$1/boot/grub/$2"
    cp "$1/usr/lib/grub/$2"/*.mod "$1/usr/lib/grub/$2"/*.lst "$1/boot/grub/$2"
}

# grub_mbr OUT TREE TMP PREFIX: what grub-install would do, without a device: boot.img loads sector 1, whose
# block list (written by grub-mkimage) loads the rest of core.img from sector 2 on.
grub_mbr() {
    local grub=$2/usr/lib/grub/i386-pc
    grub-mkimage -O i386-pc -d "$grub" -p "$4" -o "$3/core.img" biosdisk part_msdos ext2
    [ "$(stat -c %s "$3/core.img")" -le $((2047 * 512)) ]
    dd if="$3/core.img" of="$1" bs=512 seek=1 conv=notrunc status=none
    dd if="$grub/boot.img" of="$1" bs=440 count=1 conv=notrunc status=none
}

# ext4 OUT START SIZE UUID LABEL FOLDER [FEATURES]: GRUB 2.06 reads neither of the two features that are
# switched off.
ext4() {
    mke2fs -q -t ext4 -U "$4" -L "$5" -m 1 -O "^metadata_csum_seed,^orphan_file${7+,$7}" \
        -E "offset=$(($2 << 20)),hash_seed=$4,root_owner=0:0" -d "$6" "$1" "$3M"
}
