"""QCOW2: header, tables, entries.  The disk is made by the specification, field by field: clusters
of 4 KiB, of which the first ones are header, refcount table, refcount block, L1 table, L2 table,
then the disk's."""
import struct
import zlib

from case import MIB, case, put
from disks import grain

CL = 4096
L1, L2, DATA = 3 * CL, 4 * CL, 5 * CL
COPIED, PACKED = 1 << 63, 1 << 62


def raw_deflate(data):
    c = zlib.compressobj(wbits=-12)
    return c.compress(data) + c.flush()


def qcow2(entries=None, version=3, size=MIB, backing=b"", extensions=b"", **header):
    """entries: of the L2 table, by the number of the cluster."""
    field = dict(crypt=0, l1_size=1, l1=L1, refs=CL, ref_clusters=1, snapshots=0, incompatible=0,
                 order=4, length=104,
                 bits=12, name_at=1024 if backing else 0, name_len=len(backing))
    field.update(header)
    f = field
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, f["name_at"], f["name_len"],
                       f["bits"], size, f["crypt"],
                       f["l1_size"], f["l1"], f["refs"], f["ref_clusters"], f["snapshots"], 0)
    if version >= 3:
        head += struct.pack(">QQQII", f["incompatible"], 0, 0, f["order"], f["length"])
    head += extensions
    out = bytearray(8 * CL)
    out[:len(head)] = head
    out[1024:1024 + len(backing)] = backing
    struct.pack_into(">Q", out, CL, 2 * CL)
    struct.pack_into(">8H", out, 2 * CL, *[1] * 8)
    struct.pack_into(">Q", out, L1, L2 | COPIED)
    if entries is None:
        entries = {0: DATA | COPIED, 1: (DATA + CL) | COPIED, 9: (DATA + 2 * CL) | COPIED}
    for n, entry in entries.items():
        struct.pack_into(">Q", out, L2 + 8 * n, entry)
    out[DATA:] = grain(0)[:3 * CL]
    return out


def extension(kind, data):
    return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)


GOOD = qcow2()
case("QCOW2 as it should be", 0, "", GOOD, check=None, pipe=(4, "qcow2/needs-seek"))
case("QCOW2 of version 2", 0, "", qcow2(version=2), check=None)
case("QCOW of version 1", 4, "image/foreign", qcow2(version=1), r"QCOW image of version 1")
for n in 0, 4, 2**32 - 1:
    case(f"QCOW2 of version {n}", 4, "qcow2/version", qcow2(version=n), rf"version {n}\b")
case("QCOW2 shorter than its header", 3, "input/truncated", GOOD[:71])
case("QCOW2 shorter than its header of version 3", 3, "input/truncated", GOOD[:103])
case("VHD called a QCOW2", 3, "qcow2/magic", bytes(4096), r"QFI", args=("-f", "qcow2"))
for bit in 5, 63:
    case(f"QCOW2 with feature {bit}", 4, "qcow2/feature", qcow2(incompatible=1 << bit),
         rf"bit {bit}\b")
case("QCOW2 that is marked as corrupt", 3, "qcow2/corrupt", qcow2(incompatible=2))
case("QCOW2 with a data file", 4, "qcow2/data-file", qcow2(incompatible=4), r"another file")
case("QCOW2 that was not closed", 0, "qcow2/dirty", qcow2(incompatible=1),
     why="reading needs no reference counts")
case("QCOW2 with snapshots", 0, "qcow2/snapshots", qcow2(snapshots=2), r"2 internal",
     why="the disk as it is now is read")
case("QCOW2 with a compression type, and no bit for it", 4, "qcow2/compression-type",
     put(qcow2(length=112), "B", 104, 1),
     r"type 1.*not set")
case("QCOW2 of compression type 2", 4, "qcow2/compression-type",
     put(qcow2(length=112, incompatible=8), "B", 104, 2),
     r"type 2")
for method in 1, 2:
    case(f"QCOW2 encrypted by method {method}", 4, "qcow2/encrypted", qcow2(crypt=method),
         rf"method {method}")
for bits in 0, 8, 22, 32, 2**32 - 1:
    case(f"QCOW2 with clusters of 2^{bits}", 3, "qcow2/cluster-size", qcow2(bits=bits),
         rf"2\^{bits} bytes; from 2\^9 to 2\^21")
