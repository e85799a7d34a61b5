#!/usr/bin/env python3
"""A full disk.

    limit    an import, a convert and an export where a file may have so many bytes and no more
             (RLIMIT_FSIZE), for many of them
    disk     an ext4 of 64 MiB in a loop device (root only): what does not fit fails and leaves
             nothing, and gc works and frees where not a byte is free"""

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

from bench import Bench, Case
from fault import (
    LONG, BLOCK, Failure, Ran, Tally, check_error, check_export, check_files, check_verify, listed, must, root, run,
)  # fmt: skip
from power import Disk

LIMITS = 200 if LONG else 8


def limited(case, limit):
    """The command of a case where no file may grow beyond the limit."""
    words = [os.environ["VMLIFT"], *case.words()]
    env = {"VMLIFT_STORE": case.store, "AWS_REGION": "us-east-1", "LC_ALL": "C"}

    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False, preexec_fn=before)
    return Ran(words, done.returncode, done.stdout, done.stderr)


def check_limit(bench, verb, limit):
    top = tempfile.mkdtemp(dir=root())
    try:
        case = Case(bench, verb)
        case.prepare(os.path.join(top, "case"))
        ran = limited(case, limit)
        if ran.status not in (0, 7) or (ran.status == 7 and "[io/full]" not in ran.err):
            raise Failure(f"I5: limit {limit}: status {ran.status}: {ran.err.strip()}")
        case.check(ran)
        return "fitted" if ran.status == 0 else "refused as full"
    except Failure as e:
        raise Failure(f"limit {limit}: {e}") from e
    finally:
        shutil.rmtree(top)


class FullDisk:
    def __init__(self, disk):
        self.disk = disk
        self.store = os.path.join(disk.at, "store")
        self.filler = os.path.join(disk.at, "filler")
        self.noise = random.Random(3)

    def source(self, name, mib):
        path = os.path.join(root(), name)
        with open(path, "wb") as f:
            f.write(self.noise.randbytes(mib << 20))
        return path

    def take(self, source, name):
        return must("import", "-f", "raw", source, "--name", name, store=self.store)

    def free(self):
        st = os.statvfs(self.disk.at)
        return st.f_bfree * st.f_frsize

    def fill(self):
        """To the last byte."""
        fd = os.open(self.filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (1 << 20, 4096, 512, 1):
            try:
                while os.write(fd, bytes(size)):
                    pass
            except OSError:
                pass
        os.close(fd)

    def refused(self, *words):
        ran = run(*words, store=self.store)
        if ran.status != 7 or "[io/full]" not in ran.err:
            raise Failure(f"`{' '.join(ran.words)}` on a full disk: status {ran.status}: {ran.err.strip()}")
        check_error(ran)

    def run(self):
        a, b, c = self.source("a.raw", 14), self.source("b.raw", 14), self.source("c.raw", 40)
        self.take(a, "alpha")
        self.take(b, "beta")
        before = self.free()
        self.refused("import", "-f", "raw", c, "--name", "gamma")
        self.refused("convert", "-f", "raw", c, os.path.join(self.disk.at, "c.vmdk"))
        names, _ = listed(self.store)
        if set(names) != {"alpha", "beta"} or os.path.exists(os.path.join(self.disk.at, "c.vmdk")):
            raise Failure(f"I2: {sorted(names)}")
        must("store", "gc", store=self.store)
        if before - self.free() > 1 << 20:
            raise Failure(f"I4: {before - self.free()} bytes did not come back")
        must("image", "deregister", "beta", store=self.store)
        must("snapshot", "delete", names["beta"][0], store=self.store)
        self.fill()
        full = self.free()
        must("store", "gc", store=self.store)
        freed = self.free() - full
        if freed < 13 << 20:
            raise Failure(f"gc on a full disk freed {freed} bytes of 14 MiB")
        self.fill()
        self.refused("import", "-f", "raw", b, "--name", "beta")
        check_verify(self.store)
        check_export(self.store, names["alpha"][0], a)
        os.unlink(self.filler)
        self.take(b, "beta")
        check_export(self.store, listed(self.store)[0]["beta"][0], b)
        check_files(self.store)
        check_verify(self.store)
        return "gc works on a full disk"


def loop_disk():
    """A file system of this test's own, or None and why."""
    if os.geteuid() != 0:
        return None, "it needs root"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        disk = Disk("ext4")
        shutil.copy(disk.empty, disk.path)
        disk.mount()
        return disk, ""
    except (Failure, OSError) as e:
        return None, str(e)


def main():
    if os.geteuid() == 0 and "VMLIFT_OWN_MOUNTS" not in os.environ and shutil.which("unshare"):
        os.environ["VMLIFT_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    tally = Tally("full disk")
    bench = Bench()
    verbs = [v for v in bench.verbs() if v.name in ("first import", "import", "convert to vmdk", "convert to vhd", "export")]
    noise = random.Random(5)
    limits = [(v, noise.randrange(1, 5 * BLOCK) & ~511) for v in verbs for _ in range(LIMITS)]
    tally.each(limits, lambda case: check_limit(bench, *case))
    bench.sources.check()
    disk, why = loop_disk()
    if disk is None:
        print(f"note: the disk of 64 MiB is left out: {why}", file=sys.stderr)
    else:
        tally.one("disk", FullDisk(disk).run)
        disk.unmount()
    sys.exit(not tally.end())


if __name__ == "__main__":
    main()
