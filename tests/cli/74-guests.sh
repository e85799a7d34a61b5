#!/usr/bin/env bash
# inspect --boot of whole machines, of disks without one, and of damaged ones (tests/guests): the answer is
# right, also through an OVA, and little of the disk is read for it.
. "$(dirname "$0")/../functions.sh"
requires mmdebstrap fakeroot grub-mkimage mke2fs mkfs.fat mcopy sfdisk mkswap guestfish hivexregedit jq strace

# Each: mode, table, code of the first sector, root, and the notes.
while read -r guest wanted; do
    disk=$("$root/tests/guests/make.sh" "$guest" </dev/null)
    "$VMLIFT" inspect --boot --json "$disk" >found.json
    found=$(jq -r '[.boot_mode // "none", .table, .boot_code // "-", .architecture // "-",
        ((.root // {}) | .partition // .volume // "-"), (.notes[].slug | sub("boot/"; ""))] | join(" ")' found.json)
    [ "$found" = "$wanted" ] || fail "$guest: '$found', not '$wanted': $(cat found.json)"
    reads_few "$disk" 16384
done <<'TABLE'
bios legacy-bios mbr grub2 x86_64 1
uefi uefi gpt - x86_64 2 no-fallback
lvm legacy-bios mbr grub2 x86_64 lvm-vg/root
names legacy-bios mbr grub2 x86_64 1
extlinux legacy-bios mbr syslinux x86_64 1
windows legacy-bios mbr windows - 2
blank none none - - -
data none gpt - - -
damaged-gpt uefi gpt - x86_64 2 gpt-first no-fallback
damaged-mbr none none - - -
damaged-grub none mbr grub2 x86_64 1 grub-core
damaged-root legacy-bios mbr grub2 - -
cut uefi gpt - x86_64 - gpt-backup partition-outside no-fallback
TABLE

# compressed and in an OVA it is the same answer, found where it lies: nothing is written
disk=$("$root/tests/guests/make.sh" uefi)
"$VMLIFT" convert "$disk" uefi.ova
trace -e trace=openat,creat,memfd_create "$VMLIFT" inspect --boot --json uefi.ova >found.json
! grep -E 'O_(WRONLY|RDWR|TMPFILE)' trace | grep -v /dev/ || fail "something is opened for writing"
[ "$("$VMLIFT" inspect --boot --json "$disk" | jq 'del(.path, .format)')" = "$(jq '.disks[0] | del(.format, .file)' found.json)" ] ||
    fail "in an OVA: $(cat found.json)"
