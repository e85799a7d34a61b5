#!/usr/bin/env bash
# Sources that gzip, xz, zstd or bzip2 compressed as a whole.
. "$(dirname "$0")/../functions.sh"
requires gzip xz zstd bzip2 tar qemu-img jq

truncate -s 20M disk.raw
head -c 3000000 /dev/urandom | dd of=disk.raw conv=notrunc status=none
head -c 5000 /dev/urandom | dd of=disk.raw conv=notrunc oflag=seek_bytes seek=20966520 status=none
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized disk.raw disk.vmdk
"$VMLIFT" convert disk.raw disk.ova

for kind in 'gzip gz' 'xz xz' 'zstd zst' 'bzip2 bz2'; do
    read -r program suffix <<<"$kind"
    for file in disk.raw disk.vmdk disk.ova; do
        "$program" -q -1 -c $file >$file."$suffix"
        run "$VMLIFT" convert $file."$suffix" got.raw
        same disk.raw got.raw
        rm got.raw
    done
    # the size is counted for those that must know it
    run "$VMLIFT" convert disk.raw."$suffix" got.vhd
    run qemu-img compare -f raw -F vpc disk.raw got.vhd
    run "$VMLIFT" compare disk.raw."$suffix" got.vhd
    run "$VMLIFT" compare disk.raw disk.vmdk."$suffix"
    run "$VMLIFT" convert --force -f raw --size 20M disk.raw."$suffix" got.vhd
    # from pipes
    run "$VMLIFT" convert -f raw -O raw - got.raw < <(cat disk.raw."$suffix")
    same disk.raw got.raw
    run "$VMLIFT" convert --force -f raw --size 20M - got.vhd < <(cat disk.raw."$suffix")
    run qemu-img compare -f raw -F vpc disk.raw got.vhd
    run "$VMLIFT" convert --force -O raw - got.raw < <(cat disk.ova."$suffix")
    same disk.raw got.raw
    expect 4 image/raw-pipe "$VMLIFT" convert -O raw - out.raw < <(cat disk.raw."$suffix")
    expect 3 raw/size "$VMLIFT" convert -f raw --size 19M disk.raw."$suffix" out.raw
    expect 3 input/truncated "$VMLIFT" convert -f raw --size 21M disk.raw."$suffix" out.raw
    "$VMLIFT" info --json disk.raw."$suffix" >info.json
    [ "$(jq -c '[.format, .virtual_size, .file_size]' info.json)" = \
        "[\"raw\",20971520,$(stat -c %s disk.raw."$suffix")]" ] || fail "info: $(cat info.json)"
    "$VMLIFT" info --json disk.ova."$suffix" >info.json
    [ "$(jq -c '[.format, .disks[0].virtual_size]' info.json)" = '["ova",20971520]' ] ||
        fail "info: $(cat info.json)"
    rm got.*

    # several streams, one behind another
    cat disk.raw."$suffix" disk.raw."$suffix" >two."$suffix"
    cat disk.raw disk.raw >two.raw
    run "$VMLIFT" convert two."$suffix" got.raw
    same two.raw got.raw
    rm got.raw

    # cut, changed, followed by something, and compressed twice
    size=$(stat -c %s disk.raw."$suffix")
    for cut in 11 1000 $((size - 9)) $((size - 1)); do
        head -c $cut disk.raw."$suffix" >bad
        expect 3 input/truncated "$VMLIFT" convert bad out.raw
        expect 3 input/truncated "$VMLIFT" convert -f raw -O raw - out.raw < <(cat bad)
    done
    cp disk.raw."$suffix" bad
    printf '\377\0\252\125' | dd of=bad conv=notrunc oflag=seek_bytes seek=1000 status=none
    expect 3 input/damaged "$VMLIFT" convert -f raw bad out.raw
    (cat disk.raw."$suffix" && echo more) >bad # to xz the start of another stream
    expect 3 '' "$VMLIFT" convert bad out.raw
    (cat disk.raw."$suffix" && head -c 100000 /dev/zero | tr '\0' x) >bad
    expect 3 input/damaged "$VMLIFT" convert bad out.raw
    "$program" -q -c <disk.raw."$suffix" >bad
    expect 3 input/nested "$VMLIFT" convert bad out.raw
    gzip -c <disk.raw."$suffix" >bad
    expect 3 input/nested "$VMLIFT" info bad
    xz -0 -c <disk.raw."$suffix" >bad
    expect 3 input/nested "$VMLIFT" convert -f raw bad out.raw
    : | "$program" -c >bad
    expect 3 '' "$VMLIFT" convert bad out.raw # no disk has no bytes
    [ ! -e out.raw ] || fail "out.raw is there"
done

# a checksum that alone is wrong
for kind in 'gzip gz 8' 'bzip2 bz2 5' 'zstd zst 4'; do
    read -r program suffix back <<<"$kind"
    cp disk.raw."$suffix" bad
    printf '\1\2\3' | dd of=bad conv=notrunc oflag=seek_bytes \
        seek=$(($(stat -c %s bad) - back)) status=none
    expect 3 input/damaged "$VMLIFT" convert bad out.raw
done

# zeroes shrink to a thousandth and less, and are a disk all the same
truncate -s 256M zero.raw
xz -0 -T1 -c zero.raw >zero.raw.xz
zstd -q -c zero.raw >zero.raw.zst
run "$VMLIFT" convert zero.raw.xz zero.vmdk
run qemu-img compare -f raw -F vmdk zero.raw zero.vmdk
run "$VMLIFT" convert zero.raw.zst got.raw
same zero.raw got.raw
[ "$(stat -c %b got.raw)" -lt 1000 ] || fail "the zeroes were written"

# a size that is no whole number of sectors
head -c 1000100 disk.raw | gzip >odd.gz
run "$VMLIFT" convert --force odd.gz got.raw
head -c 1000100 disk.raw >want.raw
truncate -s %512 want.raw
same want.raw got.raw

# what needs to seek says so
qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on disk.raw fixed.vhd
gzip -1 fixed.vhd
expect 4 image/compressed "$VMLIFT" convert fixed.vhd.gz out.raw
qemu-img convert -f raw -O vpc disk.raw dynamic.vhd
gzip -1 dynamic.vhd
expect 4 vhd/needs-seek "$VMLIFT" convert dynamic.vhd.gz out.raw
qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2
gzip -1 disk.qcow2
expect 4 qcow2/needs-seek "$VMLIFT" convert disk.qcow2.gz out.raw
expect 4 compare/needs-seek "$VMLIFT" compare disk.raw.gz disk.raw.xz
expect 1 '' "$VMLIFT" compare disk.raw.gz zero.vmdk

# into the store
run "$VMLIFT" import --store store --name packed disk.raw.zst
run "$VMLIFT" export --store store packed got.vmdk
run "$VMLIFT" compare got.vmdk disk.raw
