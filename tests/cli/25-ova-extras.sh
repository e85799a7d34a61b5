#!/usr/bin/env bash
# OVAs whose disks are compressed, in chunks or out of order: made by gzip, split, tar and by hand.
. "$(dirname "$0")/../functions.sh"
requires tar sha256sum qemu-img gzip split python3

mkdir parts
cd parts
truncate -s 4M ../one.raw
head -c 1500000 /dev/urandom | dd of=../one.raw conv=notrunc status=none
head -c 700 /dev/urandom | dd of=../one.raw conv=notrunc oflag=seek_bytes seek=4193600 status=none
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized ../one.raw one.vmdk
cp one.vmdk two.vmdk
gzip -1 -c one.vmdk >one.vmdk.gz
gzip -1 -c ../one.raw >one.raw.gz
cp ../one.raw one.raw
cd ..

# describe ATTRIBUTES: a machine of a first disk whose File has these, and a second plain one.
describe() {
    cat >parts/vm.ovf <<OVF
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="f1" $1/><File ovf:id="f2" ovf:href="two.vmdk"/></References>
  <DiskSection>
    <Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="${2:-4194304}"/>
    <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="4194304"/>
  </DiskSection>
  <VirtualSystem ovf:id="vm"><VirtualHardwareSection/></VirtualSystem>
</Envelope>
OVF
}

# pack MEMBER...: in.ova, with a manifest of their bytes as they are stored
pack() {
    (cd parts && sha256sum vm.ovf "$@" | sed 's/^\([0-9a-f]*\)  \(.*\)$/SHA256(\2)= \1/' >vm.mf)
    tar -cf in.ova -C parts vm.ovf vm.mf "$@"
}

# good: both disks come out right, of a file and of a pipe, and are told and compared
good() {
    for disk in 1 2; do
        run "$VMLIFT" convert --force --disk $disk in.ova got.raw
        same one.raw got.raw
        run "$VMLIFT" convert --force --disk $disk -O raw - got.raw < <(cat in.ova)
        same one.raw got.raw
    done
    run "$VMLIFT" convert --force in.ova got.ova
    run "$VMLIFT" convert --force - again.ova < <(cat in.ova)
    run "$VMLIFT" compare got.ova again.ova
    run "$VMLIFT" compare in.ova got.ova
    "$VMLIFT" info in.ova >/dev/null
}

# bad STATUS SLUG: of a file and of a pipe, and nothing is left
bad() {
    expect "$1" "$2" "$VMLIFT" convert --disk 1 in.ova out.raw
    expect "$1" "$2" "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat in.ova)
    [ ! -e out.raw ] || fail "out.raw is there"
}

# --- compressed ------------------------------------------------------------------------------------

gz='ovf:href="one.vmdk.gz" ovf:compression="gzip"'
describe "$gz"
pack one.vmdk.gz two.vmdk
good
describe 'ovf:href="one.raw.gz" ovf:compression="gzip"'
pack one.raw.gz two.vmdk
good
describe 'ovf:href="one.raw.gz" ovf:compression="gzip"' 4194816
pack one.raw.gz two.vmdk
bad 3 ''
describe 'ovf:href="one.vmdk.gz" ovf:compression="bzip2"'
pack one.vmdk.gz two.vmdk
bad 4 ovf/compressed
describe 'ovf:href="one.vmdk" ovf:compression="gzip"' # it is not
pack one.vmdk two.vmdk
bad 3 input/damaged
describe "$gz"
pack one.vmdk.gz two.vmdk
sed -i "/one.vmdk.gz/s/= ..../= 0000/" parts/vm.mf
tar -cf in.ova -C parts vm.ovf vm.mf one.vmdk.gz two.vmdk
bad 3 manifest/mismatch
head -c 300000 /dev/zero | gzip -c >parts/zeroes.gz
cat parts/one.raw.gz parts/zeroes.gz >parts/longer.gz
describe 'ovf:href="longer.gz" ovf:compression="gzip"'
pack longer.gz two.vmdk
bad 3 raw/size
head -c 200M /dev/zero | gzip -c >parts/bomb.gz
cat parts/one.vmdk.gz parts/bomb.gz >parts/bomb2.gz
describe 'ovf:href="bomb2.gz" ovf:compression="gzip"'
pack bomb2.gz two.vmdk
bad 3 ''

