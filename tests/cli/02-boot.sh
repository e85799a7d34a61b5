#!/usr/bin/env bash
# What an image is for: each exported form of the machine starts, up to the login on its serial console.
# By emulation, never KVM; the disks are not written to.
. "$(dirname "$0")/../functions.sh"
requires mmdebstrap fakeroot grub-mkimage mke2fs sfdisk qemu-system-x86_64

vm=$("$root/samples/make-vm.sh")
export VMLIFT_STORE=$tmp/store
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; wait; rm -rf "$tmp"' EXIT

# boots FORMAT FILE
boots() {
    local start=$SECONDS
    : >serial
    qemu-system-x86_64 -accel tcg -m 512 -display none -monitor none -nic none -no-reboot -snapshot \
        -serial file:serial -drive "file=$2,format=$1" &
    qemu=$!
    while ! grep -q 'web-01 login:' serial; do
        if ! kill -0 $qemu 2>/dev/null || [ $((SECONDS - start)) -gt 240 ]; then
            cat serial >&2
            fail "$2: no login after $((SECONDS - start)) s"
        fi
        sleep 0.5
    done
    kill $qemu
    wait $qemu || true
    qemu=
    echo "$2: login after $((SECONDS - start)) s"
}

ami=$("$VMLIFT" import "$vm" --name web-01)
for disk in raw:vm.raw vmdk:vm.vmdk vpc:vm.vhd; do
    run "$VMLIFT" export "$ami" "${disk#*:}"
    boots "${disk%:*}" "${disk#*:}"
    rm "${disk#*:}"
done
