"""The jobs: what vmlift does, what does the same elsewhere, and how they should compare."""

import os
from dataclasses import dataclass

from inputs import MIB, write_made, write_ova
from measure import Step


@dataclass
class Bar:
    """times: as many times as quick as the peer at least; share: of the peer's time at most.  size: of what is
    written, times the peer's at most.  rss: MiB of memory at most."""

    times: float = 0
    share: float = 0
    size: float = 0
    rss: float = 0

    def __str__(self):
        said = f"{self.times:g}x" if self.times else f"at most {self.share:g} of its time"
        if self.size:
            said += f", size at most {self.size:g}"
        return said + (f", under {self.rss:g} MiB" if self.rss else "")


@dataclass
class Row:
    """key: what options call it.  disk: of which one.  Steps write their `output`, which is removed after each run;
    same: the raw disk that vmlift's output must hold.  slow: the peer is, and gets fewer rounds."""

    key: str
    title: str
    peer: str
    bar: Bar
    ours: Step
    theirs: Step
    disk: str = ""
    same: str = ""
    slow: bool = False


def shell(*lines):
    return ["sh", "-ec", "\n".join(lines)]


def of_disk(disk, folder):
    """What is done to one disk."""
    vmlift = os.environ["VMLIFT"]

    def out(name):
        return os.path.join(folder, name)

    def ours(source, target, *options):
        form = "vmdk" if source.endswith(".vmdk") else "raw"
        words = [vmlift, "convert", *options, "-f", form, source, out(target)]
        return Step("ours", words, output=out(target))

    def qemu(source, form, target, *options):
        words = ["qemu-img", "convert", "-f", form, source, *options, out(target)]
        return Step("qemu-img", words, output=out(target), sync=out(target))

    def copy(source, *options):
        return Step("cp", ["cp", *options, source, out("copy")], output=out("copy"), sync=out("copy"))

    stream = ("-O", "vmdk", "-o", "subformat=streamOptimized")
    with_cp = Bar(share=1.15)
    same, name = disk.raw, disk.name
    return [
        Row("so", "raw to streamOptimized", "qemu-img", Bar(20, size=1.08), ours(disk.raw, "o.vmdk"),
            qemu(disk.raw, "raw", "p.vmdk", *stream), name, same, slow=True),
        Row("so6", "raw to streamOptimized, level 6", "qemu-img", Bar(5, size=1),
            ours(disk.raw, "o.vmdk", "-o", "level=6"), qemu(disk.raw, "raw", "p.vmdk", *stream), name, same, slow=True),
        Row("so-raw", "streamOptimized to raw", "qemu-img", Bar(4), ours(disk.vmdk, "o.raw"),
            qemu(disk.vmdk, "vmdk", "p.raw", "-O", "raw"), name, same),
        Row("raw-raw", "raw to raw", "cp --sparse=always, sync", with_cp, ours(disk.raw, "o.raw"),
            copy(disk.raw, "--sparse=always"), name, same),
        Row("raw-vhd", "raw to VHD dynamic", "cp --sparse=always, sync", with_cp, ours(disk.raw, "o.vhd"),
            copy(disk.raw, "--sparse=always"), name, same),
        Row("raw-mono", "raw to monolithicSparse", "cp --sparse=always, sync", with_cp,
            ours(disk.raw, "o.vmdk", "-o", "subformat=monolithicSparse"), copy(disk.raw, "--sparse=always"), name,
            same),
        Row("so-so", "streamOptimized to streamOptimized", "cp, sync", Bar(share=2), ours(disk.vmdk, "o.vmdk"),
            copy(disk.vmdk), name, same),
        Row("compare", "compare raw with streamOptimized", "qemu-img", Bar(4),
            Step("ours", [vmlift, "compare", disk.raw, disk.vmdk]),
            Step("qemu-img", ["qemu-img", "compare", "-f", "raw", "-F", "vmdk", disk.raw, disk.vmdk]), name),
        Row("hash", "hash of a sparse disk", "sha256sum", Bar(10),
            Step("ours", [vmlift, "hash", "-f", "raw", disk.raw]), Step("sha256sum", ["sha256sum", disk.raw]), name),
        Row("hash-tree", "hash --tree of a sparse disk", "sha256sum", Bar(10),
            Step("ours", [vmlift, "hash", "--tree", "-f", "raw", disk.raw]),
            Step("sha256sum", ["sha256sum", disk.raw]), name),
    ]  # fmt: skip


def of_machine(disks, folder):
    """What is done to an OVA of all disks."""
    vmlift = os.environ["VMLIFT"]
    ova = write_ova(os.path.join(folder, "machine.ova"), disks)
    store, there, out = (os.path.join(folder, name) for name in ("store", "there", "o.ova"))
    env = {"VMLIFT_STORE": store, "AWS_REGION": "us-east-1"}
    unpack = [f'mkdir "{there}"', f'cd "{there}"', f'tar xf "{ova}"', "for f in *.vmdk; do"]
    unpack += ['qemu-img convert -f vmdk "$f" -O raw "$f.raw"', "done"]
    return [
        Row("ova-store", "OVA to the store", "tar x, qemu-img to raw", Bar(5),
            Step("ours", [vmlift, "import", ova, "--name", "one"], output=store, env=env,
                 before=[vmlift, "store", "init"]),
            Step("peer", shell(*unpack), output=there, sync=there)),
        Row("ova-ova", "OVA to OVA (--repack)", "cp, sync", Bar(share=2),
            Step("ours", [vmlift, "convert", "--repack", ova, out], output=out),
            Step("cp", ["cp", ova, out], output=out, sync=out)),
    ]  # fmt: skip


def huge(folder):
    """The same mebibyte in 64 TiB and in 64 GiB: in memory where no other file system takes so long a file."""
    for top in (folder, "/dev/shm"):
        pair = {
            size: os.path.join(top, f"vmlift-bench.{os.getpid()}.{size >> 30}.raw") for size in (64 << 30, 64 << 40)
        }
        try:
            for size, path in pair.items():
                write_made(path, size, MIB)
            return pair
        except OSError:
            for path in pair.values():
                if os.path.exists(path):
                    os.unlink(path)
    return None


def of_huge(pair, folder):
    vmlift = os.environ["VMLIFT"]
    small, large = pair.values()
    top = os.path.dirname(large)
    store = os.path.join(folder, "store")
    env = {"VMLIFT_STORE": store, "AWS_REGION": "us-east-1"}
    bar = Bar(share=3, rss=64)
    peer = "the same data in 64 GiB"

    def convert(source, target, *options):
        return Step("convert", [vmlift, "convert", *options, "-f", "raw", source, target], output=target)

    def take(source):
        words = [vmlift, "import", "-f", "raw", source, "--name", "one"]
        return Step("import", words, output=store, env=env, before=[vmlift, "store", "init"])

    stream, fixed = os.path.join(folder, "o.vmdk"), ("-O", "vhd", "-o", "subformat=fixed")
    return [
        Row("huge-so", "64 TiB to streamOptimized", peer, bar, convert(large, stream), convert(small, stream)),
        Row("huge-store", "64 TiB to the store", peer, bar, take(large), take(small)),
        Row("huge-raw", "64 TiB to raw", peer, bar, convert(large, f"{top}/vmlift-bench.out.raw"),
            convert(small, f"{top}/vmlift-bench.out.raw")),
        Row("huge-vhd", "64 TiB to VHD fixed", peer, bar, convert(large, f"{top}/vmlift-bench.out.vhd", *fixed),
            convert(small, f"{top}/vmlift-bench.out.vhd", *fixed)),
    ]  # fmt: skip
