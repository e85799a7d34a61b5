#!/usr/bin/env bash
# inspect --boot of LVM: a volume group whose metadata LVM's own tools wrote, in a partition; its volumes by
# name and size, and the file system in the one that is the root. The tools want a block device: without
# leave to make a loop device the test is skipped.
. "$(dirname "$0")/../functions.sh"
export PATH=$PATH:/usr/sbin:/sbin
requires sfdisk losetup pvcreate vgcreate vgcfgbackup vgcfgrestore mkfs.ext4 jq

truncate -s 80M lvm.raw
printf 'start=2048,size=64M,type=8e\n' | sfdisk -q --label dos lvm.raw
loop=$(losetup --find --show --offset 1M --sizelimit 64M lvm.raw 2>losetup.err) || {
    echo "skipped: $(cat losetup.err)" >&2
    exit 77
}
trap 'losetup -d "$loop" 2>/dev/null || true; rm -rf "$tmp"' EXIT
export LVM_SUPPRESS_FD_WARNINGS=1
# lvm VERB OPERAND...: looks at no other device of this machine
lvm_tool() {
    "$1" -q --config "devices { filter=[\"a|^$loop\$|\",\"r|.*|\"] use_devicesfile=0 }
        backup { backup=0 archive=0 }" "${@:2}" >lvm.log 2>&1 || fail "$*: $(cat lvm.log)"
}
lvm_tool pvcreate "$loop"
lvm_tool vgcreate vg-0 "$loop"
lvm_tool vgcfgbackup -f empty.txt vg-0
# lvcreate needs the kernel's device mapper; the same text by vgcfgrestore does not.
# segment NUMBER START COUNT AT
segment() {
    printf 'segment%d {\nstart_extent = %d\nextent_count = %d\ntype = "striped"\nstripe_count = 1\n' "$1" "$2" "$3"
    printf 'stripes = [\n"pv0", %d\n]\n}\n' "$4"
}
# volume NAME ID STATUS SEGMENTS
volume() {
    printf '%s {\nid = "%s"\nstatus = [%s]\nflags = []\ncreation_time = 1700000000\n' "$1" "$2" "$3"
    printf 'creation_host = "host"\nsegment_count = %d\n' "$4"
}
{
    sed '$d' empty.txt | sed '/^}$/,$d'
    echo 'logical_volumes {'
    volume the-root aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg '"READ", "WRITE", "VISIBLE"' 2
    segment 1 0 2 3
    segment 2 2 1 0
    echo '}'
    volume hidden aaaaaa-bbbb-cccc-dddd-eeee-ffff-hhhhhh '"READ", "WRITE"' 1
    segment 1 0 1 6
    echo '}'
    volume data aaaaaa-bbbb-cccc-dddd-eeee-ffff-iiiiii '"READ", "WRITE", "VISIBLE"' 1
    segment 1 0 4 8
    echo '}'
    echo '}'
    echo '}'
} >full.txt
lvm_tool vgcfgrestore --force -f full.txt vg-0
losetup -d "$loop"

# the first extent of the-root is extent 3: 1 MiB of partition, 1 MiB of label and metadata, 3 * 4 MiB
mkdir -p tree/etc tree/boot/grub
echo x >tree/etc/fstab
echo 'linux /vmlinuz root=/dev/mapper/vg--0-data' >tree/boot/grub/grub.cfg
mkfs.ext4 -q -b 1024 -L theroot -d tree -E offset=$((14 << 20)) lvm.raw 8M
"$VMLIFT" inspect --boot --json lvm.raw >found.json
# is WANTED FILTER
is() {
    [ "$(jq -r "$2" found.json)" = "$1" ] || fail "$2 is $(jq -r "$2" found.json), not $1"
}
is 'LVM2_member' '.partitions[0].content'
is 'vg-0/the-root 12582912 ext4 theroot, vg-0/data 16777216 null null' \
    '[.volumes[] | "\(.name) \(.size) \(.content) \(.label)"] | join(", ")'
is 'vg-0/the-root it has /etc/fstab' '.root | "\(.volume) \(.reason)"'
is 'grub2 vg-0/the-root /boot/grub/grub.cfg' '.loaders[0] | "\(.kind) \(.volume) \(.path)"'
is null .xen_menu
is '[]' '.notes | tostring'
# without the file system the loader's word decides
printf '\0\0' | dd of=lvm.raw bs=1 seek=$(((14 << 20) + 1024 + 56)) conv=notrunc status=none
"$VMLIFT" inspect --boot --json lvm.raw >found.json
is 'vg-0/the-root its name' '.root | "\(.volume) \(.reason)"'
# a text that is damaged is told, and no more
printf 'x{{{{{{{{{{' | dd of=lvm.raw bs=1 seek=$(((1 << 20) + 4096 + 16)) conv=notrunc status=none
"$VMLIFT" inspect --boot --json lvm.raw >found.json
is 'boot/lvm' '[.notes[].slug] | join(" ")'
