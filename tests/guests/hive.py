#!/usr/bin/env python3
"""Writes an empty hive of a Windows registry, for hivexregedit to fill: hivex's tools change hives, and
make none.

    hive.py OUT

    0x0000  "regf", the offset of the root key, the length of what follows, the XOR of all that
    0x1000  "hbin", cells behind one another: the root key ("nk"), its security ("sk"), the rest is free

Offsets count from 0x1000; a cell begins with its length, which is negative while it is in use."""
import struct
import sys

NONE = 0xFFFFFFFF
BIN = 0x1000
ROOT, SECURITY = 0x20, 0x80
NAME = b"$$$PROTO.HIV"


def cell(body, size):
    return struct.pack("<i", -size) + body.ljust(size - 4, b"\0")


key = struct.pack("<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x2C, 0, 0, 0, 0, 0, NONE, NONE, 0, NONE,
                  SECURITY, NONE, 0, 0, 0, 0, 0, len(NAME), 0) + NAME
# a descriptor without owner, group and lists
descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
security = struct.pack("<2sHIIII", b"sk", 0, SECURITY, SECURITY, 1, len(descriptor)) + descriptor
cells = cell(key, SECURITY - ROOT) + cell(security, 0x40)
free = BIN - ROOT - len(cells)
hbin = struct.pack("<4sIIIQI", b"hbin", 0, BIN, 0, 0, 0).ljust(ROOT, b"\0") + cells
hbin += struct.pack("<i", free).ljust(free, b"\0")

head = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, ROOT, BIN, 1).ljust(508, b"\0")
check = 0
for word in struct.unpack("<127I", head):
    check ^= word
with open(sys.argv[1], "wb") as out:
    out.write((head + struct.pack("<I", check)).ljust(BIN, b"\0") + hbin)
