#!/usr/bin/env bash
# VMDK whose data is in other files: what qemu-img writes, what it reads wrongly, and what is refused.
. "$(dirname "$0")/../functions.sh"
requires qemu-img python3

python3 - <<'PY'
import random
r = random.Random(23)
with open("in.raw", "wb") as f:
    f.truncate(5 << 20)
    f.write(r.randbytes(200000))
    f.seek(700001)
    f.write(b"all work and no play " * 9000)
    f.seek((5 << 20) - 512)
    f.write(r.randbytes(512))
with open("big.raw", "wb") as f: # three extents of 2 GB
    f.truncate((4 << 30) + (3 << 20))
    for at in 0, (2 << 30) - (1 << 20), (2 << 30) + 4096, (4 << 30) - 2**21:
        f.seek(at)
        f.write(r.randbytes(3 << 19))
PY

# reads FILE RAW [SUBFORMAT]
reads() {
    run "$VMLIFT" convert "$1" got.raw
    cmp "$2" got.raw || fail "$1 is not $2"
    [ $# -lt 3 ] || "$VMLIFT" info "$1" | grep -qF "($3)" || fail "$1 is not called $3"
    rm got.raw
}

# describe NAME TYPE LINE...: a descriptor
describe() {
    local name=$1 type=$2
    shift 2
    { printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="%s"\n' "$type"
      printf '%s\n' "$@" 'ddb.adapterType = "lsilogic"'
    } >"$name"
}

# --- what qemu-img writes --------------------------------------------------------------------------

for subformat in monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
    mkdir $subformat
    qemu-img convert -f raw -O vmdk -o subformat=$subformat in.raw $subformat/disk.vmdk
    reads $subformat/disk.vmdk in.raw $subformat
    # the other spelling, in capitals, with the line ends of Windows
    tr -d '\0' <$subformat/disk.vmdk |
        sed 's/"twoGb/"2Gb/; s/^createType/CREATETYPE/; s/$/\r/' >$subformat/dos.vmdk
    reads $subformat/dos.vmdk in.raw $subformat
    # from another folder, and to another VMDK
    (cd / && run "$VMLIFT" convert "$tmp/$subformat/disk.vmdk" "$tmp/again.vmdk")
    run qemu-img compare -q -F raw again.vmdk in.raw
    rm again.vmdk
done
mkdir big
for subformat in twoGbMaxExtentSparse twoGbMaxExtentFlat; do
    qemu-img convert -f raw -O vmdk -o subformat=$subformat big.raw big/disk.vmdk
    [ "$(grep -c '^RW' big/disk.vmdk)" -eq 3 ] || fail "not three extents: $(cat big/disk.vmdk)"
    run "$VMLIFT" convert big/disk.vmdk got.raw
    run qemu-img compare -q -f raw -F raw big.raw got.raw
    rm got.raw
    # Cut between two extents it would be a shorter disk.
    for last in 1 2 3; do
        sed "/00$last\\.vmdk/q" big/disk.vmdk >big/cut.vmdk
        expect 3 vmdk/desc-end "$VMLIFT" convert big/cut.vmdk got.raw
        expect 1 "" "$VMLIFT" check big/cut.vmdk
        grep -qF '[vmdk/desc-end]' stdout || fail "check does not find it: $(cat stdout)"
    done
    rm big/*
done
rm big.raw

# ESX's own names for flat files: no offset.  qemu-img is of one mind.
cp in.raw esx-flat.vmdk
for type in vmfs vmfsThin vmfsPreallocated vmfsEagerZeroedThick; do
    describe esx.vmdk $type 'encoding="windows-1252"' 'RW 10240 VMFS "esx-flat.vmdk"' '# The Disk Data Base' \
        '#DDB'
    reads esx.vmdk in.raw vmfs
done
describe esx.vmdk vmfs 'RW 10240 VMFS "esx-flat.vmdk"'
run qemu-img compare -q -f vmdk -F raw esx.vmdk in.raw

# ESX's redo logs, which nothing here writes, made by hand; qemu-img reads them and is of one mind.
python3 - <<'PY'
import random, struct
r = random.Random(5)
disk = open("in.raw", "rb").read() + bytes(512) + b"end" * 512    # ends inside a grain of 4 KiB
disk = disk.ljust(-(-len(disk) // 512) * 512, b"\0")
def split(size):
    return {i // size: disk[i:i + size] for i in range(0, len(disk), size) if any(disk[i:i + size])}
def up(n, size):
    return -(-n // size)
open("log.raw", "wb").write(disk)
for grain in 512, 4096:                                            # COWD
    data, tables = split(grain), up(up(len(disk), grain), 4096)
    out = bytearray(5 * 512)
    struct.pack_into("<4s7I", out, 0, b"COWD", 1, 3, len(disk) // 512, grain // 512, 4, tables, 0)
    for t in sorted({g // 4096 for g in data}):
        struct.pack_into("<I", out, 4 * 512 + t * 4, len(out) // 512)
        table = len(out)
        out += bytes(4096 * 4)
        mine = [g for g in data if g // 4096 == t]
        middle = len(mine) // 2
        for g in mine[middle:] + mine[:middle]:
            struct.pack_into("<I", out, table + g % 4096 * 4, len(out) // 512)
            out += data[g].ljust(grain, b"\0")
    open(f"cowd{grain}-delta.vmdk", "wb").write(out)
# seSparse: the same disk, and beyond it grains of zeroes, unmapped, and one far up in the file
size = 20 << 20
data, tables = split(4096), 2
gd, gt, grains = 2, 16, 16 + 64 * tables
out = bytearray(grains * 512)
struct.pack_into("<10Q", out, 0, 0xcafebabe, 0x200000001, size // 512, 8, 64, 0, 0, 0, 0, 0)
struct.pack_into("<16Q", out, 80, 1, 1, 3, 1, 4, 1, gd, 1, gt, 64 * tables, 10, 1, 11, 1, grains, 48000)
struct.pack_into("<4Q", out, 512, 0xcafecafe, 0, 1, 0)
for t in range(tables):                                            # the tables in reverse
    struct.pack_into("<Q", out, gd * 512 + t * 8, 0x10000000 << 32 | (tables - 1 - t))
def entry(g, value):
    struct.pack_into("<Q", out, (gt + 64 * (tables - 1 - g // 4096)) * 512 + g % 4096 * 8, value)
def place(g, number, what):
    entry(g, 3 << 60 | (number & 0xfff) << 48 | number >> 12)
    at = grains * 512 + number * 4096
    out.extend(bytes(max(0, at + 4096 - len(out))))
    out[at:at + len(what)] = what
for n, g in enumerate(data):
    place(g, n, data[g])
entry(4096, 2 << 60)
entry(4097, 1 << 60)
far = r.randbytes(4096)
place(4098, 5000, far)
open("se-sesparse.vmdk", "wb").write(out)
whole = bytearray(disk.ljust(size, b"\0"))
whole[4098 * 4096:4099 * 4096] = far
open("se.raw", "wb").write(whole)
PY
for grain in 512 4096; do
    describe cowd.vmdk vmfsSparse "RW $(($(stat -c %s log.raw) / 512)) VMFSSPARSE \"cowd$grain-delta.vmdk\""
    run qemu-img compare -q -F raw cowd.vmdk log.raw
    reads cowd.vmdk log.raw vmfsSparse
done
for type in vmfsSeSparse seSparse; do
    describe se.vmdk $type 'RW 40960 SESPARSE "se-sesparse.vmdk"'
    reads se.vmdk se.raw seSparse
done
run qemu-img compare -q -F raw se.vmdk se.raw

# --- what qemu-img 7.2 reads wrongly, with exit status 0 -------------------------------------------

# ZERO between two FLAT: it is left out there, and what follows moves forward.
head -c 1M in.raw >one.bin
tail -c 1M in.raw >two.bin
{ cat one.bin; head -c 1M /dev/zero; cat two.bin; } >want.raw
describe zero.vmdk custom 'RW 2048 FLAT "one.bin" 0' 'RW 2048 ZERO' 'RW 2048 FLAT "two.bin"'
reads zero.vmdk want.raw custom
# RDONLY is left out there as well.
cat one.bin two.bin >want.raw
describe rdonly.vmdk twoGbMaxExtentFlat 'RDONLY 2048 FLAT "one.bin" 0' 'RW 2048 FLAT "two.bin" 0'
reads rdonly.vmdk want.raw twoGbMaxExtentFlat
# Two pieces of one file, the other way round, from a folder beneath.
mkdir sub
cat two.bin one.bin >sub/both.bin
describe offset.vmdk custom 'RW 2048 FLAT "sub/both.bin" 2048' 'RW 2048 FLAT "sub/both.bin" 0'
reads offset.vmdk want.raw

# refused STATUS SLUG FILE: and there is no output
refused() {
    expect "$1" "$2" "$VMLIFT" convert "$3" no.raw
    [ ! -e no.raw ] || fail "$3: refused, and yet there is an output"
}

# A sparse extent cut short: zeroes there.
cp -r twoGbMaxExtentSparse cut
truncate -s -64K cut/disk-s001.vmdk
expect 3 "" "$VMLIFT" convert cut/disk.vmdk no.raw
grep -qE 'disk-s001.vmdk.*\[(vmdk/grain-range|input/truncated)\]' stderr || fail "$(cat stderr)"
# poke FILE OFFSET HEX
poke() {
    python3 - "$@" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    f.write(bytes.fromhex(sys.argv[3]))
PY
}
# A table entry of 1 without the flag that makes it zeroes: the descriptor's text there.
qemu-img convert -f raw -O vmdk in.raw gte.vmdk
cp gte.vmdk cut.vmdk
table=$(python3 -c 'import struct
d = open("gte.vmdk", "rb").read()
for gd in struct.unpack_from("<QQ", d, 48):
    print(struct.unpack_from("<I", d, gd * 512)[0] * 512)')
for at in $table; do
    poke gte.vmdk "$at" 01000000
done
refused 3 vmdk/zero-gte gte.vmdk
truncate -s -64K cut.vmdk
refused 3 vmdk/grain-range cut.vmdk
# A grain whose marker is of another place on the disk: that grain there.
run "$VMLIFT" convert in.raw lba.vmdk
poke lba.vmdk 65536 8000000000000000
refused 3 vmdk/lba-gte lba.vmdk

# --- a stranger's descriptor -----------------------------------------------------------------------

ln -s /etc/passwd link-flat.vmdk
ln -s in.raw inside-flat.vmdk
for name in /etc/passwd ../../../../../../../etc/passwd "sub/../one.bin" link-flat.vmdk inside-flat.vmdk \
    'C:\one.bin' 'sub\one.bin' 'json:{}' nbd://localhost/x \
    http://localhost/x one%2ebin ''; do
    describe passwd.vmdk monolithicFlat "RW 2 FLAT \"$name\" 0"
    refused 5 vmdk/extent-path passwd.vmdk
done
describe passwd.vmdk monolithicFlat 'RW 2 FLAT "/dev/zero" 0'
refused 5 vmdk/extent-path passwd.vmdk
describe self.vmdk monolithicFlat 'RW 0 FLAT "self.vmdk" 0'
refused 3 vmdk/extent-size self.vmdk
sed -i 's/RW 0/RW 1/' self.vmdk
truncate -s 512 self.vmdk
refused 3 vmdk/nested self.vmdk
describe nested.vmdk custom 'RW 2048 SPARSE "zero.vmdk"'
refused 3 vmdk/nested nested.vmdk
describe nested.vmdk custom 'RW 10240 SPARSE "again.vmdk"'
qemu-img convert -f raw -O vmdk in.raw again.vmdk
refused 3 vmdk/nested nested.vmdk

# --- names in other encodings ----------------------------------------------------------------------

# The bytes as they stand come first, then the same name in UTF-8.  Some characters end in 0x5c,
# which is no backslash there.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$tests python3 - <<'PY'
import os, subprocess
from disks import descriptor
vmlift = os.environ["VMLIFT"]
one, two = b"1" * 1024, b"2" * 1024
os.mkdir("names")
os.chdir("names")

def write(name, data):
    with open(name, "wb") as f:
        f.write(data)

def convert(encoding, name, status, slug="", say=""):
    extent = b'RW 2 FLAT "' + name + b'" 0\nddb.adapterType = "ide"\n'
    extra = f'encoding="{encoding}"\n' if encoding else ""
    write("disk.vmdk", descriptor("monolithicFlat", extra=extra, end="") + extent)
    p = subprocess.run((vmlift, "convert", "--force", "disk.vmdk", "got.raw"), stderr=subprocess.PIPE)
    said = p.stderr.decode(errors="surrogateescape")
    print(encoding, name, p.returncode, ascii(said))
    assert p.returncode == status and (f"[{slug}]" in said if slug else said == "") and say in said
    if status == 0:
        with open("got.raw", "rb") as f:
            return f.read()

for encoding, codec, name in (
        ("Shift_JIS", "cp932", "\u8868\u793a\u30bd.bin"), ("shift_jis", "cp932", "\u9ad9\u2460\u8868.bin"),
        ("GBK", "gbk", "\u661e\u5929.bin"), ("Big5", "big5", "\u6210\u529f.bin"),
        ("WINDOWS-1252", "cp1252", "B\u00fcro \u20ac.bin")):
    there, utf8 = name.encode(codec), name.encode()
    assert (b"\\" in there) == (codec != "cp1252")
    convert(encoding, there, 6, "io/not-found", f"'{name}'")
    write(utf8, one)
    assert convert(encoding, there, 0) == one
    for other in "UTF-8", "x-unknown", "":
        if b"\\" in there:
            convert(other, there, 5, "vmdk/extent-path")
        else:
            convert(other, there, 6, "io/not-found")
    write(there, two)
    assert convert(encoding, there, 0) == two
    os.remove(utf8)
    assert convert(encoding, there, 0) == two
    os.rename(there, "target")
    os.symlink("target", utf8)
    convert(encoding, there, 5, "vmdk/extent-path")
    os.remove(utf8)
    write(utf8, one)
    assert convert("utf-8", utf8, 0) == one and convert("", utf8, 0) == one
    # half a character: not in that encoding, so bytes and nothing else
    write(b"x\xe9", two)
    assert convert(encoding, b"x\xe9", 0) == two
    os.remove(b"x\xe9")
    for bad in b"sub\\one.bin", there + b"\\one.bin", b"/etc/passwd", b"..\\x":
        convert(encoding, bad, 5, "vmdk/extent-path")
PY

# What is missing is named, with its size.
describe missing.vmdk vmfs 'RW 10240 VMFS "missing-flat.vmdk"'
refused 6 io/not-found missing.vmdk
grep -q "'missing-flat.vmdk'.* 5242880 bytes" stderr || fail "not named: $(cat stderr)"
describe short.vmdk monolithicFlat 'RW 2049 FLAT "one.bin" 0'
refused 3 input/truncated short.vmdk
describe short.vmdk monolithicFlat 'RW 2048 FLAT "one.bin" 1'
refused 3 input/truncated short.vmdk
for type in vmfsRaw vmfsRDM vmfsRDMP fullDevice partitionedDevice; do
    describe device.vmdk $type 'RW 2048 VMFSRAW "one.bin"'
    refused 4 vmdk/extent-type device.vmdk
done
describe device.vmdk custom 'RW 2048 VMFSRDM "one.bin"'
refused 4 vmdk/extent-type device.vmdk
describe noaccess.vmdk custom 'NOACCESS 2048 FLAT "one.bin" 0'
refused 4 vmdk/no-access noaccess.vmdk
{ cat zero.vmdk; head -c 65536 /dev/zero | tr '\0' '#'; } >large.vmdk
refused 3 vmdk/desc-size large.vmdk
{ cat zero.vmdk; printf '\0RW 2 ZERO\n'; } >nul.vmdk
refused 3 vmdk/desc-line nul.vmdk

expect 4 vmdk/subformat "$VMLIFT" convert se-sesparse.vmdk no.raw
expect 4 vmdk/subformat "$VMLIFT" convert cowd512-delta.vmdk no.raw
cp se-sesparse.vmdk journal.vmdk
poke journal.vmdk $((512 + 24)) 01
describe bad.vmdk seSparse 'RW 40960 SESPARSE "journal.vmdk"'
refused 4 vmdk/journal bad.vmdk
truncate -s -4096 se-sesparse.vmdk
refused 3 vmdk/grain-range se.vmdk
truncate -s -512 cowd4096-delta.vmdk
refused 3 input/truncated cowd.vmdk

# In a pipe there is nothing beside it, nor in a package.
expect 4 input/no-folder "$VMLIFT" convert -f vmdk - no.raw < <(cat esx.vmdk)
grep -qF esx-flat.vmdk stderr || fail "what it needs is not named: $(cat stderr)"
run "$VMLIFT" convert in.raw machine.ova
tar xf machine.ova
disk=$(tar tf machine.ova | grep vmdk)
cp esx.vmdk "$disk"
rm ./*.mf
tar cf text.ova ./*.ovf "$disk" esx-flat.vmdk --transform 's|^\./||'
refused 4 input/no-folder text.ova
grep -qF esx-flat.vmdk stderr || fail "what it needs is not named: $(cat stderr)"

# --- children --------------------------------------------------------------------------------------

# Their holes are the parent's: without it they are refused, and the parent is named.
for subformat in monolithicSparse twoGbMaxExtentSparse; do
    rm -rf child
    mkdir child
    qemu-img create -q -f vmdk -o subformat=$subformat -F vmdk -b "$tmp/again.vmdk" child/disk.vmdk ||
        fail "qemu-img makes no $subformat child"
    refused 4 image/parent child/disk.vmdk
    grep -qF again.vmdk stderr || fail "the parent is not named: $(cat stderr)"
done
if [ -e no.raw ]; then
    fail "refused, and yet there is an output"
fi
