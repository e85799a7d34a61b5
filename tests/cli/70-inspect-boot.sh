#!/usr/bin/env bash
# inspect --boot: what it says of disks that other people's tools made, in any format and in the store, and
# that it reads little of them.
. "$(dirname "$0")/../functions.sh"
requires sfdisk mkfs.fat mkfs.ext4 mcopy jq qemu-img strace tar
export PATH=$PATH:/usr/sbin:/sbin VMLIFT_STORE=$tmp/store

# boot FILTER OPERAND...: what jq finds in the answer
boot() {
    local filter=$1
    shift
    "$VMLIFT" inspect --boot --json "$@" | jq -r "$filter"
}
# is WANTED GOT
is() {
    [ "$2" = "$1" ] || fail "got '$2', not '$1'"
}

# --- a disk that firmware of either kind starts, with a Debian-like tree in ext4

mkdir -p tree/boot/grub tree/etc tree/sbin tree/lib/systemd
echo 'UUID=x / ext4 defaults 0 1' >tree/etc/fstab
echo '    linux /boot/vmlinuz root=UUID=6f1b6dd5-8c23-4d84-a2a5-9d6bbf0ba0d1 ro' >tree/boot/grub/grub.cfg
cp /bin/true tree/lib/systemd/systemd
ln -s ../lib/systemd/systemd tree/sbin/init
truncate -s 200M both.raw
printf 'label: gpt\nsize=1M,type=21686148-6449-6E6F-744E-656564454649\nsize=64M,type=U\nname=root\n' |
    sfdisk -q both.raw
make_esp both.raw 2 64
mkfs.ext4 -q -L root -U 6f1b6dd5-8c23-4d84-a2a5-9d6bbf0ba0d1 -d tree -E offset=$((66 << 20)) both.raw 128M
printf '\x80' | dd of=both.raw bs=1 seek=446 conv=notrunc status=none
printf '\xfa\x31\xc0' | dd of=both.raw conv=notrunc status=none
"$VMLIFT" inspect --boot both.raw >text
grep -qx 'boot mode:     uefi-preferred' text || fail "$(cat text)"
grep -q '^  3 .* Linux  *ext4  *root$' text || fail "$(cat text)"
is 'uefi-preferred gpt 3 vfat ext4 root' "$(boot \
    '"\(.boot_mode) \(.table) \(.partitions | length) \(.partitions[1].content) \(.partitions[2].content)
      \(.partitions[2].label)" | gsub("\\s+"; " ")' both.raw)"
is '3 it has /etc/fstab' "$(boot '"\(.root.partition) \(.root.reason)"' both.raw)"
is UUID=6f1b6dd5-8c23-4d84-a2a5-9d6bbf0ba0d1 "$(boot .kernel_root both.raw)"
is '[]' "$(boot '.notes | tostring' both.raw)"
case $(uname -m) in x86_64) is x86_64 "$(boot .architecture both.raw)" ;; esac
whole=$(boot 'del(.path, .format)' both.raw)
for format in vmdk:monolithicSparse vmdk:streamOptimized vhd:dynamic vhd:fixed; do
    "$VMLIFT" convert both.raw "both.${format%:*}" -o "subformat=${format#*:}"
    is "$whole" "$(boot 'del(.path, .format)' "both.${format%:*}")"
    rm "both.${format%:*}"
done
qemu-img convert -O qcow2 -c both.raw both.qcow2
is "$whole" "$(boot 'del(.path, .format)' both.qcow2)"
"$VMLIFT" convert both.raw both.ova
is "$whole" "$(boot '.disks[0] | del(.format, .file)' both.ova)"
is "ova disk1" "$(boot '"\(.format) \(.disks[0].file | gsub(".*(?<d>disk1).*"; "\(.d)"))"' both.ova)"

# --- an OVA is looked into where it lies: nothing is written

trace -e trace=openat "$VMLIFT" inspect --boot both.ova >/dev/null
! grep -E 'O_(WRONLY|RDWR|TMPFILE)' trace | grep -v /dev/ || fail "something is opened for writing"

# --- the store: by ID, by name, of the snapshot; each as of the file

