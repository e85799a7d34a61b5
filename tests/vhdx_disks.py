"""Small VHDX files made by [MS-VHDX], field by field, and logs for those of others.

    1 MiB the log, 2 MiB the metadata, 3 MiB the block table, from 4 MiB on blocks and bitmaps"""
import struct
import uuid

MIB = 1 << 20
PAGE = 4096
HEADERS, TABLES, LOG, METADATA, BAT, BLOCKS = 65536, 196608, MIB, 2 * MIB, 3 * MIB, 4 * MIB
ABSENT, UNDEFINED, ZERO, UNMAPPED, PRESENT, PARTIAL = 0, 1, 2, 3, 6, 7
DATA_GUID = uuid.UUID("11111111-2222-3333-4444-55555555abcd")
LOG_GUID = uuid.UUID("99999999-8888-7777-6666-555555555555")
REGIONS = {"bat": uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08"),
           "metadata": uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")}
PARAMS, SIZE, ID, SECTOR, PHYSICAL, LOCATOR = (uuid.UUID(u) for u in (
    "caa16737-fa36-4d43-b3b6-33f0aa44e76b", "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
    "beca12ab-b2e6-4523-93ef-c309e000c746", "8141bf1d-a96f-4709-ba47-f233a8faab5f",
    "cda348c7-445d-4471-9cc9-e9885251c556", "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"))
LOCATOR_TYPE = uuid.UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")


def _table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        yield n


CRC = list(_table())


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc = CRC[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def seal(data, at, length):
    struct.pack_into("<I", data, at + 4, 0)
    struct.pack_into("<I", data, at + 4, crc32c(data[at:at + length]))


def put(data, at, field, fmt, *values):
    """A field of both headers (at is HEADERS) or both region tables (TABLES), with their sums."""
    step, length = (65536, PAGE) if at == HEADERS else (65536, 65536)
    for copy in at, at + step:
        struct.pack_into(fmt, data, copy + field, *values)
        seal(data, copy, length)
    return data


def header(seq, log_guid=uuid.UUID(int=0), log=(LOG, MIB), data_guid=DATA_GUID):
    out = bytearray(PAGE)
    struct.pack_into("<4sIQ16s16s16sHHIQ", out, 0, b"head", 0, seq, uuid.UUID(int=7).bytes_le,
                     data_guid.bytes_le,
                     log_guid.bytes_le, 0, 1, log[1], log[0])
    seal(out, 0, PAGE)
    return out


def locator(pairs):
    at, head, text = 20 + 12 * len(pairs), b"", b""
    for key, value in pairs.items():
        key, value = key.encode("utf-16-le"), value.encode("utf-16-le")
        head += struct.pack("<IIHH", at + len(text), at + len(text) + len(key), len(key),
                            len(value))
        text += key + value
    return LOCATOR_TYPE.bytes_le + struct.pack("<HH", 0, len(pairs)) + head + text


def vhdx(size, blocks, block_size=MIB, sector=512, flags=0, pairs=None, bitmap=None,
         data_guid=DATA_GUID, more=()):
    """blocks: number -> bytes, or a state.  pairs: of the parent locator; bitmap: of
    the blocks of chunk 0, which are then partly present where it has a bit that is not set.  more:
    (GUID, flags, bytes) of the metadata."""
    out = bytearray(BLOCKS)
    out[:8] = b"vhdxfile"
    for n in range(2):
        out[HEADERS + 65536 * n:HEADERS + 65536 * n + PAGE] = header(n + 1, data_guid=data_guid)
        struct.pack_into("<4sII", out, TABLES + 65536 * n, b"regi", 0, 2)
        for i, (name, at) in enumerate((("bat", BAT), ("metadata", METADATA))):
            struct.pack_into("<16sQII", out, TABLES + 65536 * n + 16 + 32 * i,
                             REGIONS[name].bytes_le, at, MIB, 1)
    seal(out, TABLES, 65536)
    out[TABLES + 65536:TABLES + 2 * 65536] = out[TABLES:TABLES + 65536]
    items = [(PARAMS, 4, struct.pack("<II", block_size, flags | (2 if pairs else 0))),
             (SIZE, 6, struct.pack("<Q", size)),
             (ID, 6, uuid.UUID(int=9).bytes_le), (SECTOR, 6, struct.pack("<I", sector)),
             (PHYSICAL, 6, struct.pack("<I", 4096)), *more]
    if pairs:
        items.append((LOCATOR, 4, locator(pairs)))
    struct.pack_into("<8sHH", out, METADATA, b"metadata", 0, len(items))
    at = 65536
    for i, (guid, bits, value) in enumerate(items):
        struct.pack_into("<16sIII", out, METADATA + 32 + 32 * i, guid.bytes_le, at, len(value),
                         bits)
        out[METADATA + at:METADATA + at + len(value)] = value
        at += -(-len(value) // 64) * 64
    ratio = 2**23 * sector // block_size
    bits = block_size // sector // 8
    for n, content in blocks.items():
        state = content if isinstance(content, int) else PRESENT
        if not isinstance(content, int):
            whole = bitmap is None or bitmap[n * bits:(n + 1) * bits] == b"\xff" * bits
            state = len(out) | (PRESENT if whole else PARTIAL)
            out += content.ljust(block_size, b"\0")
        struct.pack_into("<Q", out, BAT + 8 * (n + n // ratio), state)
    if bitmap is not None:
        struct.pack_into("<Q", out, BAT + 8 * ratio, len(out) | PRESENT)
        out += bitmap.ljust(MIB, b"\0")
    return out


def item(data, guid, fmt, *values):
    """The metadata's item has another value."""
    for at in range(METADATA + 32, METADATA + 32 + 32 * 10, 32):
        if data[at:at + 16] == guid.bytes_le:
            struct.pack_into(fmt, data, METADATA + struct.unpack_from("<I", data, at + 16)[0],
                             *values)
    return data


def entry(seq, tail, writes, flushed, last, guid=LOG_GUID):
    """An entry of the log.  tail: the page that its sequence begins at; writes: (offset, a page)
    or (offset, how many zeroes)."""
    pages = [(off, what) for off, what in writes if not isinstance(what, int)]
    room = -(-(64 + 32 * len(writes)) // PAGE) * PAGE
    out = bytearray(room + PAGE * len(pages))
    struct.pack_into("<4sIIIQII16sQQ", out, 0, b"loge", 0, len(out), tail * PAGE, seq, len(writes),
                     0, guid.bytes_le, flushed,
                     last)
    for i, (off, what) in enumerate(writes):
        if isinstance(what, int):
            struct.pack_into("<4sIQQQ", out, 64 + 32 * i, b"zero", 0, what, off, seq)
        else:
            struct.pack_into("<4s4s8sQQ", out, 64 + 32 * i, b"desc", what[-4:], what[:8], off, seq)
    for i, (_, page) in enumerate(pages):
        struct.pack_into("<4sI4084sI", out, room + PAGE * i, b"data", seq >> 32, page[8:-4],
                         seq & 0xffffffff)
    seal(out, 0, len(out))
    return out


def log(data, *entries, at=0, guid=LOG_GUID):
    """Entries one after the other from a page of the log on, around its end; the headers
    then name the log."""
    which = max((0, 1), key=lambda n: struct.unpack_from("<Q", data, HEADERS + 65536 * n + 8)[0])
    length, off = struct.unpack_from("<IQ", data, HEADERS + 65536 * which + 68)
    for e in entries:
        for i in range(0, len(e), PAGE):
            where = off + at % (length // PAGE) * PAGE
            data[where:where + PAGE] = e[i:i + PAGE]
            at += 1
    return put(data, HEADERS, 48, "<16s", guid.bytes_le)
