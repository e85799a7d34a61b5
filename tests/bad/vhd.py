"""VHD: footers, header, block table."""
import struct

from case import MIB, case, put
from disks import checksum, dynamic, fixed, grain, vhd_footer

BLOCKS = {0: grain(0), 2: grain(2)}
DYN = dynamic(MIB, BLOCKS)
TAIL = len(DYN) - 512


def footers(fmt, field, *values):
    """The same in both."""
    data = DYN
    for at in 0, TAIL:
        data = put(data, fmt, at + field, *values)
        checksum(data, at, 512, 64)
    return data


def header(fmt, field, *values):
    data = put(DYN, fmt, 512 + field, *values)
    checksum(data, 512, 1024, 36)
    return data


def bat(n, sector):
    return put(DYN, ">I", 1536 + 4 * n, sector)


case("VHD without a footer", 3, "vhd/cookie", bytes(512) + DYN[512:TAIL] + bytes(512), r"conectix",
     args=("-f", "vhd"))
case("the same, by its dynamic header", 3, "vhd/cookie", bytes(512) + DYN[512:TAIL] + bytes(512),
     r"conectix")
case("footer's sum", 3, "vhd/footer-sum", put(DYN, "B", TAIL + 30, 9),
     rf"offset {TAIL} has checksum [0-9a-f]+, .* sum to [0-9a-f]+")
case("first footer's sum", 3, "vhd/footer-sum", put(DYN, "B", 30, 9), r"offset 0 ")
case("fixed footer's sum", 3, "vhd/footer-sum", put(fixed(b"x" * 4096), "B", 4096 + 30, 9),
     r"offset 4096 ")
case("header's sum", 3, "vhd/header-sum", put(DYN, "B", 512 + 40, 1), r"offset 512 ")
two = put(DYN, ">Q", 40, MIB + 512)
checksum(two, 0, 512, 64)
case("footers that differ", 3, "vhd/footer-mismatch", two, rf"0 and {TAIL} differ")
case("no footer at the end", 3, "vhd/footer-missing", DYN[:TAIL], rf"last 512 bytes of {TAIL}")
case("cut in a block", 3, "vhd/footer-missing", DYN[:TAIL - 1000], r"cut short")
case("no footer at the start", 0, "vhd/footer-copy", bytes(512) + DYN[512:], r"start is lost",
     why="the footer at the end is the one; the copy is for when that is lost")
for kind in 0, 1, 5, 6, 2**32 - 1:
    case(f"VHD type {kind}", 3, "vhd/type", footers(">I", 60, kind), rf"type {kind}\b")
case("VHD version 2", 4, "vhd/version", footers(">I", 12, 0x20000), r"version 00020000, not 1")
case("a suspended machine's", 0, "vhd/saved", footers("B", 84, 1), r"suspended",
     why="the disk is whole; its machine is not")
case("child without its parent", 4, "image/parent", dynamic(MIB, BLOCKS, kind=4, parent="base.vhd"),
     r"'base.vhd'.*--parent", check=None)
for at in 0, 2**20, 2**63, 2**64 - 512, TAIL - 1023:
    case(f"header at {at}", 3, "vhd/range", footers(">Q", 16, at),
         rf"offset {at}; .* between 512 and the footer at {TAIL}")
case("header that is none", 3, "vhd/header-cookie", footers(">Q", 16, 1536), r"offset 1536")
for at in 0, 512, 1024, 2**20, 2**63, 2**64 - 512, TAIL - 63:
    case(f"table at {at}", 3, "vhd/range", header(">Q", 16, at),
         rf"\(16 entries\) .* offset {at}\b")
case("table of 2^32-1 entries", 3, "vhd/range", header(">I", 28, 2**32 - 1),
     rf"{2**32 - 1} entries")
case("table of too few entries", 3, "vhd/bat-size", header(">I", 28, 15),
     r"15 entries .* has 16 blocks")
case("table of more entries", 0, "", header(">I", 28, 100), check=None,
     why="Hyper-V and others leave room to grow")
for n in 0, 513, 2048, 1 << 29:
    case(f"blocks of {n} bytes", 3, "vhd/block-size", header(">I", 32, n),
         rf"{n} bytes, .* from 4096 to 268435456")
for sector in 0, 1, 2, 3:
    case(f"block at sector {sector}", 3, "vhd/bat-range", bat(1, sector),
         rf"block 1 .* offset {sector * 512}\b")
for sector in TAIL // 512, TAIL // 512 - 1, 2**32 - 2:
    case(f"block at sector {sector}", 3, "vhd/bat-range", bat(1, sector),
         rf"block 1 .* offset {sector * 512}, .* footer at {TAIL}")
case("two blocks in one place", 3, "vhd/bat-dup", bat(1, struct.unpack_from(">I", DYN, 1536)[0]),
     r"block \d at offset 2048 .* at offset 2048")
case("two blocks half in one place", 3, "vhd/bat-dup", bat(1, 64), r"shares bytes")
case("VHD of 2040 GiB and a sector", 3, "vhd/size-limit", footers(">Q", 48, (2040 << 30) + 512),
     rf"{(2040 << 30) + 512} bytes; .* {2040 << 30}")
case("VHD of 2^63 bytes", 3, "vhd/size-limit", footers(">Q", 48, 2**63), rf"{2**63} bytes")
case("VHD of no bytes", 3, "vhd/size-limit", footers(">Q", 48, 0), r"0 bytes; from 1 to")
case("fixed, larger than its file", 3, "vhd/fixed-size",
     bytearray(b"x" * 4096) + vhd_footer(4608, 2),
     r"4608 bytes, .* 4096 lie before")
case("fixed, smaller than its file", 0, "vhd/fixed-size",
     bytearray(b"x" * 4096) + vhd_footer(3584, 2),
     r"512 bytes between",
     why="tools leave room before the footer; what the footer says is sealed by its sum")
case("geometry of another size", 0, "vhd/size",
     dynamic(MIB, BLOCKS, creator=b"vpc ", chs=(30, 4, 17)),
     rf"{MIB} bytes, .*30/4/17 makes 1044480: .* \"vpc \" the geometry",
     why="Virtual PC shows its guest the geometry")