# raw on a pipe: as large as described
describe 'ovf:href="one.raw"'
pack one.raw two.vmdk
good

# --- in chunks -------------------------------------------------------------------------------------

for whole in one.vmdk one.vmdk.gz one.raw; do
    split -b 400000 -a 9 -d parts/$whole parts/$whole.
    mapfile -t chunks < <(cd parts && echo $whole.0* | tr ' ' '\n')
    compression=
    [ $whole != one.vmdk.gz ] || compression='ovf:compression="gzip"'
    describe "ovf:href=\"$whole\" ovf:chunkSize=\"400000\" $compression"
    pack "${chunks[@]}" two.vmdk
    good
    describe "ovf:href=\"$whole\" ovf:chunkSize=\"400000\" ovf:size=\"$(stat -c %s parts/$whole)\" $compression"
    pack "${chunks[@]}" two.vmdk
    good
    # one missing in the middle, the last missing, one too many, one of another size
    pack "${chunks[@]:0:1}" "${chunks[@]:2}" two.vmdk
    expect 3 ovf/chunk "$VMLIFT" convert --disk 1 in.ova out.raw
    expect 4 ova/pipe-order "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat in.ova)
    pack "${chunks[@]:0:${#chunks[@]}-1}" two.vmdk
    expect 3 ovf/chunk "$VMLIFT" convert --disk 1 in.ova out.raw
    expect 3 '' "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat in.ova)
    number=$(printf '%09d' "${#chunks[@]}")
    cp parts/two.vmdk "parts/$whole.$number"
    pack "${chunks[@]}" "$whole.$number" two.vmdk
    expect 3 ovf/chunk "$VMLIFT" convert --disk 1 in.ova out.raw
    expect 3 '' "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat in.ova)
    rm "parts/$whole.$number"
    # a chunk whose bytes are others than the manifest's
    pack "${chunks[@]}" two.vmdk
    sed -i "/${chunks[1]}/s/= ..../= 0000/" parts/vm.mf
    tar -cf in.ova -C parts vm.ovf vm.mf "${chunks[@]}" two.vmdk
    bad 3 manifest/mismatch
    sed -i "/${chunks[1]}/d" parts/vm.mf
    tar -cf in.ova -C parts vm.ovf vm.mf "${chunks[@]}" two.vmdk
    bad 3 manifest/missing-member
done
describe 'ovf:href="one.vmdk" ovf:chunkSize="many"'
pack two.vmdk
bad 3 ovf/chunk

# --- grains in any order ---------------------------------------------------------------------------

"$VMLIFT" convert --force one.raw parts/swapped.vmdk
python3 - parts/swapped.vmdk <<'PY'
import struct, sys
data = bytearray(open(sys.argv[1], 'rb').read())
def span(sector):  # a grain: its marker, its bytes, filled up to whole sectors
    return (12 + struct.unpack_from('<I', data, sector * 512 + 8)[0] + 511) // 512
a = struct.unpack_from('<Q', data, 64)[0]
b = a + span(a)
assert span(a) == span(b), 'two grains of one length'
first, second = data[a * 512:b * 512], data[b * 512:(2 * b - a) * 512]
data[a * 512:(2 * b - a) * 512] = second + first
assert data.count(struct.pack('<II', a, b)) == 1, 'one table'
data = data.replace(struct.pack('<II', a, b), struct.pack('<II', b, a))
open(sys.argv[1], 'wb').write(data)
PY
run qemu-img compare -f raw -F vmdk one.raw parts/swapped.vmdk
describe 'ovf:href="swapped.vmdk"'
pack swapped.vmdk two.vmdk
run "$VMLIFT" convert --force --disk 1 in.ova got.raw
same one.raw got.raw
run "$VMLIFT" convert --force in.ova got.ova
run "$VMLIFT" compare in.ova got.ova
expect 4 vmdk/pipe-order "$VMLIFT" convert --disk 1 -O raw - out.raw < <(cat in.ova)
sed -i "/swapped.vmdk/s/= ..../= 0000/" parts/vm.mf # it is checked all the same
tar -cf in.ova -C parts vm.ovf vm.mf swapped.vmdk two.vmdk
expect 3 manifest/mismatch "$VMLIFT" convert --disk 1 in.ova out.raw
