#!/usr/bin/env bash
# check finds every fault of a file, and none in what qemu-img and vmlift write.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3 sha256sum tar

python3 - <<'PY'
import random
r = random.Random(52)
with open("in.raw", "wb") as f:
    f.truncate(70 << 20)
    for at, n in ((0, 300000), (5 << 20, 3 << 20), ((32 << 20) - 65536, 200000), (66 << 20, 500000)):
        f.seek(at)
        f.write(r.randbytes(n))
PY

# clean FILE...: no fault and no warning in any of them.
clean() {
    run "$VMLIFT" check "$@" >clean.txt || fail "status $?: $(cat clean.txt)"
    ! grep -E ': (fault|warning): ' clean.txt || fail "a fault where there is none"
    [ "$(grep -c ': no fault$' clean.txt)" -eq $# ] || fail "$(cat clean.txt)"
}
# faults FILE SLUG...: just these faults, told once each for as often as they are named; status 1.
faults() {
    local file=$1 status=0
    shift
    "$VMLIFT" check "$file" >found.txt 2>errors.txt || status=$?
    [ $status -eq 1 ] || fail "$file: status $status: $(cat found.txt errors.txt)"
    printf '%s\n' "$@" | sort >want.txt
    sed -n "s|^$file: fault: .* \[\(.*\)\]\$|\1|p" found.txt | sort >have.txt
    diff want.txt have.txt || fail "$file: other faults than expected: $(cat found.txt)"
    tail -1 found.txt | grep -qE "^$file: $# faults?\$" || fail "$(tail -1 found.txt)"
    status=0
    "$VMLIFT" check --json "$file" >found.json || status=$?
    [ $status -eq 1 ] || fail "$file: status $status with --json"
    python3 - $# <<'PY'
import json, sys
v = json.load(open("found.json"))
assert v["faults"] == int(sys.argv[1]) == sum(f["level"] == "fault" for f in v["findings"]), v
PY
}

# --- nothing wrong ---------------------------------------------------------------------------------

for subformat in monolithicSparse streamOptimized; do
    qemu-img convert -f raw -O vmdk -o subformat=$subformat in.raw q-$subformat.vmdk
    run "$VMLIFT" convert -o subformat=$subformat in.raw v-$subformat.vmdk
    truncate -s 0 empty.raw && truncate -s 40M empty.raw
    qemu-img convert -f raw -O vmdk -o subformat=$subformat empty.raw q-empty-$subformat.vmdk
    run "$VMLIFT" convert -o subformat=$subformat empty.raw v-empty-$subformat.vmdk
done
qemu-img create -q -f vmdk -o subformat=monolithicSparse,zeroed_grain=on q-zero.vmdk 8M
qemu-io -f vmdk -c 'write -z 4M 1M' q-zero.vmdk >/dev/null
for subformat in dynamic fixed; do
    qemu-img convert -f raw -O vpc -o subformat=$subformat in.raw q-$subformat.vhd
    run "$VMLIFT" convert -o subformat=$subformat in.raw v-$subformat.vhd
done
clean ./*.vmdk ./*.vhd
expect 0 "" "$VMLIFT" check in.raw
grep -qF '[check/nothing]' stdout || fail "$(cat stdout)"

# --- VHD -------------------------------------------------------------------------------------------

cat >damage.py <<'PY'
import struct, sys
name, out = sys.argv[1:3]
d = bytearray(open(name, "rb").read())
def put(fmt, at, *v):
    struct.pack_into(fmt, d, at, *v)
def get(fmt, at):
    return struct.unpack_from(fmt, d, at)
exec(sys.stdin.read())
open(out, "wb").write(d)
PY

# A footer copy, two entries in one place, one past the end, one on top of the header.
python3 damage.py v-dynamic.vhd bad.vhd <<'PY'
bat = get(">Q", 512 + 16)[0]
e = list(get(">35I", bat))
used = [i for i, v in enumerate(e) if v != 0xffffffff]
free = [i for i, v in enumerate(e) if v == 0xffffffff]
assert len(used) > 3 and len(free) > 3
e[free[0]], e[free[1]], e[free[2]] = e[used[0]], 0x7ffffff0, 1
put(">35I", bat, *e)
d[30] ^= 4
PY
faults bad.vhd vhd/footer-sum vhd/bat-dup vhd/bat-range vhd/bat-range
# Each part of the header for itself.
python3 damage.py v-dynamic.vhd bad.vhd <<<'d[512 + 40] ^= 1; d[-512 + 48] ^= 0x40'
faults bad.vhd vhd/footer-sum vhd/header-sum
python3 damage.py v-dynamic.vhd bad.vhd <<<'d[0:8] = bytes(8)'
expect 0 "" "$VMLIFT" check bad.vhd
grep -qF 'warning: ' stdout || fail "a lost copy is not told: $(cat stdout)"
# Cut short: the end of it, and each block beyond.
python3 damage.py v-dynamic.vhd bad.vhd <<'PY'
del d[-3000000:]
PY
"$VMLIFT" check bad.vhd >found.txt && fail "a file cut short has no fault"
grep -qF '[vhd/footer-missing]' found.txt || fail "$(cat found.txt)"
grep -qF '[vhd/bat-range]' found.txt || fail "$(cat found.txt)"
python3 damage.py v-fixed.vhd bad.vhd <<<'del d[1000000:2000000]'
faults bad.vhd vhd/fixed-size

# --- VMDK ------------------------------------------------------------------------------------------

# A copy that differs, a directory entry outside, grains that share a place, are outside, or are
# marked as zeroes without the flag: the primary tables are hurt, so they differ from the copy too.
python3 damage.py q-monolithicSparse.vmdk bad.vmdk <<'PY'
gd, rgd = get("<Q", 56)[0] * 512, get("<Q", 48)[0] * 512
t = [v * 512 for v in get("<3I", gd)]
r = [v * 512 for v in get("<3I", rgd)]
g = get("<512I", t[0])
free = [i for i, v in enumerate(g) if v == 0]
for table in (t, r):                                # in both copies: no mismatch
    put("<I", table[0] + free[0] * 4, g[0])         # the place of grain 0
    put("<I", table[0] + free[1] * 4, 0x7fffffff)   # nowhere
    put("<I", table[0] + free[2] * 4, 1)            # zeroes
    put("<I", table[0] + free[3] * 4, 2)            # the descriptor
put("<I", t[1] + 100 * 4, 0x7ffffff0)               # only here
put("<I", rgd + 8, 0x7fffffff)                      # a table nowhere
PY
faults bad.vmdk vmdk/grain-overlap vmdk/grain-range vmdk/zero-gte vmdk/grain-overlap \
    vmdk/grain-range vmdk/gd-mismatch vmdk/gt-range
expect 3 "" "$VMLIFT" convert bad.vmdk no.raw # where the first one is enough

# Streams: two grains whose bytes are hurt, a marker that is another's, and the footer.
for by in q v; do
    python3 damage.py $by-streamOptimized.vmdk bad.vmdk <<'PY'
gd = get("<Q", 56)[0]
if gd == 2**64 - 1:
    gd = get("<Q", len(d) - 1024 + 56)[0]
    d[-1024 + 12] ^= 1                              # the footer says another size
g = get("<512I", get("<I", gd * 512)[0] * 512)
used = [v * 512 for v in g if v]
d[used[1] + 2000] ^= 0x10
d[used[4] + 12 + 1] ^= 0x10
PY
    if [ $by = q ]; then
        faults bad.vmdk vmdk/inflate vmdk/inflate
    else
        faults bad.vmdk vmdk/footer vmdk/inflate vmdk/inflate
    fi
done
python3 damage.py v-streamOptimized.vmdk bad.vmdk <<'PY'
gd = get("<Q", len(d) - 1024 + 56)[0]
gt = get("<I", gd * 512)[0] * 512
g = get("<512I", gt)
used = [i for i, v in enumerate(g) if v]
put("<I", gt + used[2] * 4, 0)                      # a grain that no table has
put("<I", gt + used[3] * 4, g[used[4]])             # and one of another's
PY
faults bad.vmdk vmdk/lba-gte vmdk/lba-gte
# Cut short: no footer, no end, no directory.
python3 damage.py v-streamOptimized.vmdk bad.vmdk <<<'del d[len(d) // 2:]'
"$VMLIFT" check bad.vmdk >found.txt && fail "half a stream has no fault"
grep -qF '[input/truncated]' found.txt || fail "$(cat found.txt)"
grep -qF '[vmdk/footer]' found.txt || fail "$(cat found.txt)"
# The line ends: a transfer in text mode.
python3 damage.py v-streamOptimized.vmdk bad.vmdk <<<'d[75] = 10'
faults bad.vmdk vmdk/text-mode
# A child, or a piece, has no damage.
qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse split.vmdk 1M
clean split-s001.vmdk
clean split.vmdk

# --- OVA -------------------------------------------------------------------------------------------

run "$VMLIFT" convert in.raw one.ova
clean one.ova
# A byte of a grain: the manifest and the grain both tell.
python3 damage.py one.ova bad.ova <<'PY'
at = d.index(b"KDMV")
d[at + 200000] ^= 0x20
PY
faults bad.ova manifest/mismatch vmdk/inflate
# A package by hand: a disk that is hurt, one that is missing, one with another digest, a member that
# is there twice, the description behind a disk, and with another size.
mkdir hand
cp v-dynamic.vhd hand/a.vhd
python3 damage.py v-streamOptimized.vmdk hand/b.vmdk <<'PY'
g = get("<512I", get("<I", get("<Q", len(d) - 1024 + 56)[0] * 512)[0] * 512)
d[[v for v in g if v][1] * 512 + 3000] ^= 1
PY
cat >hand/vm.ovf <<'XML'
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File ovf:id="a" ovf:href="a.vhd" ovf:size="17"/><File ovf:id="b" ovf:href="b.vmdk"/>
    <File ovf:id="c" ovf:href="c.vmdk"/></References>
  <DiskSection><Info/><Disk ovf:diskId="d1" ovf:fileRef="a" ovf:capacity="73400320"/>
    <Disk ovf:diskId="d2" ovf:fileRef="b" ovf:capacity="1048576"/>
    <Disk ovf:diskId="d3" ovf:fileRef="c" ovf:capacity="1048576"/></DiskSection>
  <VirtualSystem ovf:id="two"><Info/><VirtualHardwareSection><Info/>
    <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
    <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d1</rasd:HostResource>
      <rasd:InstanceID>2</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    <Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d2</rasd:HostResource>
      <rasd:InstanceID>3</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    <Item><rasd:AddressOnParent>2</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d3</rasd:HostResource>
      <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
  </VirtualHardwareSection></VirtualSystem>
</Envelope>
XML
(
    cd hand
    {
        echo "SHA256(vm.ovf)= $(sha256sum <vm.ovf | cut -d ' ' -f 1)"
        echo "SHA256(a.vhd)= $(sha256sum <b.vmdk | cut -d ' ' -f 1)"
    } >vm.mf
    tar cf ../hand.ova --format=ustar a.vhd vm.ovf vm.mf b.vmdk
    tar rf ../hand.ova --format=ustar a.vhd
)
faults hand.ova ova/member-dup ovf/href manifest/mismatch manifest/missing-member vmdk/inflate
for slug in ova/order ovf/size-differs ovf/capacity-differs; do
    grep -q "^hand.ova: warning: .*\[$slug\]$" found.txt || fail "no warning $slug: $(cat found.txt)"
done
grep -q '^hand.ova: fault: b.vmdk: .*\[vmdk/inflate\]$' found.txt || fail "whose grain? $(cat found.txt)"
# A description that cannot be read keeps no disk from being looked at.
sed -i 's|</Envelope>||' hand/vm.ovf
(cd hand && tar cf ../hand.ova --format=ustar vm.ovf vm.mf a.vhd b.vmdk)
faults hand.ova xml/syntax manifest/mismatch manifest/mismatch vmdk/inflate
(cd hand && tar cf ../hand.ova --format=ustar a.vhd b.vmdk)
faults hand.ova ova/ovf vmdk/inflate
# The archive is cut inside a member: there is nothing to list.
head -c 1000000 one.ova >cut.ova
faults cut.ova input/truncated

# --- several, and what is none ---------------------------------------------------------------------

expect 4 input/needs-file "$VMLIFT" check - < <(cat v-dynamic.vhd)
status=0
"$VMLIFT" check --json v-dynamic.vhd nowhere.vhd bad.vmdk >lines.json 2>errors.txt || status=$?
[ $status -eq 6 ] || fail "status $status"
python3 - <<'PY'
import json
good, none, bad = map(json.loads, open("lines.json"))
assert good["faults"] == 0 and good["format"] == "vhd" and good["findings"] == []
assert none["error"]["slug"] == "io/not-found" and bad["faults"] == 1
PY

# What is compressed as a whole is said to be that, and no damage.
head -c 65536 /dev/zero | gzip >whole.raw.gz
expect 4 check/compressed "$VMLIFT" check whole.raw.gz
