#!/usr/bin/env bash
# The files that the Linux guests begin with: Debian 12 as it runs on a VMware machine, with its kernel,
# both GRUBs, extlinux and LVM.  mmdebstrap's hooks:
#
#   tree.sh early|late TREE
#
# What differs between the guests is left open: /boot/grub/grub.cfg and /etc/default/grub have @ROOT@,
# @UUID@, @PARTMAP@, @HINT@ and @CMDLINE@, and beside the initramfs with all modules, which Debian makes,
# there is one with those of VMware's disks only, as an installer's "targeted" choice leaves it.
set -euo pipefail

tree=$2
early() {
    mkdir -p "$tree/etc/default"
    cat >"$tree/etc/default/grub" <<'CFG'
GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="@CMDLINE@"
GRUB_TERMINAL=console
CFG
}

# update-grub asks grub-probe about the devices that it runs on.  Here it gets what is left open.
make_grub_cfg() {
    local probe=$tree/usr/sbin/grub-probe
    mv "$probe" "$probe.real"
    cat >"$probe" <<'PROBE'
#!/bin/sh
for word; do
    case $word in
    --target=device) echo @ROOT@ && exit ;;
    --target=fs_uuid) echo @UUID@ && exit ;;
    --target=partmap) echo @PARTMAP@ && exit ;;
    --target=compatibility_hint) echo @HINT@ && exit ;;
    --target=abstraction | abstraction | --target=hints_string) exit ;;
    drive) echo "(@HINT@)" && exit ;;
    --target=fs | fs) echo ext2 && exit ;;
    esac
done
exit 1
PROBE
    chmod 755 "$probe"
    mkdir -p "$tree/boot/grub"
    chroot "$tree" grub-mkconfig -o /boot/grub/grub.cfg
    mv "$probe.real" "$probe"
    grep -q 'linux.*root=@ROOT@' "$tree/boot/grub/grub.cfg"
    grep -q 'insmod part_@PARTMAP@' "$tree/boot/grub/grub.cfg"
    grep -q 'search .*@UUID@' "$tree/boot/grub/grub.cfg"
}

late() {
    local unit version conf=$tree/etc/initramfs-tools
    version=$(ls "$tree/lib/modules")
    make_grub_cfg
    mkdir "$tree/guest"
    cp -a "$conf" "$tree/guest/initramfs-tools"
    sed -i 's/^MODULES=.*/MODULES=list/' "$tree/guest/initramfs-tools/initramfs.conf"
    printf '%s\n' vmw_pvscsi mptspi ahci ata_piix sd_mod ext4 crc32c_generic \
        >>"$tree/guest/initramfs-tools/modules"
    chroot "$tree" mkinitramfs -d /guest/initramfs-tools -o /guest/initrd.img "$version"
    # Under emulation these are most of the time to the login.
    mkdir -p "$tree/etc/systemd/system"
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer systemd-timesyncd.service systemd-binfmt.service \
        systemd-pstore.service sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount; do
        ln -sf /dev/null "$tree/etc/systemd/system/$unit"
    done
    # the login prompt says the address: what a guest's network came to is seen on its console
    printf 'Debian GNU/Linux 12 \\n \\l\naddress: \\4\n\n' >"$tree/etc/issue"
    rm -f "$tree/etc/apt/apt.conf.d/99mmdebstrap" "$tree/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$tree"/var/cache/apt/*.bin \
        "$tree"/var/lib/apt/lists/*_* "$tree"/var/cache/apt/archives/*.deb
}

"$1"
