"""VMDK: one file with tables, or a stream with markers."""
import struct
import zlib

from case import GRAINS, MIB, case, put
from disks import (EOS, GD_AT_END, GRAIN, SECTOR, entry_at, grain, grain_at, marker, packed, place,
                   sparse, stream)

# --- VMDK, sparse ---------------------------------------------------------------------------------

GOOD = sparse(MIB, GRAINS)
END = len(GOOD) // SECTOR


def entry(n, sector):
    """The same in both copies: the fault is not that they differ."""
    return put(put(GOOD, "<I", place.gt + 4 * n, sector), "<I", place.rgt + 4 * n, sector)


for version in 0, 4:
    case(f"VMDK version {version}", 4, "vmdk/version", put(GOOD, "<I", 4, version),
         rf"version {version}; 1 to 3")
case("text mode", 3, "vmdk/text-mode", GOOD.replace(b"\n \r\n", b"\n \n\n"),
     r"offset 73 are 0a 20 0a 0a, not 0a 20 0d 0a")
case("not closed", 0, "vmdk/dirty", put(GOOD, "B", 72, 1), r"not closed",
     why="a crash of the writer leaves it; all that can be checked is")
case("unknown flag", 4, "vmdk/flags", put(GOOD, "<I", 8, 0x40003), r"0x00040003")
case("markers, not compressed", 3, "vmdk/flags", put(GOOD, "<I", 8, 0x20003), r"0x00020003")
for sectors in 0, 4, 129, 4096:
    case(f"grains of {sectors} sectors", 3, "vmdk/grain-size", put(GOOD, "<Q", 20, sectors),
         rf"{sectors} sectors; .* from 8 to 2048")
for n in 0, 511, 1024:
    case(f"tables of {n} entries", 3, "vmdk/gt-size", put(GOOD, "<I", 44, n),
         rf"{n} entries, not 512")
for n in 0, 2**62, 2**37 + 1:
    case(f"capacity of {n} sectors", 3, "vmdk/capacity", put(GOOD, "<Q", 12, n),
         rf"{n} sectors; from 1 to {2**37}")
case("capacity without room for its tables", 3, "vmdk/capacity", put(GOOD, "<Q", 12, 2**37),
     r"2097152 directory entries.* file of 262144 bytes",
     check="vmdk/gd-range")
for n in 0, END, 2**32, 2**63:
    case(f"directory at sector {n}", 3, "vmdk/gd-range", put(GOOD, "<Q", 56, n), rf"sector {n}\b")
case("second directory past the end", 3, "vmdk/gd-range", put(GOOD, "<Q", 48, END),
     rf"redundant.* sector {END}: .* {END} sectors")
case("directory on top of the header", 3, "vmdk/gd-range", put(put(GOOD, "<Q", 56, 1), "<Q", 48, 1),
     r"sector 1\b")
for n in END - 3, 2**32 - 1:
    case(f"table at sector {n}", 3, "vmdk/gt-range",
         put(put(GOOD, "<I", place.gd, n), "<I", place.rgd, n),
         rf"table 0 at sector {n}\b.* {END} sectors")
case("grain past the end", 3, "vmdk/grain-range", entry(0, END),
     rf"grain 0.* sector {END} .* \({END} sectors\)")
case("grain far past the end", 3, "vmdk/grain-range", entry(5, 2**32 - 1),
     rf"grain 5.* sector {2**32 - 1} ")
case("grain whose end is past the end", 3, "input/truncated", GOOD[:-SECTOR],
     rf"grain 5: needs {GRAIN} bytes at offset \d+, .* ends at {len(GOOD) - SECTOR}")
for what, at in (("descriptor", 2), ("first directory", 21), ("first table", 23), ("directory", 26),
                 ("table", 30),
                 ("padding", 100)):
    case(f"grain in the {what}", 3, "vmdk/grain-overlap", entry(1, at), rf"grain 1.* sector {at}\b")
case("two grains in one place", 3, "vmdk/grain-dup", entry(7, 256), r"grain 7 at sector 256",
     check="vmdk/grain-overlap")
case("two grains half in one place", 3, "vmdk/grain-dup", entry(7, 300), r"sector 300",
     check="vmdk/grain-overlap")
