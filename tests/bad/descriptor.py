"""VMDK: the descriptor, in a file of its own and inside."""
import re

from case import GRAINS, MIB, case
from disks import descriptor, sparse

FLAT = {"flat": b"f" * 8192}
GOOD = sparse(MIB, GRAINS)


def text(*extents, create_type="monolithicFlat", extra=""):
    return descriptor(create_type, *extents, extra=extra)


def bad_text(name, status, slug, data, say="", **more):
    case(f"descriptor: {name}", status, slug, data, say, beside=FLAT, **more)


ONE = 'RW 16 FLAT "flat" 0'
TWO = ONE.replace("RW 16", "RW 8"), 'RW 8 FLAT "flat" 8'
bad_text("as it should be", 0, "", text(ONE))
bad_text("cut behind the extents", 0, "vmdk/desc-end", descriptor("monolithicFlat", ONE, end=""),
         why="written by hand, nearly all are like this")
for kind in "twoGbMaxExtentFlat", "2GbMaxExtentFlat", "twoGbMaxExtentSparse", "2gbmaxextentsparse":
    for n in 1, 2:
        bad_text(f"{kind} cut behind extent {n} of 2", 3, "vmdk/desc-end",
                 descriptor(kind, *TWO[:n], end=""), rf"{kind} .*behind its {n} extents")
bad_text("the disk data base only in front", 3, "vmdk/desc-end",
         descriptor("twoGbMaxExtentFlat", 'ddb.adapterType = "ide"', *TWO, end=""))
bad_text("66 KB", 3, "vmdk/desc-size", text(ONE) + b"#" * 66000, r"66\d+ bytes; up to 65536")
bad_text("NUL inside", 3, "vmdk/desc-line", text(ONE) + b"\0RW 16 ZERO\n", r"NUL at offset \d+")
bad_text("NUL at the end", 0, "", text(ONE) + bytes(100), why="descriptors fill their sectors up")
bad_text("CRLF and LF", 0, "", text(ONE).replace(b"\n", b"\r\n", 3))
bad_text("a line that means nothing", 3, "vmdk/desc-line", text(ONE, "colour is green"),
         r"line 7 .*colour is green")
bad_text("an escape sequence", 3, "vmdk/desc-line", text(ONE, "x=\033[2J"), r"line 7 .*\\x1b")
for key in "createType", "version", "CID":
    bad_text(f"no {key}", 3, "vmdk/desc-field",
             re.sub(rf"(?m)^{key}=.*\n".encode(), b"", text(ONE)), rf"no {key}")
    bad_text(f"{key} twice", 3, "vmdk/desc-field", text(ONE, extra=f"{key.upper()}=1\n"),
             rf"{key} twice")
bad_text("a CID that is no number", 3, "vmdk/desc-field",
         text(ONE).replace(b"=12345678", b"=1234567g"),
     r"CID is '1234567g'")
bad_text("a parent's CID", 4, "image/parent", text(ONE).replace(b"ffffffff", b"12341234"),
         r"--parent", check=None)
bad_text("a parent's name", 4, "image/parent",
         text(ONE, extra='parentFileNameHint="/etc/passwd"\n'), r"'passwd'", check=None)
bad_text("no extent", 3, "vmdk/extent-size", text(), r"0 extents make a disk of 0 bytes")
for name in ("/etc/passwd", "../flat", "x/../flat", "..", r"C:\flat", r"sub\flat", "flat%00",
             "json:{}", "nbd://h/x",
             "http://h/x", "C:flat", "", "link"):
    bad_text(f"extent '{name}'", 5, "vmdk/extent-path", text(f'RW 16 FLAT "{name}" 0'),
             r"line 6 names '.*'")
bad_text("extent 'fl\\0at'", 3, "vmdk/desc-line", text('RW 16 FLAT "fl\0at" 0'), r"NUL at offset")
bad_text("a folder as extent", 3, "input/kind", text('RW 16 FLAT "folder" 0'),
         r"folder: not a file")
bad_text("a missing extent", 6, "io/not-found", text('RW 16 FLAT "gone" 0'),
         r"line 6.*'gone'.* 8192 bytes")
for kind in "vmfsRaw", "vmfsRDM", "vmfsRDMP", "fullDevice", "partitionedDevice":
    bad_text(kind, 4, "vmdk/extent-type", text('RW 16 VMFSRDM "flat"', create_type=kind), kind)
bad_text("an extent on a device", 4, "vmdk/extent-type",
         text('RW 16 VMFSRAW "flat"', create_type="custom"),
     r"line 6.*VMFSRAW")
bad_text("a disk of no known kind", 4, "vmdk/subformat", text(ONE, create_type="holographic"),
         r"'holographic'")
bad_text("2049 extents", 3, "vmdk/extent-size", text(*["RW 16 ZERO"] * 2049, create_type="custom"),
         r"more than 2048")
bad_text("2048 extents", 0, "", text(*["RW 16 ZERO"] * 2048, create_type="custom"),
         why="4 TiB in pieces of 2 GB have as many")
bad_text("an extent of no sectors", 3, "vmdk/extent-size", text(ONE, 'RW 0 FLAT "flat" 0'),
         r"line 7: .*0 sectors")
bad_text("sectors that overflow", 3, "vmdk/desc-line",
         text("RW 36028797018963969 ZERO", create_type="custom"),
     r"line 6 .*36028797018963969")
bad_text("extents that overflow together", 3, "vmdk/extent-size",
     text(*[f"RW {2**37} ZERO"] * 2, create_type="custom"),
         rf"2 extents .*{2**47} bytes; .*{2**46}")
bad_text("a negative size", 3, "vmdk/desc-line", text('RW -16 FLAT "flat" 0'), r"line 6 ")
bad_text("an extent beyond its file", 3, "input/truncated", text('RW 17 FLAT "flat" 0'),
     r"flat: 8704 bytes from offset 0 .*ends at 8192")
bad_text("an offset beyond its file", 3, "input/truncated", text('RW 16 FLAT "flat" 1'),
     r"flat: 8192 bytes from offset 512 .*ends at 8192")
case("descriptor: an extent that is one", 3, "vmdk/nested", text('RW 1 FLAT "inner" 0'),
     r"inner: .*descriptor",
     beside={"inner": text(ONE).ljust(512, b"#")})
case("descriptor: an extent that is itself", 3, "vmdk/nested", text('RW 1 FLAT "self" 0'),
     r"descriptor",
     beside={"self": text('RW 1 FLAT "self" 0').ljust(512, b"\n")})
case("embedded descriptor of another size", 0, "vmdk/extent-size",
     GOOD.replace(b"RW 2048 ", b"RW 4096 "),
     r"4096 sectors .* 2048, which counts",
     why="VirtualBox rounds one of them; the header is what all readers take")
case("embedded descriptor that names a host's file", 0, "", GOOD.replace(b'"x.vmdk"', b'"/etc/p"'),
     check=None,
     why="the file itself has the data: streams are renamed, and the name is never opened")
case("embedded descriptor with a parent", 4, "image/parent",
     GOOD.replace(b"parentCID=ffffffff", b"parentCID=00000001"), check=None)
case("embedded descriptor of two extents", 4, "vmdk/subformat",
     GOOD.replace(b"x.vmdk\"\n" + bytes(24),
                  b"x.vmdk\"\nRW 1 SPARSE \"secondone\"\n"[:32].ljust(32, b"\0")),
          r"2 extents|extents", check="vmdk/subformat")
