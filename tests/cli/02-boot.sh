#!/usr/bin/env bash
# What an image is for: the exported machine starts, up to the login on its serial console.  01 proves that
# other programs read the same bytes from each format, so one of them is enough; VMLIFT_BOOT=all takes all.
. "$(dirname "$0")/../functions.sh"
# shellcheck source=tests/machine.sh
. "$tests/machine.sh"
requires mmdebstrap fakeroot grub-mkimage mke2fs sfdisk qemu-system-x86_64

vm=$("$root/samples/make-vm.sh")
export VMLIFT_STORE=$tmp/store

ami=$("$VMLIFT" import "$vm" --name web-01)
disks=(vpc:vm.vhd)
[ "${VMLIFT_BOOT-}" != all ] || disks+=(raw:vm.raw vmdk:vm.vmdk)
for disk in "${disks[@]}"; do
    run "$VMLIFT" export "$ami" "${disk#*:}"
    machine_says 240 'web-01 login:' -m 512 -nic none -drive "file=${disk#*:},format=${disk%:*}" || {
        cat serial >&2
        fail "$disk: no login"
    }
    rm "${disk#*:}"
done
