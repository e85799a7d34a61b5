#!/usr/bin/env bash
# The chain of formats, pipes, outputs that exist, disks that are full, sources that are cut short.
. "$(dirname "$0")/../functions.sh"

# 40 MiB: data at both ends and between, holes, a run of written zeroes.
truncate -s 40M disk.raw
put() { # OFFSET LENGTH
    head -c "$2" /dev/urandom | dd of=disk.raw conv=notrunc oflag=seek_bytes seek="$1" status=none
}
put 0 70000
put 5000000 3000000
put 20971520 65536
dd if=/dev/zero of=disk.raw bs=1M seek=24 count=2 conv=notrunc status=none
put 41942528 512

# --- the chain: each step holds the same disk --------------------------------------------------
from=disk.raw
for to in a.vmdk b.vhd c.ova d.raw e.vpc f.img; do
    run "$VMLIFT" convert "$from" "$to"
    run "$VMLIFT" compare disk.raw "$to"
    "$VMLIFT" info "$to" >info.txt
    grep -qF '40 MiB (41943040 bytes)' info.txt || fail "info $to: $(cat info.txt)"
    from=$to
done
same disk.raw d.raw
same disk.raw f.img
run "$VMLIFT" convert -O vmdk -o subformat=monolithicSparse c.ova g.out
run "$VMLIFT" compare disk.raw g.out
"$VMLIFT" info g.out | grep -qF 'vmdk (monolithicSparse)' || fail "-o subformat"

# compare: the answer no is status 1 and the place
cp disk.raw other.raw
printf x | dd of=other.raw conv=notrunc oflag=seek_bytes seek=30000001 status=none
expect 1 "" "$VMLIFT" compare a.vmdk other.raw
grep -qx 'differ: at offset 30000001' stdout || fail "compare: $(cat stdout)"
expect 1 "" "$VMLIFT" compare --json b.vhd other.raw
grep -qF '"first_difference": 30000001' stdout || fail "compare --json: $(cat stdout)"

# the bytes do not depend on the number of threads
export SOURCE_DATE_EPOCH=1700000000
mkdir one eight
for to in vmdk vhd ova; do
    run "$VMLIFT" convert --threads 1 disk.raw one/x.$to
    run "$VMLIFT" convert --threads 8 disk.raw eight/x.$to
    same one/x.$to eight/x.$to
done
unset SOURCE_DATE_EPOCH

# --- an output that exists ---------------------------------------------------------------------
echo precious >old.vhd
expect 6 output/exists "$VMLIFT" convert disk.raw old.vhd
grep -qx precious old.vhd || fail "an existing output was touched"
run "$VMLIFT" convert --force disk.raw old.vhd
run "$VMLIFT" compare disk.raw old.vhd

# --- pipes -------------------------------------------------------------------------------------
run "$VMLIFT" convert -O vmdk disk.raw - >p.vmdk
run "$VMLIFT" compare disk.raw p.vmdk
# shellcheck disable=SC2002 # pipes are what is tested
cat p.vmdk | "$VMLIFT" convert -O raw - - | cmp - disk.raw
# shellcheck disable=SC2002
cat c.ova | "$VMLIFT" convert - p.vhd
run "$VMLIFT" compare disk.raw p.vhd
# shellcheck disable=SC2002
cat disk.raw | "$VMLIFT" convert -f raw - p.raw
same disk.raw p.raw
# shellcheck disable=SC2002
cat disk.raw | "$VMLIFT" convert -f raw --size 40M - q.vhd
run "$VMLIFT" compare disk.raw q.vhd
expect 4 image/raw-pipe "$VMLIFT" convert - r.vhd < <(cat disk.raw)
expect 2 image/size-unknown "$VMLIFT" convert -f raw - r.vhd < <(cat disk.raw)
expect 3 input/truncated "$VMLIFT" convert -f raw --size 41M - r.vhd < <(cat disk.raw)
expect 3 raw/size "$VMLIFT" convert -f raw --size 39M - r.vhd < <(cat disk.raw)
expect 4 image/needs-seek "$VMLIFT" convert -O vhd disk.raw - > >(cat >/dev/null)
expect 4 input/needs-file "$VMLIFT" info - < <(cat disk.raw)
[ ! -e r.vhd ] || fail "a refused conversion left its output"
status=0
"$VMLIFT" convert -O raw disk.raw - 2>errors.txt | head -c 1 >/dev/null || status=${PIPESTATUS[0]}
[ "$status" = 7 ] || fail "the reader went away: status $status"
grep -qF '[io/error]' errors.txt || fail "the reader went away: $(cat errors.txt)"

# --- machines ----------------------------------------------------------------------------------
expect 2 usage/disk "$VMLIFT" convert --disk 2 c.ova s.raw
run "$VMLIFT" convert --disk 1 c.ova s.raw
same disk.raw s.raw

