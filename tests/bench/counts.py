#!/usr/bin/env python3
"""How many instructions the hot loops take, beside what counts.json has of them: a regression shows without a clock.

    VMLIFT=build/release/vmlift tests/bench/counts.py [--record]

Runs each job on a small disk with one thread, under callgrind and under strace.  Counts do not depend on what else
the machine does, but on compiler and libraries, and a little on the CPU that callgrind lets them see; so what decides
is vmlift's own code, and the rest is told beside it.  Exit status 1: a job's own code takes 3 % more than recorded, or
it makes as many more system calls.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

from inputs import MIB, write_made
from measure import Failure, ask

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counts.json")
DATA = 8 * MIB
GROWN = 0.03
TOLD = 0.03  # of a job's own: functions that take less are not recorded
LIBRARIES = ["libc", "libcrypto", "libdeflate", "libisal", "libsqlite3", "libz", "libzstd"]  # that have loops of ours


def make_inputs(folder):
    vmlift = os.environ["VMLIFT"]
    raw = write_made(os.path.join(folder, "in.raw"), 64 * MIB, DATA, 4)
    stream = os.path.join(folder, "in.vmdk")
    ask(vmlift, "convert", "-o", "level=6", "-f", "raw", raw, stream)
    ask(vmlift, "convert", stream, os.path.join(folder, "in.ova"))


def jobs(folder):
    """Title and words of each; what is written has {} in its name."""
    vmlift = os.environ["VMLIFT"]
    raw, stream, ova = (os.path.join(folder, "in." + suffix) for suffix in ("raw", "vmdk", "ova"))

    def convert(source, suffix, *options):
        return [vmlift, "convert", "--threads", "1", *options, source, os.path.join(folder, "{}." + suffix)]

    return [
        ("raw to streamOptimized", convert(raw, "vmdk", "-f", "raw")),
        ("streamOptimized to raw", convert(stream, "raw")),
        ("streamOptimized to streamOptimized", convert(stream, "vmdk")),
        ("OVA to OVA", convert(ova, "ova", "--repack")),
        ("raw to raw", convert(raw, "raw", "-f", "raw")),
        ("raw to VHD dynamic", convert(raw, "vhd", "-f", "raw")),
        ("compare", [vmlift, "compare", "--threads", "1", raw, stream]),
        ("hash", [vmlift, "hash", "--threads", "1", "-f", "raw", raw]),
        ("raw to the store", [vmlift, "import", "--threads", "1", "-f", "raw", raw, "--name", "machine-{}"]),
    ]


class Profile:
    """Self costs of a callgrind file: of each object, and of each function of vmlift."""

    def __init__(self, path):
        self.objects, self.functions, self.names = {}, {}, {}
        ob = fn = ""
        skip = False
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                head, _, rest = line.strip().partition("=")
                if head in ("ob", "fn"):
                    name = self.name(head, rest)
                    ob, fn = (name, fn) if head == "ob" else (ob, name)
                elif head in ("cob", "cfn"):
                    self.name(head[1:], rest)
                elif head == "calls":
                    skip = True  # the next line is what was called, not this function
                elif re.match(r"[+*-]?\d*( \d+)+$", line.strip()) and not line.startswith("summary"):
                    if not skip:
                        self.add(ob, fn, int(line.split()[-1]))
                    skip = False

    def name(self, kind, said):
        """(3) name the first time, then (3)."""
        number, _, name = said.partition(" ")
        if name:
            self.names[kind, number] = name
        return self.names[kind, number]

    def add(self, ob, fn, cost):
        base = re.sub(r"[-.]?(so)?[.\d]*$", "", os.path.basename(ob)) or ob
        self.objects[base] = self.objects.get(base, 0) + cost
        if base == "vmlift":
            self.functions[fn] = self.functions.get(fn, 0) + cost

    def record(self):
        own = self.objects.get("vmlift", 0)
        return {
            "own": own,
            "libraries": {k: self.objects[k] for k in LIBRARIES if self.objects.get(k, 0) > own},
            "functions": {k: v for k, v in sorted(self.functions.items(), key=lambda x: -x[1]) if v >= TOLD * own},
        }


def run_under(tool, words, folder, number):
    """The job once more, into outputs and a store of their own."""
    store = os.path.join(folder, f"store-{number}")
    env = {**os.environ, "VMLIFT_STORE": store, "AWS_REGION": "us-east-1"}
    if "import" in words:
        ask(words[0], "store", "init", env=env)
    words = [*tool, *(word.replace("{}", str(number)) for word in words)]
    done = subprocess.run(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env, check=False
    )  # fmt: skip
    if done.returncode != 0:
        raise Failure(f"exit status {done.returncode}: {' '.join(words)}\n{done.stderr[-2000:]}")


def count(words, folder, number):
    out = os.path.join(folder, "out")
    run_under(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"], words, folder, 2 * number)
    counted = Profile(out).record()
    run_under(["strace", "-f", "-qq", "-o", out], words, folder, 2 * number + 1)
    with open(out, encoding="utf-8", errors="replace") as f:
        counted["calls"] = sum("resumed>" not in line for line in f)
    return counted


def change(was, now):
    return f"{100 * (now / was - 1):+.1f} %" if was else "new"


def tell(job, was, now):
    """Prints a job; true when its own code has grown."""
    if not was:
        print(f"{job}: {now['own']} instructions of our own, not recorded")
        return False
    print(
        f"{job}: {now['own'] / DATA:.3f} instructions of our own for a byte, {change(was['own'], now['own'])};"
        f" {now['calls']} system calls, {now['calls'] - was['calls']:+d}"
    )
    for what in ("libraries", "functions"):
        for name in sorted({*was[what], *now[what]}):
            a, b = was[what].get(name, 0), now[what].get(name, 0)
            if abs(a - b) > TOLD * was["own"] and abs(a - b) > GROWN * a:
                print(f"    {name}: {a} to {b}, {change(a, b)}")
    return any(now[what] > was[what] * (1 + GROWN) for what in ("own", "calls"))


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--record", action="store_true", help="counts.json becomes what is counted now")
    how = options.parse_args()
    if "VMLIFT" not in os.environ:
        options.error("VMLIFT names the program to measure")
    os.environ.pop("SOURCE_DATE_EPOCH", None)
    was = {}
    if os.path.exists(RECORD):
        with open(RECORD, encoding="utf-8") as f:
            was = json.load(f)
    with tempfile.TemporaryDirectory(prefix="vmlift-counts.") as folder:
        make_inputs(folder)
        now = {job: count(words, folder, number) for number, (job, words) in enumerate(jobs(folder))}
    grown = [job for job, counted in now.items() if tell(job, was.get(job), counted)]
    if how.record:
        with open(RECORD, "w", encoding="utf-8") as f:
            json.dump(now, f, indent=1)
            f.write("\n")
        return 0
    return 1 if grown else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"counts.py: {failure}")