case("directories that differ", 3, "vmdk/gd-mismatch", put(GOOD, "<I", place.gt + 4 * 3, 256),
     r"table 0 at sector 27 .* sector 22")
case("a table of one directory only", 3, "vmdk/gd-mismatch", put(GOOD, "<I", place.rgd, 0),
     r"table 0")
case("a table of the other directory only", 3, "vmdk/gd-mismatch", put(GOOD, "<I", place.gd, 0),
     r"table 0 at sector 0 .* sector 22")
case("a directory elsewhere, in zeroes", 3, "vmdk/gd-mismatch", put(GOOD, "<Q", 56, 60), r"table 0")
case("zeroes without the flag", 3, "vmdk/zero-gte", entry(3, 1), r"grain 3\b")
case("zeroes with the flag", 0, "", sparse(MIB, GRAINS, zeroes=(3,), flags=7), check=None)
case("descriptor past the end", 3, "input/truncated", put(GOOD, "<Q", 28, 2**20),
     rf"offset {2**29}.* ends at {len(GOOD)}", check="vmdk/desc-range")
case("descriptor at a sector without bounds", 3, "vmdk/desc-range", put(GOOD, "<Q", 28, 2**60),
     rf"sector {2**60}")
case("no grain, cut in the tables", 3, "vmdk/gd-range", GOOD[:place.gd], r"sector 26\b")

# --- VMDK, streamOptimized ------------------------------------------------------------------------

FLOW = stream(MIB, GRAINS)
FRONT = stream(MIB, GRAINS, "vmdktool")
AT = {n: grain_at(FLOW, n) for n in GRAINS}


def with_raw(n, data):
    return stream(MIB, GRAINS, raw={n: data})


both = dict(pipe=(3, "vmdk/footer"))
case("no footer", 3, "vmdk/footer", FLOW[:-3 * SECTOR] + marker(0, EOS), r"footer", **both)
case("footer without its magic", 3, "vmdk/footer", put(FLOW, "4s", -1024, b"XDMV"),
     r"byte 0 \(0x58, not 0x4b\)",
     **both)
case("footer with another marker", 3, "vmdk/footer", put(FLOW, "<I", -1536 + 12, 9), r"footer",
     pipe=(3, "vmdk/marker"))
case("footer with another capacity", 3, "vmdk/footer", put(FLOW, "<Q", -1024 + 12, 4096),
     r"byte 13 \(0x10, not 0x08\)", **both)
case("footer that points to a footer", 3, "vmdk/footer", put(FLOW, "<Q", -1024 + 56, GD_AT_END),
     r"to a footer again",
     **both)
case("footer with another directory", 3, "vmdk/gd-range", put(FLOW, "<Q", -1024 + 56, 2**32 - 1),
     rf"sector {2**32 - 1}\b",
     check="vmdk/footer", **both)
case("no end marker", 3, "input/truncated", FLOW[:-SECTOR], r"end", pipe=(3, "input/truncated"))
case("other end marker", 3, "input/truncated", put(FLOW, "<I", -512 + 12, 9), r"end-of-stream",
     pipe=(3, "vmdk/marker"))
case("bytes behind the end", 3, "input/truncated", FLOW + b"x" * SECTOR, r"end-of-stream",
     pipe=(3, "vmdk/footer"))
case("marker of no known type", 0, "",
     stream(MIB, GRAINS, progress=(1,)).replace(marker(0, 4), marker(0, 5)),
     check="vmdk/marker", pipe=(3, "vmdk/marker"),
     why="the tables of a file lead around it; a pipe has nothing else to go by, and check reads "
         "all")
case("progress marker", 0, "", stream(MIB, GRAINS, progress=(1,)), check=None, pipe=(0, ""))
sparse_lba = dict(pipe=(3, "vmdk/lba"))
case("grain that is not aligned", 3, "vmdk/lba", put(FLOW, "<Q", AT[1], 129),
     rf"offset {AT[1]} .* sector 129 .* multiple of 128 below 2048",
     check="vmdk/lba-gte", **sparse_lba)
