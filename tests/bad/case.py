"""What the tables of bad disks are made of.

A case is a file and the answer to `vmlift convert`: exit status, slug, and what the message must
name (a pattern: where, which value, what would be right).  Status 0 is a file that is read all the
same, with the slug as a note; `why` says why that is right, or why the answer is another than one
might expect.  `check` must find it too: the same slug among its faults, warnings or notes, or the
one given; None: no fault is there to be found."""
import struct

from disks import grain

CASES = []
SAME = object()
MIB = 1 << 20
GRAINS = {0: grain(0), 1: grain(1), 5: grain(5)}


def case(name, status, slug, data, say="", check=SAME, args=(), pipe=None, why="", beside=None,
         make=None):
    """data: the file's bytes; pipe: (status, slug) of the same from a pipe; beside: files in its
    folder; make: called with the path in place of writing data."""
    CASES.append((name, status, slug, data, say, slug if check is SAME else check, args, pipe, why,
                  beside or {}, make))


def put(data, fmt, at, *values):
    data = bytearray(data)
    struct.pack_into(fmt, data, at if at >= 0 else len(data) + at, *values)
    return data
