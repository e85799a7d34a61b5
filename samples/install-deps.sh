#!/usr/bin/env bash
# Installs what vmlift needs on Debian 12, from the Debian archive.
#
#   samples/install-deps.sh            to build it
#   samples/install-deps.sh --vm       also to make the sample machine (make-vm.sh)
#   samples/install-deps.sh --tests    also what the tests compare with
#   samples/install-deps.sh --bench    also what the benchmarks compare with (tests/bench)
#
# Does nothing, quickly, when everything is there.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

packages="cmake ninja-build gcc pkg-config libarchive-dev zlib1g-dev libzstd-dev libdeflate-dev
    libisal-dev libxxhash-dev libssl-dev libsqlite3-dev libxml2-dev libjansson-dev libblkid-dev
    nbdkit-plugin-dev libcurl4-openssl-dev libguestfs-dev libmicrohttpd-dev"
vm="mmdebstrap debian-archive-keyring fakeroot uidmap grub-pc-bin grub-common fdisk e2fsprogs"
# libguestfs builds its appliance from an installed kernel.
tests="qemu-utils qemu-system-x86 libguestfs-tools linux-image-amd64 7zip libvmdk-utils
    libvhdi-utils virt-v2v libarchive-tools libxml2-utils nbdkit libnbd-bin strace xfsprogs gdisk
    mtools dosfstools bindfs jq g++ python3 python3-botocore python3-boto3 awscli sqlite3 time
    lvm2 syslinux btrfs-progs jfsutils ntfs-3g squashfs-tools genisoimage cryptsetup-bin
    systemd-boot-efi grub-efi-amd64-bin ovmf extlinux libwin-hivex-perl
    radosgw ceph-mon ceph-osd
    clang-format clang-tidy shellcheck"
bench="qemu-utils borgbackup restic casync openssl python3 time valgrind strace"
case ${1-} in
"") ;;
--vm) packages+=" $vm" ;;
--tests) packages+=" $vm $tests" ;;
--bench) packages+=" $vm $bench" ;;
*)
    echo "usage: $0 [--vm|--tests|--bench]" >&2
    exit 2
    ;;
esac

missing=()
for p in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo --preserve-env=DEBIAN_FRONTEND)
echo "installing: ${missing[*]}"
"${sudo[@]}" apt-get -q update
# Nothing that is installed is to be started: the tests start what they need by themselves.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    trap '"${sudo[@]}" rm -f "$policy"' EXIT
fi
"${sudo[@]}" apt-get -q -y install --no-install-recommends "${missing[@]}"
