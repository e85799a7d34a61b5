#!/usr/bin/env bash
# check --target aws: what it finds in the system inside, which is full of what AWS does not take; and that a
# disk without anything, or a machine without libguestfs, is told about in no time.
. "$(dirname "$0")/../functions.sh"
requires sfdisk mkfs.ext4 nbdkit jq supermin qemu-system-x86_64
export PATH=$PATH:/usr/sbin:/sbin
plugin=${VMLIFT_BUILD:?names the build folder}/nbdkit-vmlift-plugin.so
if [ ! -f "$plugin" ] || ldd "$plugin" | grep -qE 'lib(asan|tsan|ubsan)'; then
    echo "skipped: nbdkit has no plugin that it can load" >&2
    exit 77
fi

mkdir -p tree/{bin,boot/grub,dev,etc,home,lib/modules/6.1.0-9-amd64,lib/udev/rules.d,proc,sbin,usr/bin}
cp /bin/true tree/bin/bash
cp /bin/true tree/bin/ls
cp /bin/true tree/usr/bin/VBoxService
printf 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n' >tree/etc/os-release
echo 12.5 >tree/etc/debian_version
printf '%s\n' '/dev/sda1 / ext4 defaults 0 1' '/dev/sda2 none swap sw 0 0' '/dev/sr0 /media auto noauto 0 0' \
    'share /srv vboxsf defaults 0 0' 'UUID=11111111-1111-1111-1111-111111111111 /data xfs defaults 0 2' \
    'nonsense' >tree/etc/fstab
echo 'secret /dev/sda3 none luks' >tree/etc/crypttab
: >tree/lib/udev/rules.d/80-net-setup-link.rules
: >tree/boot/vmlinuz-6.1.0-9-amd64
echo '# CONFIG_XEN is not set' >tree/boot/config-6.1.0-9-amd64
echo kernel/drivers/nvme/host/nvme.ko: >tree/lib/modules/6.1.0-9-amd64/modules.dep
echo 'linux /boot/vmlinuz-6.1.0-9-amd64 root=/dev/sda1 ro' >tree/boot/grub/grub.cfg
truncate -s 120M bad.raw
printf 'start=2048,size=100M,bootable\n' | sfdisk -q --label dos bad.raw
printf '\xfa\x31\xc0' | dd of=bad.raw conv=notrunc status=none # what passes for boot code
mkfs.ext4 -q -d tree -E offset=$((1 << 20)) bad.raw 100M

# --- nothing to be found: libguestfs is not started for it

truncate -s 1M blank.raw
expect 0 "" env PATH="$tmp" "$VMLIFT" check --target aws blank.raw
grep -qF 'blank.raw: aws: note: there is no system on the disk' stdout || fail "$(cat stdout)"
expect 0 "" env PATH="$tmp" "$VMLIFT" check --target aws bad.raw
grep -qF '(Debian: nbdkit) [target/guest-unread]' stdout || fail "$(cat stdout)"
expect 0 "" "$VMLIFT" check --no-guest --target aws bad.raw
! grep -qE 'guest|virtualization' stdout || fail "$(cat stdout)"

# --- all of it, out of a streamOptimized VMDK

"$VMLIFT" convert bad.raw bad.vmdk
expect 1 "" "$VMLIFT" check --target aws --json bad.vmdk
jq -r '.findings[] | "\(.level) \(.rule)"' stdout | sort >found.txt
sort >wanted.txt <<'TEXT'
fault target/encrypted
fault target/kernel-root
fault target/nvme
note target/agents
note target/cloud-init
note target/console
note target/interface-names
note target/virtualization
warning target/dhcp
warning target/ena
warning target/fstab
warning target/fstab-device
warning target/fstab-missing
warning target/fstab-type
warning target/initramfs
warning target/space
warning target/ssh
warning target/system-version
TEXT
diff wanted.txt found.txt || fail "other findings (>) than are to be expected (<)"
# finding RULE FILTER WANTED
finding() {
    local got
    got=$(jq -r --arg r "target/$1" '.findings[] | select(.rule == $r) | '"$2" stdout)
    grep -qF -- "$3" <<<"$got" || fail "$1: $got, not $3"
}
finding virtualization .text 'but not as paravirtual (its kernel has no CONFIG_XEN_PV)'
finding encrypted .says "Importing VMs with encrypted volumes isn't supported."
finding kernel-root .text 'root=/dev/sda1'
finding fstab-device .text '/dev/sda1 on / (line 1), /dev/sda2 on none (line 2), by names'
finding fstab-missing .text 'UUID=11111111-1111-1111-1111-111111111111 on /data (line 5)'
finding fstab-type .text 'share on /srv (line 4)'
finding fstab .text 'nonsense on nothing (line 6)'
finding agents .text 'VirtualBox Guest Additions'
# what prep mends comes last, with one command
[ "$(jq -r '[.findings[].mend | values] | unique | join(",")' stdout)" = 'vmlift prep bad.vmdk bad-ready.vmdk' ] ||
    fail "$(jq .findings stdout)"
jq -e '[.findings[].mend != null] | . == sort' stdout >/dev/null || fail "in another order"
