#!/usr/bin/env python3
"""The source changes while it is read: source/changed, or the disk as it was before or after the change,
never a mixture, and nothing of what was refused is there."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from fault import LONG, VMLIFT, Failure, Ran, Tally, check_files, check_verify, digest, listed, must, root

CHANGES = 1000 if LONG else 20
SIZE = 48 << 20


def overwrite(path, noise):
    with open(path, "r+b") as f:
        f.seek(noise.randrange(SIZE - 4096))
        f.write(noise.randbytes(4096))


def grow(path, noise):
    with open(path, "ab") as f:
        f.write(noise.randbytes(4096))


def shrink(path, noise):
    os.truncate(path, noise.randrange(1, SIZE // 512) * 512)


def replace(path, noise):
    other = path + ".new"
    shutil.copy(path, other)
    overwrite(other, noise)
    os.rename(other, path)


def remove(path, _noise):
    os.unlink(path)


WAYS = [overwrite, grow, shrink, replace, remove]


class Bench:
    def __init__(self):
        self.first = os.path.join(root(), "first.raw")
        with open(self.first, "wb") as f:
            f.write(random.Random(11).randbytes(SIZE))
        self.old = digest(self.first)
        start = time.monotonic()
        must("import", "-f", "raw", self.first, "--name", "timed", store=os.path.join(root(), "timed"))
        self.took = time.monotonic() - start

    def change(self, number):
        noise = random.Random(number)
        way = WAYS[number % len(WAYS)]
        top = tempfile.mkdtemp(dir=root())
        store, path = os.path.join(top, "store"), os.path.join(top, "source.raw")
        imports = number % 2 == 0
        try:
            shutil.copy(self.first, path)
            words = ["import", "-f", "raw", path, "--name", "changed"] if imports else ["convert", path, top + "/out.raw"]
            env = {"VMLIFT_STORE": store, "AWS_REGION": "us-east-1", "LC_ALL": "C"}
            process = subprocess.Popen(
                [VMLIFT, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            time.sleep(noise.random() * self.took)
            way(path, noise)
            out, err = process.communicate(timeout=120)
            ran = Ran(words, process.returncode, out, err)
            return f"{way.__name__}: {self.check(ran, top, store, path, imports)}"
        finally:
            shutil.rmtree(top)

    def check(self, ran, top, store, path, imports):
        made = os.path.join(top, "out.raw")
        if ran.status == 0:
            if imports:
                must("export", "changed", made, "-O", "raw", store=store)
            got = digest(made)
            if got == self.old:
                return "before"
            if os.path.exists(path) and got == digest(path):
                return "after"
            raise Failure(f"I1: status 0, and the disk is neither: {ran.err.strip()}")
        early = ran.status == 6 and "[io/not-found]" in ran.err  # removed before it was opened
        if not early and not (ran.status == 7 and "[source/changed]" in ran.err):
            raise Failure(f"I5: status {ran.status}: {ran.err.strip()}")
        if os.path.exists(made):
            raise Failure("I2: there is an output")
        if imports and os.path.exists(os.path.join(store, "format")):
            if listed(store)[0]:
                raise Failure("I2: there is an image")
            check_verify(store)
            check_files(store)
        return "not there" if early else "refused"


def main():
    tally = Tally("source changed while it was read")
    bench = Bench()
    for number in range(CHANGES):
        tally.one(number, lambda: bench.change(number))
    sys.exit(not tally.end())


if __name__ == "__main__":
    main()