case("QCOW2 with subclusters too small", 3, "qcow2/cluster-size", qcow2(incompatible=16),
     r"from 2\^14")
for length in 0, 103, 108, 8192, 2**32 - 8:
    case(f"QCOW2 with a header of {length} bytes", 3, "qcow2/header-length", qcow2(length=length),
         rf"\b{length} bytes")
case("QCOW2 with counts of 2^7 bits", 3, "qcow2/refcount-order", qcow2(order=7), r"2\^7")
case("QCOW2 of no size", 3, "image/size", qcow2(size=0), r"0 bytes", check=None)
for size in (64 << 40) + 512, 2**63, 2**64 - 1:
    case(f"QCOW2 of {size} bytes", 3, "qcow2/size", qcow2(size=size), rf"{size} bytes; at most")
case("QCOW2 with too small an L1 table", 3, "qcow2/l1-size", qcow2(size=3 * MIB),
     r"1 entries; from 2")
for n in 0, (32 << 20) // 8 + 1, 2**32 - 1:
    case(f"QCOW2 with {n} L1 entries", 3, "qcow2/l1-size", qcow2(l1_size=n), rf"\b{n} entries")
case("QCOW2 of 64 TiB", 3, "qcow2/l1-size", qcow2(size=64 << 40, l1_size=(32 << 20) // 8),
     r"from 33554432")
for at in 0, 512, L1 + 512, 2**20, 2**63, 2**64 - CL:
    case(f"QCOW2 with the L1 table at {at}", 3, "qcow2/l1-range", qcow2(l1=at), rf"offset {at}\b")
    case(f"QCOW2 with the refcount table at {at}", 3, "qcow2/refcount-table", qcow2(refs=at),
         rf"offset {at}\b")
case("QCOW2 with a refcount table of 2^32-1 clusters", 3, "qcow2/refcount-table",
     qcow2(ref_clusters=2**32 - 1))
case("QCOW2 with two tables in one place", 3, "qcow2/l1-range", qcow2(refs=L1),
     r"refcount table at 12288")
for at in L2 | 1 << 56, L2 | 1, L2 + 512:
    case(f"QCOW2 with L1 entry {at:x}", 3, "qcow2/l1-entry", put(GOOD, ">Q", L1, at), rf"{at:016x}")
for at in 0x800000, (1 << 56) - CL:
    case(f"QCOW2 with the L2 table at {at}", 3, "qcow2/l2-range", put(GOOD, ">Q", L1, at),
         rf"offset {at}\b.*ends at 32768")
for at in CL, L1:
    case(f"QCOW2 with the L2 table in the one at {at}", 3, "qcow2/l2-range",
         put(GOOD, ">Q", L1, at), r"inside the header or")
for entry in DATA | 2, DATA | 1 << 56, DATA + 512, COPIED:
    case(f"QCOW2 with L2 entry {entry:x}", 3, "qcow2/l2-entry", qcow2({0: entry}),
         rf"cluster 0 is {entry:016x}")
case("QCOW2 of version 2 with zero clusters", 3, "qcow2/l2-entry", qcow2({0: 1}, version=2))
case("QCOW2 with zero clusters", 0, "", qcow2({0: 1, 1: DATA | 1}), check="qcow2/leak")
for at in 0x800000, (1 << 56) - CL:
    case(f"QCOW2 with a cluster at {at}", 3, "qcow2/cluster-range", qcow2({3: at}),
         rf"cluster 3 .* {at}, .* ends at 32768")
for at in CL, L1:
    case(f"QCOW2 with a cluster in the table at {at}", 3, "qcow2/cluster-range", qcow2({3: at}),
         r"inside the header or")
case("QCOW2 cut in a cluster", 3, "qcow2/cluster-range", GOOD[:-1], r"cluster 9 .* ends at 32767")
case("QCOW2 cut behind the disk's end", 0, "", qcow2({255: DATA + 2 * CL}, size=MIB - 512)[:-512],
     check="qcow2/leak",
     why="the last cluster has no more of the disk than the file has of it")
PIECES = [raw_deflate(data) for data in (grain(5)[:CL], bytes(CL), grain(5)[:CL + 1],
                                         grain(5)[:CL - 1])]


def packed(data, sectors=7, at=DATA + 100):
    return put(qcow2({2: PACKED | sectors << 58 | at}), f"{len(data)}s", at, data)


case("QCOW2 with a compressed cluster", 0, "", packed(PIECES[0]), check="qcow2/leak")
case("QCOW2 with a compressed cluster of zeroes", 0, "", packed(PIECES[1]), check="qcow2/leak")
BAD = (("too long", PIECES[2]), ("too short", PIECES[3]), ("damaged", b"\xff" * 500),
       ("cut", PIECES[0][:90] + bytes(4000)))
for what, data in BAD:
    case(f"QCOW2 with a compressed cluster that is {what}", 3, "qcow2/compressed", packed(data),
         r"byte 8192 of the disk",
         check="qcow2/leak", why="check looks at tables, and not into the disk")
case("QCOW2 with a compressed cluster told too short", 3, "qcow2/compressed",
     packed(PIECES[0], sectors=0), check="qcow2/leak")
case("QCOW2 with a compressed cluster behind the end", 3, "qcow2/cluster-range",
     qcow2({2: PACKED | 9 << 40}), r"cluster 2 ")
case("QCOW2 with a compressed cluster in the header", 3, "qcow2/cluster-range",
     qcow2({2: PACKED | 100}), r"inside the header")
case("QCOW2 with zstd clusters that are none", 3, "qcow2/compressed",
     put(put(packed(b""), ">Q", 72, 8), ">IB", 100, 112, 1), r"zstd", check="qcow2/leak")
EXTENDED = put(put(put(qcow2(size=CL), ">I", 20, 14), ">Q", 72, 16), ">QQ", 40, 1 << 14,
               2 << 14) + bytes(5 << 14)
EXTENDED = put(put(EXTENDED, ">Q", 1 << 14, 3 << 14), ">Q", 2 << 14, 0)
for entry, bits in (4 << 14, 1 << 32 | 1), (0, 1), (4 << 14 | 1, 1), (PACKED | 4 << 14, 1):
    case(f"QCOW2 with subclusters {entry:x} {bits:x}", 3, "qcow2/l2-entry",
         put(EXTENDED, ">QQ", 3 << 14, entry, bits),
         r"cluster 0 ")
case("QCOW2 child", 4, "image/parent", qcow2(backing=b"base.raw"), r"'base.raw'.*--parent",
     check=None)
for name, at, length in ((b"x", 100, 1), (b"x", CL, 1), (b"x", 2**64 - 1, 1), (b"x", 1024, 0),
                         (b"x" * 1024, 1024, 1024)):
    case(f"QCOW2 with {length} bytes of backing name at {at}", 3, "qcow2/backing-name",
         qcow2(backing=name, name_at=at, name_len=length), rf"\b{length} bytes at offset {at}\b")
case("QCOW2 with a zero in the backing name", 3, "qcow2/backing-name", qcow2(backing=b"a\0b"),
     r"zero byte")
case("QCOW2 with a backing format too long", 3, "qcow2/backing-format",
     qcow2(extensions=extension(0xe2792aca, b"x" * 16)))
for length in CL, 2**32 - 1:
    case(f"QCOW2 with an extension of {length} bytes", 3, "qcow2/extension",
         qcow2(extensions=struct.pack(">II", 7, length)), rf"00000007 has {length} bytes")
case("QCOW2 with unknown extensions", 0, "",
     qcow2(extensions=extension(7, b"x" * 9) + extension(8, b"")), check=None)
# what only check sees: whoever reads the disk needs none of it
case("QCOW2 with one cluster twice", 0, "", qcow2({0: DATA, 1: DATA}), check="qcow2/overlap")
case("QCOW2 with the L2 table for a cluster", 0, "", qcow2({0: L2}), check="qcow2/overlap")
case("QCOW2 with a count too low", 0, "", put(GOOD, ">H", 2 * CL + 10, 0), check="qcow2/refcount")
case("QCOW2 with a count too high", 0, "", put(GOOD, ">H", 2 * CL + 10, 2), check="qcow2/leak")
case("QCOW2 with a refcount block nowhere", 0, "", put(GOOD, ">Q", CL, 2**40),
     check="qcow2/refcount-block")
