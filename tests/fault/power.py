#!/usr/bin/env python3
"""Power cuts, on ext4 and xfs in loop devices: the file system's shutdown ioctl without a flush of its
log loses what was not made durable, as a cut does (but for the cache of a drive).

    at once     right after exit status 0: all of the result must be there, identical
    in between  at the k-th write-side call: I1 to I3, and an output is whole or absent
    control     with every fsync dropped something must be missing, or the test could not fail

Needs root, loop devices and mkfs of either; all mounts are in a namespace of the test's own."""

import fcntl
import os
import shutil
import subprocess
import sys
import time

from bench import Bench, Case
from fault import LONG, Failure, Fault, Ran, Tally, root, skip

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN: _IOR('X', 125, u32)
NO_FLUSH = b"\2\0\0\0"
SYSTEMS = {"ext4": ("64M", ["mkfs.ext4", "-q", "-F"]), "xfs": ("320M", ["mkfs.xfs", "-q", "-f"])}
SHORT_CUTS = 2  # for each verb


def system(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(words)}`: {done.stderr.strip()}")


class Disk:
    """A file system in a file, with a store of each base in it."""

    def __init__(self, kind):
        self.kind = kind
        size, mkfs = SYSTEMS[kind]
        self.path, self.empty = (os.path.join(root(), kind + end) for end in (".img", ".empty"))
        self.at = os.path.join(root(), kind)
        os.mkdir(self.at)
        system("truncate", "-s", size, self.empty)
        system(*mkfs, self.empty)

    def mount(self):
        system("mount", "-o", "loop", self.path, self.at)

    def unmount(self):
        for _ in range(50):
            done = subprocess.run(["umount", self.at], capture_output=True, text=True, timeout=60, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise Failure(f"umount: {done.stderr.strip()}")

    def begin(self, case):
        system("cp", "--sparse=always", self.empty, self.path)
        self.mount()
        case.prepare(os.path.join(self.at, "case"))
        system("sync", "-f", self.at)

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, NO_FLUSH)
        finally:
            os.close(fd)

    def restart(self):
        self.unmount()
        self.mount()


def cut_after(disk, case, wait):
    """Power goes `wait` seconds after exit 0."""
    disk.begin(case)
    try:
        ran = case.run()
        if ran.status != 0:
            raise Failure(f"status {ran.status}: {ran.err.strip()}")
        time.sleep(wait)
        disk.cut()
        disk.restart()
        case.check(ran)
        return "all there after exit 0"
    finally:
        disk.unmount()


def cut_at(disk, case):
    case.fault.mount = disk.at
    disk.begin(case)
    try:
        ran = case.run()
        if not ran.killed:
            raise Failure(f"no power cut: status {ran.status}: {ran.err.strip()}")
        disk.restart()
        case.check(Ran(ran.words, -9, "", ""))
        return "cut in between"
    finally:
        disk.unmount()


def control(disk, bench, verbs):
    """Without syncs something must be lost."""
    lost = 0
    for verb in verbs:
        case = Case(bench, verb, Fault("calls", 1, "drop", always=True, only="fsync,fdatasync,syncfs"))
        try:
            cut_after(disk, case, 0)
        except Failure:
            lost += 1
    if lost == 0:
        raise Failure("without any sync everything is there: the cuts cut nothing")
    return "lost without syncs, as it must"


def calls_of(disk, bench, verb):
    case = Case(bench, verb)
    disk.begin(case)
    try:
        return case.trace()
    finally:
        disk.unmount()


def cases(disk, bench, verbs):
    for verb in verbs:
        for wait in (0, 7) if LONG else (0,):
            yield Case(bench, verb), lambda case, wait=wait: cut_after(disk, case, wait)
    for number, verb in enumerate(verbs):
        calls = calls_of(disk, bench, verb)
        step = 1 if LONG else max(1, len(calls) // SHORT_CUTS)
        # from verb to verb a little later
        for k in range(1 + step * number // len(verbs), len(calls) + 1, step):
            case = Case(bench, verb, Fault("calls", k, "cut"), calls[k - 1])
            yield case, lambda case: cut_at(disk, case)


def main():
    if os.geteuid() != 0:
        skip("power cuts need root")
    if "VMLIFT_OWN_MOUNTS" not in os.environ:
        os.environ["VMLIFT_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    bench = Bench()
    verbs = bench.verbs()
    good = []
    for kind, (_, mkfs) in SYSTEMS.items():
        if shutil.which(mkfs[0]) is None:
            print(f"note: {kind} is left out: no {mkfs[0]}", file=sys.stderr)
            continue
        disk = Disk(kind)
        try:
            shutil.copy(disk.empty, disk.path)
            disk.mount()
        except Failure as e:
            print(f"note: {kind} is left out: {e}", file=sys.stderr)
            continue
        disk.unmount()
        tally = Tally("power cuts, " + kind)
        for case, fn in cases(disk, bench, verbs):
            tally.one(f"{kind}: {case}", lambda: fn(case))
        tally.one(f"{kind}: control", lambda: control(disk, bench, list(bench.all_verbs())[:8:2]))
        good.append(tally.end())
    if not good:
        skip("no file system can be made and mounted in a loop device")
    bench.sources.check()
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
