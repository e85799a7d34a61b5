#!/usr/bin/env bash
# A BIOS guest whose fstab and kernel line are full of /dev/sdX and whose address is written down, and with
# VMLIFT_BOOT=all an UEFI guest that new firmware does not find, each prepared, imported, exported and
# started as EC2 would.  tests/guests/run.sh is the long form, with all of them.
. "$(dirname "$0")/../functions.sh"
# shellcheck source=tests/machine.sh
. "$tests/machine.sh"
# shellcheck source=tests/guests/prove.sh
. "$tests/guests/prove.sh"
requires mmdebstrap fakeroot grub-mkimage mke2fs mkfs.fat mcopy sfdisk mkswap guestfish jq qemu-system-x86_64
[ -f /usr/share/OVMF/OVMF_CODE_4M.fd ] || {
    echo "skipped: ovmf is not installed" >&2
    exit 77
}
export VMLIFT_STORE=$tmp/store

proof names
[ "${VMLIFT_BOOT-}" != all ] || proof uefi