ami=$("$VMLIFT" import both.raw --name both)
snap=$("$VMLIFT" image show both --json | jq -r '.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId')
is uefi-preferred "$("$VMLIFT" image show both --json | jq -r '.Images[0].BootMode')"
is "$whole" "$(boot 'del(.path, .format)' "$snap")"
is "$whole" "$(boot '.disks[0] | del(.device, .format)' both)"
is '/dev/sda1 ami' "$(boot '"\(.disks[0].device) \(.format)"' "$ami")"
piped=$("$VMLIFT" import - --name piped -f raw < <(cat both.raw))
is uefi-preferred "$("$VMLIFT" image show "$piped" --json | jq -r '.Images[0].BootMode')"
"$VMLIFT" import --encrypt both.raw --name sealed >/dev/null
is uefi-preferred "$(boot '.disks[0].boot_mode' sealed)"
truncate -s 1M both # a file goes before the store's word
is 'blank at both ends' "$(boot .reason both)"
rm both
expect 6 io/not-found "$VMLIFT" inspect --boot nothing
expect 6 InvalidAMIID.NotFound "$VMLIFT" inspect --boot ami-01234567890abcdef
expect 6 snapshot/not-found "$VMLIFT" inspect --boot snap-01234567890abcdef
expect 6 snapshot/not-found "$VMLIFT" inspect --boot --account 000000000001 "$snap"

# --- at most 4 MiB are read

reads_few both.raw 65536
# 128 partitions, each with a file system that says that there is much to look at
truncate -s 600M many.raw
{ echo 'label: gpt' && for i in {1..128}; do echo 'size=4M,type=L'; done; } | sfdisk -q many.raw
mkfs.ext4 -q -b 1024 -d tree one.ext4 4M
for i in {0..127}; do
    dd if=one.ext4 of=many.raw bs=1M seek=$((1 + 4 * i)) conv=notrunc,sparse status=none
done
reads_few many.raw $((1 << 20))
boot '.notes[].slug' many.raw | grep -qx boot/partitions-many || fail "that something is left out is not told"
rm many.raw
truncate -s 4M crowd.raw
{ echo 'label: gpt' && echo 'table-length: 1024' && for i in {1..400}; do echo "start=$((4000 + 8 * i)), size=8"; done; } |
    sfdisk -q crowd.raw
[ "$(boot '.notes[].text' crowd.raw | grep -c 'more than 256')" -eq 1 ] || fail "told more than once, or not at all"

# --- real loaders, where they are installed

boot_dir=/usr/lib/systemd/boot/efi monolithic=/usr/lib/grub/x86_64-efi/monolithic
if [ -f $boot_dir/systemd-bootx64.efi ]; then
    cp both.raw sd.raw
    MTOOLS_SKIP_CHECK=1 mcopy -o -i sd.raw@@2M $boot_dir/systemd-bootx64.efi ::EFI/BOOT/BOOTX64.EFI
    is systemd-boot "$(boot '[.loaders[] | select(.fallback)][0].kind' sd.raw)"
fi
if [ -f $monolithic/grubx64.efi ]; then
    cp both.raw grub.raw
    MTOOLS_SKIP_CHECK=1 mcopy -o -i grub.raw@@2M $monolithic/grubx64.efi ::EFI/BOOT/BOOTX64.EFI
    is grub2 "$(boot '[.loaders[] | select(.fallback)][0].kind' grub.raw)"
fi

# --- the words

expect 2 usage/operands "$VMLIFT" inspect --boot
expect 2 usage/disk "$VMLIFT" inspect --boot --disk 2 both.raw
gzip -k both.raw
expect 4 inspect/needs-seek "$VMLIFT" inspect --boot both.raw.gz
expect 4 input/needs-file "$VMLIFT" inspect --boot - < <(cat both.raw)
truncate -s 1M blank.raw
expect 6 io/not-found "$VMLIFT" inspect --boot --json blank.raw missing.raw both.raw
is 'blank at both ends null uefi-preferred' "$(jq -rs '[.[0].reason, .[1].reason, .[2].boot_mode]
    | map(tostring) | join(" ")' stdout)"
