"""VHDX: headers, region tables, metadata, block table, log, parent locator."""
import struct
import uuid
import zlib

import case as table
from case import MIB
from vhdx_disks import (BAT, BLOCKS, HEADERS, LOG, METADATA, PARAMS, PHYSICAL, REGIONS, SECTOR,
                        SIZE, TABLES, UNMAPPED, entry,
                        item, log, put, vhdx)

DISK = 3 * MIB


def case(name, status, slug, data, *more, **words):
    """These files have some MiB each, nearly all zeroes: they are kept packed, since
    run.py's own memory counts as the program's."""
    packed = zlib.compress(data, 1)

    def make(path):
        rest, unpack = packed, zlib.decompressobj()
        with open(path, "wb") as f:
            while rest:
                f.write(unpack.decompress(rest, MIB))
                rest = unpack.unconsumed_tail
    table.case(name, status, slug, None, *more, **words, make=make)


FULL = {0: b"zero" * 1000, 2: b"two" * 1000}
OTHER = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


def poke(data, fmt, at, *values):
    struct.pack_into(fmt, data, at, *values)
    return data


def new(**more):
    return vhdx(DISK, FULL, **more)


def bat(n, value):
    return poke(new(), "<Q", BAT + 8 * n, value)


END = BLOCKS + 2 * MIB
case("VHDX", 0, "", new())
case("VHDX by its mark alone", 3, "input/truncated", bytearray(b"vhdxfile".ljust(4096, b"\0")),
     r"4096 bytes at offset 65536")
case("VHDX that is none", 3, "vhdx/signature", poke(new(), "8s", 0, b"vhdxfilf"), r"vhdxfile",
     args=("-f", "vhdx"))
case("VHDX from a pipe", 0, "", new(), pipe=(4, "vhdx/needs-seek"))
for at in HEADERS, 2 * HEADERS:
    case(f"VHDX's header at {at}", 0, "vhdx/header-sum", poke(new(), "B", at + 2000, 1),
         rf"offset {at} has checksum [0-9a-f]+, and sums to [0-9a-f]+; its double",
         why="the other one is for this")
case("both headers", 3, "vhdx/header-sum",
     poke(poke(new(), "B", HEADERS + 9, 1), "B", 2 * HEADERS + 9, 1), r"both headers")
case("no header", 3, "vhdx/header-sum", poke(poke(new(), "B", HEADERS, 1), "B", 2 * HEADERS, 1),
     r"both .*\"head\"")
case("two headers of one number", 3, "vhdx/header-mismatch",
     poke(put(put(new(), HEADERS, 8, "<Q", 5), HEADERS, 100, "B", 0), "4096s", HEADERS,
          bytes(put(put(new(), HEADERS, 8, "<Q", 5), HEADERS, 100, "B", 1)[HEADERS:][:4096])),
     r"number, 5")
case("VHDX of version 2", 4, "vhdx/version", put(new(), HEADERS, 66, "<H", 2), r"version 2 ")
case("log of version 1", 4, "vhdx/version", put(new(), HEADERS, 64, "<H", 1), r"version 1,")
for off, length in ((0, MIB), (MIB + 4096, MIB), (2**63, MIB), (2**64 - MIB, MIB), (MIB, 4096),
                    (MIB, 2**32 - MIB)):
    case(f"log of {length} at {off}", 3, "vhdx/range", put(new(), HEADERS, 68, "<IQ", length, off),
         rf"log .* {length} bytes at offset {off};.* end at {END}")
for at in TABLES, TABLES + 65536:
    case(f"region table at {at}", 0, "vhdx/region-sum", poke(new(), "B", at + 65535, 1),
         rf"offset {at} has .*double",
         why="likewise")
case("both region tables", 3, "vhdx/region-sum",
     poke(poke(new(), "B", TABLES + 99, 1), "B", TABLES + 65536, 1), r"both")
case("region tables that differ", 3, "vhdx/region-mismatch",
     poke(new(), "65536s", TABLES, bytes(put(new(), TABLES, 50000, "B",
                                             1)[TABLES:TABLES + 65536])), r"differ")
case("region table of 2048", 3, "vhdx/region-count", put(new(), TABLES, 8, "<I", 2048),
     r"2048 entries; at most 2047")
case("unknown region", 4, "vhdx/region-unknown",
     put(put(new(), TABLES, 80, "<16sQII", OTHER.bytes_le, BLOCKS, MIB, 1), TABLES, 8, "<I", 3),
     rf"{OTHER}")
case("unknown region that is not required", 0, "",
     put(put(new(), TABLES, 80, "<16sQII", OTHER.bytes_le, BLOCKS, MIB, 0), TABLES, 8, "<I", 3))
case("no block table", 3, "vhdx/region-missing",
     put(new(), TABLES, 16, "<16sQII", OTHER.bytes_le, BAT, MIB, 0), r"block table")
