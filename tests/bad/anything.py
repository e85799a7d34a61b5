"""What may be wrong with any input: what it is, and what its first bytes say."""
import os
import pty
import socket
import tarfile

from case import GRAINS, MIB, case, put
from disks import dynamic, fixed, grain, sparse, stream, vhd_footer

case("empty", 3, "image/size", b"", r"a disk of 0 bytes; from 1 to 70368744177664", check=None,
     why="an empty file is a raw disk without a byte")
case("one byte", 0, "raw/size", b"x",
     r"1 bytes are no whole number of sectors; read with 511 zeroes more",
     check=None, why="raw disks are filled up to a sector, and it is said")
case("raw of 1000 bytes", 0, "raw/size", b"x" * 1000, r"1000 bytes .* 24 zeroes more", check=None,
     why="the same")
case("VMDK shorter than its header", 3, "input/truncated", sparse(MIB, GRAINS)[:500],
     r"512 bytes at offset 0.* ends at 500",
     pipe=(3, "input/truncated"))
case("VHD shorter than its footer", 3, "input/truncated", vhd_footer(MIB, 3)[:300],
     r"300 bytes.* footer alone has 512")
for name, head in (("QCOW", b"QFI\xfb\0\0\0\1"),
                   ("VDI", bytes(64) + b"\x7f\x10\xda\xbe"),
                   ("QED", b"QED\0"), ("Parallels", b"WithoutFreeSpace"),
                        ("Expert Witness", b"EVF\x09\x0d\x0a\xff\0")):
    case(f"{name}", 4, "image/foreign", head.ljust(4096, b"\0"), f"{name} image.*-f raw")
    case(f"fixed VHD that begins as {name}", 3, "image/ambiguous", fixed(head.ljust(4096, b"\0")),
         f"{name} image.*-f vhd")
    case(f"{name}, and raw is asked for", 0, "", head.ljust(4096, b"\0"), args=("-f", "raw"),
         check=None)
case("fixed VHD that begins as VHDX", 3, "image/ambiguous", fixed(b"vhdxfile".ljust(4096, b"\0")),
     r"vhd and vhdx|vhdx and vhd")
for name, head in (("ZIP", b"PK\3\4"), ("7-Zip", b"7z\xbc\xaf\x27\x1c"), ("RAR", b"Rar!\x1a\x07\0"),
                   ("XML", b"<?xml version"), ("PNG", b"\x89PNG\r\n\x1a\n"), ("PDF", b"%PDF-1.7"),
                   ("HTML", b"\n\n <!DOCTYPE html><html>"),
                   ("LZ4", b"\x04\x22\x4d\x18")):
    case(f"{name}", 4, "image/foreign", head.ljust(1024, b"\0"), f"{name}.*-f raw")
iso = bytes(32768) + b"\x01CD001\x01" + bytes(2041)
case("CD image", 4, "image/foreign", iso, r"ISO 9660")
case("CD image that starts from a disk too", 0, "", put(iso, "2s", 510, b"\x55\xaa"), check=None,
     why="a hybrid image is a disk")
case("LUKS", 0, "", b"LUKS\xba\xbe\0\1".ljust(4096, b"\0"), check=None,
     why="a disk that its guest encrypts as a whole looks like this, and these are its bytes")
case("fixed VHD that begins as a QCOW2", 3, "image/ambiguous",
     fixed(b"QFI\xfb\0\0\0\3".ljust(4096, b"\0")), r"vhd and qcow2|qcow2 and vhd")
case("fixed VHD that begins as a VMDK", 3, "image/ambiguous", fixed(sparse(MIB, GRAINS)),
     r"vmdk and vhd|vhd and vmdk")
case("the same as a VHD", 0, "", fixed(sparse(MIB, GRAINS)), args=("-f", "vhd"), check=None)
case("tar whose first member is called KDMV", 3, "image/ambiguous", None,
     r"vmdk and ova|ova and vmdk",
     make=lambda path: tar(path, "KDMV.ovf"))
case("VMDK with a VHD's footer", 3, "image/ambiguous", stream(MIB, GRAINS) + vhd_footer(MIB, 2),
     r"vmdk and vhd|vhd and vmdk")
case("VHD called a VMDK", 3, "vmdk/magic", dynamic(MIB, {0: grain(0)}), r"KDMV",
     args=("-f", "vmdk"))
case("VMDK called a VHD", 3, "vhd/cookie", sparse(MIB, GRAINS), r"conectix", args=("-f", "vhd"))
case("VHD called an OVA", 3, "ova/container", dynamic(MIB, {0: grain(0)}), args=("-f", "ova"))


def tar(path, name):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as t:
        t.addfile(tarfile.TarInfo(name))


def huge(path):
    fd = os.memfd_create("huge")  # no file system has to hold it; it stays open
    os.truncate(fd, (64 << 40) + 512)
    os.symlink(f"/proc/{os.getpid()}/fd/{fd}", path)


def terminal(path):
    _, slave = pty.openpty()  # both stay open
    os.symlink(os.ttyname(slave), path)


def unreadable(path):
    """The speed of the loopback: a file of 4096 bytes, none of which can be read."""
    speed = "/sys/class/net/lo/speed"
    try:
        with open(speed, "rb") as f:
            f.read()
    except OSError:
        os.symlink(speed, path)
    if not os.path.islink(path):
        raise OSError("no file here that fails to be read")


case("folder", 3, "input/folder", None, r"a folder without a file", make=os.mkdir)
case("socket", 3, "input/kind", None, r"a socket",
     make=lambda path: socket.socket(socket.AF_UNIX).bind(path))
case("terminal", 3, "input/kind", None, r"a terminal", make=terminal)
case("file that cannot be read", 7, "io/error", None,
     r"read of \d+ bytes at offset 0: Invalid argument",
     make=unreadable)
# A block device is read like a file: only writing to one asks for --force.
case("device without an end", 4, "image/raw-pipe", None, r"-f raw",
     make=lambda path: os.symlink("/dev/zero", path),
     check="input/needs-file")
case("disk of more than 64 TiB", 3, "image/size", None,
     r"70368744178176 bytes; from 1 to 70368744177664", check=None,
     make=huge)
