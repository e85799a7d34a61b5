#!/usr/bin/env bash
# map says what qemu-img map says, of files that qemu-img wrote.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3 tar

# The disk: data, zeroes that were written, holes; parts of clusters, and a border between tables.
python3 - <<'PY'
import random
r = random.Random(5)
with open("in.raw", "wb") as f:
    f.truncate(80 << 20)
    for at, n in ((0, 200000), (5 << 20, 3 << 20), ((32 << 20) - 65536, 200000), (80 * 2**20 - 512, 512)):
        f.seek(at)
        f.write(r.randbytes(n))
    f.seek(20 << 20)
    f.write(bytes(1 << 20))
PY

cat >compare.py <<'PY'
# Both maps: well-formed, gapless, and the same once runs with the same answers are merged.
import json, sys
def merged(name):
    out, end = [], 0
    for e in json.load(open(name)):
        assert e["start"] == end and e["length"] > 0, (name, e)
        assert e["depth"] == 0 and isinstance(e["present"], bool), (name, e)
        end += e["length"]
        # qemu-img calls the holes in the file of a fixed VHD data that is zero
        e["data"] = e["data"] and not e["zero"]
        if out and out[-1][2:] == [e["data"], e["zero"]]:
            out[-1][1] += e["length"]
        else:
            out.append([e["start"], e["length"], e["data"], e["zero"]])
    return out, end
ours, theirs = merged(sys.argv[1]), merged(sys.argv[2])
assert ours == theirs, "vmlift: %s\nqemu-img: %s" % (ours, theirs)
assert len(ours[0]) >= int(sys.argv[3]), "only %d runs" % len(ours[0])
PY
# offsets.py FILE MAP DISK: the bytes of each run are in the file where the map has them.
cat >offsets.py <<'PY'
import json, sys
image, disk = open(sys.argv[1], "rb").read(), open(sys.argv[3], "rb").read()
n = 0
for e in json.load(open(sys.argv[2])):
    want = disk[e["start"]:e["start"] + e["length"]]
    assert e["data"] == (not e["zero"]) and not e["compressed"]
    assert ("offset" in e) == e["data"], e
    if e["zero"]:
        assert not any(want), e
    else:
        assert image[e["offset"]:e["offset"] + len(want)] == want, e
        n += 1
assert n >= 3
PY

# same_map FMT FILE RUNS
same_map() {
    run "$VMLIFT" map --json "$2" >ours.json
    qemu-img map --output=json -f "$1" "$2" >theirs.json
    python3 compare.py ours.json theirs.json "$3" || fail "$2: the maps differ"
}

same_map raw in.raw 7
python3 offsets.py in.raw ours.json in.raw
for subformat in monolithicSparse monolithicSparse,zeroed_grain=on; do
    qemu-img convert -f raw -O vmdk -o "subformat=$subformat" in.raw q.vmdk
    same_map vmdk q.vmdk 7
    python3 offsets.py q.vmdk ours.json in.raw
done
# Zeroes that are marked as such are there: present, and no hole.
qemu-img create -q -f vmdk -o subformat=monolithicSparse,zeroed_grain=on zero.vmdk 8M
qemu-io -f vmdk -c 'write -P 7 1M 64k' -c 'write -z 4M 1M' zero.vmdk >/dev/null
same_map vmdk zero.vmdk 3
"$VMLIFT" map zero.vmdk >text.txt
diff - <(awk '{ print $1, $2, $3 }' text.txt) <<'TXT' || fail "$(cat text.txt)"
0 1048576 hole
1048576 65536 data
1114112 3080192 hole
4194304 1048576 zero
5242880 3145728 hole
TXT
qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on in.raw q.vhd
same_map vpc q.vhd 5
python3 offsets.py q.vhd ours.json in.raw
# A fixed VHD has the disk's bytes at its start; the file's holes are qemu's and ours alike.
qemu-img convert -f raw -O vpc -o subformat=fixed,force_size=on in.raw fixed.vhd
same_map vpc fixed.vhd 1

# Compressed: no offset, and one run as long as it stays compressed.
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized in.raw s.vmdk
same_map vmdk s.vmdk 5
python3 - <<'PY'
import json
m = json.load(open("ours.json"))
assert all("offset" not in e and e["compressed"] == e["data"] for e in m), m
assert all(a["data"] != b["data"] for a, b in zip(m, m[1:])), "neighbours of one kind"
PY
"$VMLIFT" map s.vmdk | grep -qE '^ +0 +[0-9]+  data  compressed$' || fail "$("$VMLIFT" map s.vmdk)"

# A machine: its only disk, and each of several.
run "$VMLIFT" convert s.vmdk one.ova
same_machine() {
    python3 - "$1" "$2" <<'PY'
import json, sys
a, b = (json.load(open(n)) for n in sys.argv[1:])
assert [(e["start"], e["length"], e["data"]) for e in a] == [(e["start"], e["length"], e["data"]) for e in b]
PY
}
run "$VMLIFT" map --json one.ova >ova.json
same_machine ova.json ours.json
expect 2 usage/disk "$VMLIFT" map --disk 2 one.ova
cat >two.ovf <<'XML'
<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File ovf:id="a" ovf:href="zero.vmdk"/><File ovf:id="b" ovf:href="s.vmdk"/></References>
  <DiskSection><Info/><Disk ovf:diskId="d1" ovf:fileRef="a" ovf:capacity="8388608"/>
    <Disk ovf:diskId="d2" ovf:fileRef="b" ovf:capacity="83886080"/></DiskSection>
  <VirtualSystem ovf:id="two"><Info/><VirtualHardwareSection><Info/>
    <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
    <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d1</rasd:HostResource>
      <rasd:InstanceID>2</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
    <Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d2</rasd:HostResource>
      <rasd:InstanceID>3</rasd:InstanceID><rasd:Parent>1</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
  </VirtualHardwareSection></VirtualSystem>
</Envelope>
XML
tar cf two.ova --format=ustar two.ovf zero.vmdk s.vmdk
expect 4 package/one-disk "$VMLIFT" map two.ova
run "$VMLIFT" map --json --disk 2 two.ova >ova.json
same_machine ova.json ours.json
run "$VMLIFT" map --disk 1 two.ova | cmp - text.txt || fail "disk 1 has another map in its OVA"

# What is wrong is an error and nothing else.
expect 4 input/needs-file "$VMLIFT" map - < <(cat in.raw)
cp q.vmdk bad.vmdk
python3 - <<'PY'
import struct
f = open("bad.vmdk", "r+b")
h = f.read(512)
gd = struct.unpack_from("<Q", h, 56)[0] * 512
f.seek(gd + 4)
gt = struct.unpack("<I", f.read(4))[0] * 512
f.seek(gt + 511 * 4)
f.write(struct.pack("<I", 0x7fffffff))
PY
expect 3 vmdk/gd-mismatch "$VMLIFT" map --json bad.vmdk
python3 -c 'import json; assert list(json.load(open("stdout"))) == ["error"]' || fail "$(cat stdout)"