case("grain behind the disk's end", 3, "vmdk/lba", put(FLOW, "<Q", AT[5], 2048),
     r"sector 2048 .* below 2048",
     check="vmdk/lba-gte", **sparse_lba)
case("grain that comes twice", 3, "vmdk/lba-gte", put(FLOW, "<Q", AT[1], 0),
     rf"offset {AT[1]} is for sector 0 .* do not lead", **sparse_lba)
case("grain of another place", 3, "vmdk/lba-gte", put(FLOW, "<Q", AT[5], 6 * 128),
     rf"offset {AT[5]} is for sector 768 .* do not lead",
     pipe=(3, "vmdk/lba-gte"))
for n in 0, 1, 5:
    case(f"grain {n} that no table has", 3, "vmdk/lba-gte", put(FLOW, "<I", entry_at(FLOW, n), 0),
         rf"offset {AT[n]} is for sector {n * 128} .* do not lead to it", pipe=(3, "vmdk/lba-gte"))
case("grains in no order", 0, "", stream(MIB, GRAINS, order=(5, 0, 1)), check="vmdk/pipe-order",
     pipe=(4, "vmdk/pipe-order"))
case("grain of no bytes", 3, "vmdk/marker-size", put(FLOW, "<I", AT[1] + 8, 0),
     rf"offset {AT[1]} .* 0 bytes; from 1 to {2 * GRAIN}",
     check="vmdk/marker", pipe=(3, "vmdk/marker"))
case("grain of 4 GiB", 3, "vmdk/marker-size", put(FLOW, "<I", AT[1] + 8, 2**32 - 1),
     rf"{2**32 - 1} bytes; from 1 to {2 * GRAIN}",
     pipe=(3, "vmdk/marker-size"))
case("grain whose bytes end behind the file, by its marker's twelve", 3, "input/truncated",
     put(FLOW, "<I", AT[5] + 8, len(FLOW) - AT[5] - 11),
          rf"needs {len(FLOW) - AT[5] + 1} bytes at offset {AT[5]}, .* ends at {len(FLOW)}",
     pipe=(3, "input/truncated"))
case("grain that is no zlib stream", 3, "vmdk/inflate", put(FLOW, "B", AT[1] + 12, 0),
     rf"byte {GRAIN} of the disk",
     pipe=(3, "vmdk/inflate"))
adler = AT[5] + 12 + struct.unpack_from("<I", FLOW, AT[5] + 8)[0] - 1
case("grain with a wrong Adler sum", 3, "vmdk/inflate", put(FLOW, "B", adler, FLOW[adler] ^ 1),
     rf"byte {5 * GRAIN} of the disk",
     pipe=(3, "vmdk/inflate"))
case("grain that inflates to more", 3, "vmdk/grain-len", with_raw(1, packed(1, grain(1) + b"x")),
     rf"byte {GRAIN} of the disk.* {GRAIN}", pipe=(3, "vmdk/grain-len"))
case("grain that inflates to 64 MiB", 3, "vmdk/grain-len", with_raw(1, packed(1, bytes(64 * MIB))),
     rf"{GRAIN}",
     pipe=(3, "vmdk/grain-len"))
case("grain that inflates to less", 3, "vmdk/grain-len", with_raw(1, packed(1, grain(1)[:-1])),
     rf"byte {GRAIN} of the disk.* {GRAIN}", pipe=(3, "vmdk/grain-len"))
case("bytes behind a grain's stream", 3, "vmdk/trailing",
     with_raw(1, packed(1, grain(1), len(zlib.compress(grain(1))) + 1)),
     rf"{len(zlib.compress(grain(1))) + 1} bytes are stored, "
     rf".* after {len(zlib.compress(grain(1)))}",
          pipe=(3, "vmdk/trailing"))
case("algorithm 2", 4, "vmdk/compression", put(FLOW, "<H", 77, 2), r"algorithm 2; 1 ",
     pipe=(4, "vmdk/compression"))
case("tables in front, the last grain cut", 3, "vmdk/grain-range",
     stream(MIB, GRAINS, "open-vmdk")[:grain_at(stream(MIB, GRAINS, "open-vmdk"), 5)],
     r"grain 5", pipe=(3, "input/truncated"))