case("two block tables", 3, "vhdx/region-dup",
     put(new(), TABLES, 48, "<16s", REGIONS["bat"].bytes_le), r"twice")
for field, what in (16, "block table"), (48, "metadata"):
    for off, length in ((0, MIB), (END, MIB), (3 * MIB + 512, MIB), (2**64 - MIB, MIB), (MIB, 0),
                        (BAT, 2**32 - MIB)):
        case(f"{what} of {length} at {off}", 3, "vhdx/range",
             put(new(), TABLES, field + 16, "<QI", off, length),
             rf"{what} .* {length} bytes at offset {off};")
case("block table in the log", 3, "vhdx/overlap", put(new(), TABLES, 32, "<Q", LOG), r"share bytes")
case("metadata without its mark", 3, "vhdx/metadata", poke(new(), "B", METADATA, 0),
     rf"offset {METADATA}")
case("metadata of 2048 items", 3, "vhdx/metadata", poke(new(), "<H", METADATA + 10, 2048), r"2047")
case("unknown item", 4, "vhdx/metadata-unknown", new(more=[(OTHER, 4, b"")]), rf"{OTHER}")
case("unknown item of a user", 0, "", new(more=[(OTHER, 1, b"mine")]))
case("item twice", 3, "vhdx/metadata-dup", new(more=[(SIZE, 6, bytes(8))]),
     r"two of the disk's size")
for i, what in enumerate(("file parameters", "disk's size", "disk's ID", "logical sector size",
                          "physical sector size")):
    at = METADATA + 32 + 32 * i
    case(f"no {what}", 3, "vhdx/metadata-missing",
         poke(poke(new(), "16s", at, OTHER.bytes_le), "<I", at + 24, 0), what)
    for off, length in (65535, 8), (MIB, 8), (2**32 - 1, 8), (65536, 3), (65536, 2**32 - 1):
        case(f"{what}: {length} at {off}", 3, "vhdx/metadata-range",
             poke(new(), "<II", at + 16, off, length),
             rf"{what} .* {length} bytes at offset {off} ")
case("flags of later days", 4, "vhdx/flags", new(flags=8), r"0x8")
for n in 0, 1, MIB // 2, MIB + 4096, 3 * MIB, 512 * MIB, 2**32 - 1:
    case(f"VHDX of blocks of {n}", 3, "vhdx/block-size", item(new(), PARAMS, "<I", n),
         rf"{n} bytes; .*1 MiB to 256")
for which, fmt in (SECTOR, r"logical sectors of {} "), (PHYSICAL, r"physical ones of {};"):
    for n in 0, 1, 1024, 2**32 - 1:
        case(f"{fmt.format(n)}bytes", 3, "vhdx/sector-size", item(new(), which, "<I", n),
             fmt.format(n))
for n in 0, 513, 2**46 + 512, 2**63, 2**64 - 512:
    case(f"VHDX of {n} bytes", 3, "vhdx/size", item(new(), SIZE, "<Q", n),
         rf"{n} bytes; at most {2**46}")
case("VHDX of 64 TiB in a table of 1 MiB", 3, "vhdx/bat-size", item(new(), SIZE, "<Q", 2**46),
     r"131072 entries,.* needs")
case("VHDX whose table is just too small", 3, "vhdx/bat-size",
     item(new(), SIZE, "<Q", (131073 - 31) * MIB), r"needs 131073")
case("block of state 4", 3, "vhdx/bat-state", bat(0, BLOCKS | 4),
     r"block 0 has state 4, .*reserved")
case("block of state 5", 0, "", bat(0, BLOCKS | 5), why="unmapped, in drafts of the specification")
case("block partly in no parent", 3, "vhdx/bat-state", bat(2, BLOCKS + MIB | 7),
     r"block 2 has state 7, .*none")
case("reserved bits of a block", 3, "vhdx/bat-reserved", bat(0, BLOCKS | 6 | 1 << 19),
     r"block 0, 0*48000[06]")
for mib in 0, (END >> 20), (END >> 20) + 1, 2**44 - 1:
    case(f"block at MiB {mib}", 3, "vhdx/bat-range", bat(0, mib << 20 | 6),
         rf"block 0 .* offset {mib << 20},.* end at {END}")
for mib in 1, 2, 3, 5:
    case(f"block at MiB {mib}, which is taken", 3, "vhdx/bat-dup", bat(0, mib << 20 | 6),
         r"block \d at offset .* shares")
case("VHDX cut in a block", 3, "vhdx/bat-range", new()[:-4096], r"block 2")
case("unmapped block with an offset", 0, "", bat(0, BLOCKS + MIB | UNMAPPED),
     why="where it was; it is not read")
case("remains in a bitmap's entry", 0, "", poke(vhdx(4097 * MIB, FULL), "<Q", BAT + 8 * 4096, 6),
     why="qemu-img's")

# --- log -----------------------------------------------------------------------------------------
PAGE = b"page" * 1024