# Two disks, in the machine's order and in the other one.
truncate -s 30M second.raw
head -c 1M /dev/urandom | dd of=second.raw conv=notrunc oflag=seek_bytes seek=5000000 status=none
"$VMLIFT" convert disk.raw two-1.vmdk
"$VMLIFT" convert second.raw two-2.vmdk
item() { # NUMBER
    echo "<Item><rasd:AddressOnParent>$(($1 - 1))</rasd:AddressOnParent>" \
        "<rasd:ElementName>disk $1</rasd:ElementName>" \
        "<rasd:HostResource>ovf:/disk/d$1</rasd:HostResource>" \
        "<rasd:InstanceID>$1</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType></Item>"
}
cat >two.ovf <<EOF
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>
    <File ovf:id="f1" ovf:href="two-1.vmdk"/>
    <File ovf:id="f2" ovf:href="two-2.vmdk"/>
  </References>
  <DiskSection>
    <Info>disks</Info>
    <Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="41943040"/>
    <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="31457280"/>
  </DiskSection>
  <VirtualSystem ovf:id="two">
    <Info>a machine</Info>
    <VirtualHardwareSection><Info>hardware</Info>$(item 1)$(item 2)</VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
EOF
sha256sum two.ovf two-1.vmdk two-2.vmdk |
    sed -E 's/^([0-9a-f]+)  (.*)/SHA256(\2)= \1/' >two.mf
tar -cf two.ova two.ovf two.mf two-1.vmdk two-2.vmdk
tar -cf owt.ova two.ovf two.mf two-2.vmdk two-1.vmdk
for machine in two owt; do
    expect 4 package/one-disk "$VMLIFT" convert $machine.ova u.raw
    grep -qF -e '--disk N' stderr || fail "no remedy: $(cat stderr)"
    for disk in 1 2; do
        original=$([ $disk = 1 ] && echo disk.raw || echo second.raw)
        run "$VMLIFT" convert --disk $disk $machine.ova u.raw
        same "$original" u.raw
        run "$VMLIFT" convert --force --disk $disk - u.raw < <(cat $machine.ova)
        same "$original" u.raw
        rm u.raw
    done
    run "$VMLIFT" convert $machine.ova $machine-again.ova
    run "$VMLIFT" compare two.ova $machine-again.ova
done
run "$VMLIFT" convert - piped.ova < <(cat two.ova)
run "$VMLIFT" compare two.ova piped.ova
expect 4 convert/disk-order "$VMLIFT" convert - none.ova < <(cat owt.ova)
[ ! -e none.ova ] || fail "an OVA with its disks in the wrong order"
expect 1 "" "$VMLIFT" compare two.ova c.ova
grep -qx 'differ: 2 and 1 disks' stdout || fail "compare: $(cat stdout)"

# A manifest that does not fit: nothing appears, whether the OVA is a file or a pipe.
cp c.ova bad.ova
digest=$(grep -aobE '= [0-9a-f]{64}' c.ova | tail -1 | cut -d: -f1)
[ -n "$digest" ] || fail "no manifest found in c.ova"
printf '%s' "$(dd if=c.ova bs=1 skip=$((digest + 2)) count=8 status=none | tr '0-9a-f' '1-9a-f0')" |
    dd of=bad.ova conv=notrunc bs=1 seek=$((digest + 2)) status=none
expect 3 manifest/mismatch "$VMLIFT" convert bad.ova t.vhd
expect 3 manifest/mismatch "$VMLIFT" convert - t.vhd < <(cat bad.ova)
expect 3 manifest/mismatch "$VMLIFT" convert bad.ova t.ova
if [ -e t.vhd ] || [ -e t.ova ]; then
    fail "a bad manifest, and yet there is an output"
fi

# --- full disks, and sources cut short ---------------------------------------------------------
mkdir full
for to in raw vmdk vhd ova; do
    # ulimit's unit is 1 KiB
    expect 7 io/full bash -c 'ulimit -f 1000; exec "$@"' - \
        "$VMLIFT" convert disk.raw full/out.$to
    [ -z "$(ls -A full)" ] || fail "a full disk left $(ls -A full)"
done
status=0
"$VMLIFT" info disk.raw 2>errors.txt >/dev/full || status=$?
[ "$status" = 7 ] || fail "a full standard output: status $status"
grep -qF '[io/full]' errors.txt || fail "a full standard output: $(cat errors.txt)"
mkdir cut
for source in a.vmdk b.vhd c.ova; do
    for percent in 20 60 99; do
        head -c $(($(stat -c %s "$source") * percent / 100)) "$source" >"cut.${source#*.}"
        expect 3 "" "$VMLIFT" convert "cut.${source#*.}" cut/out.raw
        expect 3 "" "$VMLIFT" convert -f "${source#*.}" - cut/out.vhd <"cut.${source#*.}"
        [ -z "$(ls -A cut)" ] || fail "a source cut short left $(ls -A cut)"
    done
done
