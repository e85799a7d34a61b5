"""Small VMDK and VHD files made by their specifications, field by field, for the tests that damage
them.

A disk is its size and a dict: number of a grain (of a block) -> its bytes.  Each function gives a
bytearray; `place` tells where its parts are, in bytes."""
import struct
import zlib

SECTOR, GRAIN = 512, 65536
GD_AT_END = 2**64 - 1
EOS, GT, GD, FOOTER, PROGRESS = range(5)  # types of markers


def grain(n):
    """Bytes that are not like another grain's, and compress a little."""
    return b"".join(b"%d/%d " % (n, i) for i in range(GRAIN // 4))[:GRAIN]


def disk(size, grains):
    out = bytearray(size)
    for n, data in grains.items():
        out[n * GRAIN:(n + 1) * GRAIN] = data[:max(0, size - n * GRAIN)]
    return bytes(out)


def pad(out, unit):
    out += bytes(-len(out) % unit)


# --- VMDK -----------------------------------------------------------------------------------------


def descriptor(create_type, *extents, extra="", end='ddb.adapterType = "ide"\n'):
    return ("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
            f'createType="{create_type}"\n{extra}' +
            "".join(e + "\n" for e in extents) + end).encode()


def vmdk_header(size, version=1, flags=3, desc=(1, 20), rgd=0, gd=0, overhead=128, deflate=0):
    return bytearray(struct.pack("<4sIIQQQQIQQQB4sH433x", b"KDMV", version, flags,
                                 -(-size // SECTOR), GRAIN // SECTOR, *desc, 512, rgd, gd, overhead,
                                 0, b"\n \r\n", deflate))


class place:
    """monolithicSparse: a disk of up to 32 MiB, so one table, and all in front of sector 128."""
    header, descriptor, rgd, rgt, gd, gt, grains = (n * SECTOR for n in (0, 1, 21, 22, 26, 27, 128))


def sparse(size, grains, zeroes=(), flags=3):
    out = vmdk_header(size, flags=flags, rgd=21, gd=26)
    out += descriptor("monolithicSparse", f'RW {size // SECTOR} SPARSE "x.vmdk"',
                      end="").ljust(20 * SECTOR, b"\0")
    out += bytes(place.grains - len(out))
    struct.pack_into("<I", out, place.rgd, place.rgt // SECTOR)
    struct.pack_into("<I", out, place.gd, place.gt // SECTOR)
    for n in zeroes:
        for table in place.gt, place.rgt:
            struct.pack_into("<I", out, table + 4 * n, 1)
    for n, data in grains.items():
        for table in place.gt, place.rgt:
            struct.pack_into("<I", out, table + 4 * n, len(out) // SECTOR)
        out += data.ljust(GRAIN, b"\0")
    return out


def marker(value, kind):
    return struct.pack("<QII", value, 0, kind).ljust(SECTOR, b"\0")


def packed(n, data, size=None, level=6):
    """A grain as a stream has it; size: what its marker says."""
    z = zlib.compress(data, level)
    out = bytearray(struct.pack("<QI", n * (GRAIN // SECTOR), len(z) if size is None else size) + z)
    pad(out, SECTOR)
    return bytes(out)


def stream(size, grains, dialect="disklib", order=None, last_short=None, progress=(), raw=None):
    """streamOptimized as its writers lay it out: disklib (VirtualBox the same), vmdktool, qemu,
    open-vmdk.

    order: of the grains in the file.  progress: grains after which a progress marker stands.
    raw: bytes that take a grain's place, marker and all."""
    front = dialect in ("qemu", "open-vmdk")
    tables = -(-size // (512 * GRAIN))
    if last_short is None:
        last_short = front
    desc = descriptor("streamOptimized",
                      f'{"RW" if front else "RDONLY"} {-(-size // SECTOR)} SPARSE '
                      '"generated-stream.vmdk"', extra='encoding="UTF-8"\n')
    out = vmdk_header(size, version=3, flags=0x30003 if dialect == "qemu" else 0x30001,
                      desc=(1, 20 if front else 1), deflate=1)
    out += desc.ljust(20 * SECTOR if front else SECTOR, b"\0")
    gts = {t: [0] * 512 for t in range(tables)}
    gt_at, gd_at, rgd_at = {}, None, None
    if front:  # directory and all tables first; qemu-img has them twice
        for copy in range(2 if dialect == "qemu" else 1):
            at = len(out) // SECTOR
            out += bytes(-(-tables * 4 // SECTOR) * SECTOR)
            for t in range(tables):
                struct.pack_into("<I", out, at * SECTOR + 4 * t, len(out) // SECTOR)
                gt_at.setdefault(t, []).append(len(out) // SECTOR)
                out += bytes(2048)
            rgd_at, gd_at = (at, None) if dialect == "qemu" and copy == 0 else (rgd_at, at)
    out += bytes(max(128, -(-len(out) // GRAIN) * 128) * SECTOR - len(out))
    overhead = len(out) // SECTOR

    def put_table(t):
        nonlocal out
        if not any(gts[t]) and dialect == "disklib":
            return
        out += marker(4, GT)
        gt_at[t] = [len(out) // SECTOR]
        out += struct.pack("<512I", *gts[t])

    numbers = sorted(grains) if order is None else order
    for i, n in enumerate(numbers):
        gts[n // 512][n % 512] = len(out) // SECTOR
        left = size - n * GRAIN
        data = grains[n].ljust(GRAIN, b"\0")
        out += (raw or {}).get(n) or packed(n, data[:left] if last_short else data)
        if n in progress:
            out += marker(0, PROGRESS)
        if not front and (i + 1 == len(numbers) or numbers[i + 1] // 512 != n // 512):
            upto = tables if i + 1 == len(numbers) else numbers[i + 1] // 512
            for t in range(n // 512, upto):
                put_table(t)
    if front:
        for t, places in gt_at.items():
            for at in places:
                struct.pack_into("<512I", out, at * SECTOR, *gts[t])
    else:
        if not numbers:
            for t in range(tables):
                put_table(t)
        if dialect == "vmdktool":  # which has a table for what begins behind the end, too
            out += marker(4, GT) + bytes(2048)
        gd_sectors = -(-tables * 4 // SECTOR)
        out += marker(gd_sectors, GD)
        gd_at = len(out) // SECTOR
        out += struct.pack(f"<{tables}I", *(gt_at.get(t, [0])[0] for t in range(tables)))
        pad(out, SECTOR)
    struct.pack_into("<Q", out, 48, rgd_at or 0)
    struct.pack_into("<Q", out, 64, overhead)
    struct.pack_into("<Q", out, 56, GD_AT_END if dialect == "disklib" else gd_at)
    if not front:
        footer = bytearray(out[:SECTOR])
        struct.pack_into("<Q", footer, 56, gd_at)
        out += marker(1, FOOTER) + footer
    if dialect == "qemu":
        pad(out, GRAIN)  # zeroes up to 64 KiB, and no end marker
    else:
        out += marker(0, EOS)
    return out


def entry_at(out, n):
    """Where the table's entry of grain n of a stream is."""
    gd = struct.unpack_from("<Q", out, 56)[0]
    if gd == GD_AT_END:
        gd = struct.unpack_from("<Q", out, len(out) - 2 * SECTOR + 56)[0]
    gt = struct.unpack_from("<I", out, gd * SECTOR + n // 512 * 4)[0]
    return gt * SECTOR + n % 512 * 4


def grain_at(out, n):
    """Where grain n of a stream is, by its tables."""
    return struct.unpack_from("<I", out, entry_at(out, n))[0] * SECTOR


# --- VHD ------------------------------------------------------------------------------------------

BLOCK = 65536  # the smallest files that have several


def checksum(out, at, length, field):
    struct.pack_into(">I", out, at + field, 0)
    struct.pack_into(">I", out, at + field, ~sum(out[at:at + length]) & 0xffffffff)


def vhd_footer(size, kind, creator=b"win ", chs=(0, 0, 0), header=512, saved=0, current=None):
    out = bytearray(struct.pack(">8sIIQI4sI4sQQHBBI4x16sB427x", b"conectix", 2, 0x10000,
                                header if kind != 2 else 2**64 - 1, 0, creator, 0x10000, b"Wi2k",
                                size, size if current is None else current, *chs, kind,
                                b"0123456789abcdef", saved))
    checksum(out, 0, 512, 64)
    return out


def fixed(data, **fields):
    return bytearray(data) + vhd_footer(len(data), 2, **fields)


def dynamic(size, blocks, kind=3, creator=b"win ", chs=(0, 0, 0), parent=None, bitmaps=None,
            saved=0):
    """| footer | header | table | blocks, each with its bitmap | footer |"""
    footer = vhd_footer(size, kind, creator, chs, saved=saved)
    entries = -(-size // BLOCK)
    table = bytearray(b"\xff" * max(512, -(-entries * 4 // 512) * 512))
    header = bytearray(struct.pack(">8sQQIII4x16sI4x512s192x256x", b"cxsparse", 2**64 - 1, 1536,
                                   0x10000, entries, BLOCK, bytes(16), 0,
                                   parent.encode("utf-16-be") if parent else b""))
    checksum(header, 0, 1024, 36)
    out = footer + header + table
    for n, data in blocks.items():
        struct.pack_into(">I", out, 1536 + 4 * n, len(out) // 512)
        out += ((bitmaps or {}).get(n) or b"\xff" * (BLOCK // 512 // 8)).ljust(512, b"\0")
        out += data.ljust(BLOCK, b"\0")
    return out + footer
