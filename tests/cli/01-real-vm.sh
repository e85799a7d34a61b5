#!/usr/bin/env bash
# The main job on a real machine: through every format and the store and back, each file looked at by
# other people's tools.
. "$(dirname "$0")/../functions.sh"
requires mmdebstrap fakeroot grub-mkimage mke2fs sfdisk qemu-img 7zz debugfs jq guestfish nbdkit

vm=$("$root/samples/make-vm.sh")
export VMLIFT_STORE=$tmp/store
size=$(stat -c %s "$vm")

# written FORMAT FILE: qemu-img reads the machine's very bytes from it, and so do we.
written() {
    run qemu-img compare -f raw -F "$1" "$vm" "$2"
    run "$VMLIFT" compare "$vm" "$2"
}

run "$VMLIFT" convert "$vm" stream.vmdk
written vmdk stream.vmdk
[ "$(qemu-img info --output=json stream.vmdk |
    jq -r '."format-specific".data."create-type"')" = streamOptimized ] || fail "not streamOptimized"
run 7zz e -tvmdk -so stream.vmdk 2>/dev/null | cmp - "$vm" || fail "7z reads something else"
run "$VMLIFT" convert -o subformat=monolithicSparse stream.vmdk sparse.vmdk
written vmdk sparse.vmdk
run "$VMLIFT" convert -o subformat=dynamic sparse.vmdk dynamic.vhd
rm sparse.vmdk
written vpc dynamic.vhd
run "$VMLIFT" convert -o subformat=fixed dynamic.vhd fixed.vhd
rm dynamic.vhd
written vpc fixed.vhd
run "$VMLIFT" convert fixed.vhd vm.ova
rm fixed.vhd

# The OVA: tar and sha256sum agree with the manifest, and the disk inside is the machine's.
[ "$("$VMLIFT" info --json vm.ova | jq '.disks[0].virtual_size')" = "$size" ] || fail "info --json"
mkdir ova
tar -xf vm.ova -C ova
(cd ova && sed -E 's/^SHA256 ?\((.*)\)= /SHA256 (\1) = /' ./*.mf | sha256sum -c --strict -)
written vmdk ova/*.vmdk
rm -r ova

# Into the store, also from a pipe; the second time nothing is stored twice.
ami=$("$VMLIFT" import vm.ova --name web-01 --tag Env=Prod)
[[ $ami =~ ^ami-[0-9a-f]{17}$ ]] || fail "import printed $ami"
stored=$("$VMLIFT" store stats --json | jq .stored)
# shellcheck disable=SC2002 # a file on standard input would be no pipe
again=$(cat vm.ova | "$VMLIFT" import --name web-01-again -)
grown=$(($("$VMLIFT" store stats --json | jq .stored) - stored))
echo "the store holds $stored bytes; importing again added $grown"
[ $((grown * 100)) -lt "$stored" ] || fail "the second import was stored again"
"$VMLIFT" image show --json "$ami" | tee image.json
[ "$(jq -r '.Images[0].BootMode' image.json)" = legacy-bios ] || fail "how the disk boots was not read"
[ "$(jq -r '.Images[0].BlockDeviceMappings[0].Ebs.VolumeSize' image.json)" = 8 ] || fail "VolumeSize"
run "$VMLIFT" store verify

run "$VMLIFT" export "$again" back.raw
same "$vm" back.raw
run "$VMLIFT" compare "$vm" back.raw
run "$VMLIFT" export "$ami" back.vmdk
run qemu-img compare -f raw -F vmdk "$vm" back.vmdk

# libguestfs, which knows nothing of us, finds the machine's files in the snapshot as the nbdkit
# plugin serves it, without an export: the digests must be those of the files as the file system
# tools read them from the original.
inside() {
    debugfs -R "cat $1" "$vm?offset=1048576" 2>/dev/null | sha256sum | cut -d' ' -f1
}
kernel=$(debugfs -R 'ls -p /boot' "$vm?offset=1048576" 2>/dev/null |
    sed -n -E 's|.*/(vmlinuz-[^/]+)/.*|\1|p')
[ -n "$kernel" ] || fail "no kernel in the original"
export kernel
# shellcheck disable=SC2016 # for the shell that nbdkit starts
nbdkit -U - "$VMLIFT_BUILD/nbdkit-vmlift-plugin.so" store="$VMLIFT_STORE" image="$ami" --run '
    guestfish --ro --format=raw -a "nbd://?socket=$unixsocket" -i \
        checksum sha256 /etc/os-release : checksum sha256 "/boot/$kernel"' >seen
printf '%s\n' "$(inside /usr/lib/os-release)" "$(inside "/boot/$kernel")" >wanted
same seen wanted
echo "os-release and $kernel: as they were"