def logged(*writes, seq=3, tail=0, flushed=END, last=END):
    return log(new(), entry(seq, tail, writes or [(BLOCKS, PAGE)], flushed, last))


case("log", 0, "vhdx/log-replayed", logged(), r"1 entries up to number 3, 1 places",
     why="read as it would be replayed")
case("log of no entries", 3, "vhdx/log", put(new(), HEADERS, 48, "<16s", OTHER.bytes_le),
     r"no whole sequence")
case("log without room", 3, "vhdx/log", put(logged(), HEADERS, 68, "<I", 0), r"no room")
case("log of another's entries", 3, "vhdx/log", put(logged(), HEADERS, 48, "<16s", OTHER.bytes_le),
     r"no whole sequence")
for at, what in ((LOG + 16, "head"), (LOG + 64, "descriptor"), (LOG + 4096, "page"),
                 (LOG + 6000, "page's middle")):
    case(f"log with a wrong {what}", 3, "vhdx/log", poke(logged(), "B", at, 99),
         r"no whole sequence")
case("log whose tail is elsewhere", 3, "vhdx/log", logged(tail=7), r"no whole sequence")
case("log of a longer file", 3, "vhdx/log", logged(flushed=END + 1),
     rf"had {END + 1} bytes; it has {END}: .*cut")
for off in 0, HEADERS, LOG, LOG + 4096, BLOCKS + 512, END, 2**64 - 4096:
    case(f"log that writes at {off}", 3, "vhdx/log", logged((off, PAGE)),
         rf"4096 bytes at offset {off};")
for length in 1, 2**63, 2**64 - 4096:
    case(f"log that zeroes {length}", 3, "vhdx/log", logged((BLOCKS, length)),
         rf"{length} bytes at offset {BLOCKS};")
case("log that takes the metadata away", 3, "vhdx/metadata", logged((METADATA, MIB)),
     rf"offset {METADATA}")
case("log that points a block elsewhere", 3, "vhdx/bat-range",
     logged((BAT, struct.pack("<Q", END | 6).ljust(4096, b"\0"))), r"block 0")
case("log that makes the file longer", 0, "vhdx/log-replayed",
     logged((BAT, struct.pack("<Q", END | 6).ljust(4096, b"\0")), last=END + MIB),
     r"replayed|in its place")
case("log with an entry behind a gap", 0, "vhdx/log-gap",
     log(logged(), entry(5, 0, [(BLOCKS, PAGE)], END, END), at=4), r"number 5 .*gap",
     why="it was not finished before the entry in front of it was, so nobody relied on it")
LARGE = new()
LARGE += bytes(3 * MIB)
put(LARGE, HEADERS, 68, "<IQ", 3 * MIB, END)
for i in range(9):
    log(LARGE, entry(i + 1, 0, [(BLOCKS, 4096)] * 8000, END, END), at=63 * i)
case("log of descriptors without end", 4, "vhdx/log", LARGE, r"more than 65536")
del LARGE

# --- parents -------------------------------------------------------------------------------------
NAMES = {"parent_linkage": "{%s}" % OTHER, "relative_path": r".\base.vhdx"}
BITS = b"\x0f" + bytes(255)


def child():
    return vhdx(DISK, FULL, pairs=NAMES, bitmap=BITS)


case("VHDX without its parent", 4, "image/parent", child(), r"'base.vhdx'.*--parent", check=None)
case("child without linkage", 3, "vhdx/parent-linkage", new(pairs={"relative_path": "x"}),
     r"parent_linkage")
case("child without a name", 4, "image/parent",
     new(pairs={"parent_linkage": NAMES["parent_linkage"]}), r"not name", check=None)
case("child without a locator", 3, "vhdx/metadata-missing", new(flags=2), r"parent locator")
AT = METADATA + struct.unpack_from("<I", child(), METADATA + 32 + 32 * 5 + 16)[0]
case("locator of another type", 4, "vhdx/parent-type", poke(child(), "B", AT, 0),
     r"type .*b04aefb7",
     check="vhdx/parent-type")
case("locator of 65535 pairs", 3, "vhdx/parent-name",
     poke(poke(child(), "<H", AT + 18, 65535), "B", AT + 44, 9), r"entry \d+ of")
for off in 1000, 2**32 - 2:
    case(f"locator's key at {off}", 3, "vhdx/parent-name", poke(child(), "<I", AT + 20, off),
         r"entry 0 of")
case("child whose bitmap is not there", 3, "vhdx/bat-state", poke(child(), "<Q", BAT + 8 * 4096, 0),
     r"block 2 .* bitmap 0")
case("child whose bitmap is beyond", 3, "vhdx/bat-range",
     poke(child(), "<Q", BAT + 8 * 4096, 2**50 | 6), r"bitmap 0")
case("child whose bitmap is a block", 3, "vhdx/bat-dup",
     poke(child(), "<Q", BAT + 8 * 4096, BLOCKS | 6), r"bitmap 0")
