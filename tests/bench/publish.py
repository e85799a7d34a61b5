#!/usr/bin/env python3
"""How quick a publish is over loopback, vmlift at both ends, beside the SHA-256 that each of them computes.

    VMLIFT=build/release/vmlift tests/bench/publish.py [--rounds N] [--size MIB] [--disk FILE] [--json FILE]

Prints Markdown: the medians of rate, memory and CPU time, and whether the bar is met: 40 % of what one core
computes of SHA-256 (openssl speed, in the same rounds), and 128 MiB at each end.  Exit status 0 whatever was
measured; 1 when a command fails, when a disk does not come back as it was, or when a publish over a parent
sends what has not changed.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

from disks import block
from measure import Failure, Step, ask, measure, sha256_rate

BLOCK = 512 << 10
BAR, MEMORY = 0.4, 128
CHANGED = 5  # blocks of the disk that is published over the first
VMLIFT = os.environ.get("VMLIFT")
REGION, ACCOUNT = "us-east-1", "111122223333"


class Endpoint:
    """A server of its own, with an empty store."""

    def __init__(self, top):
        self.store = os.path.join(top, "there")
        key = json.loads(ask(VMLIFT, "serve", "key", "add", "--store", self.store, "--account", ACCOUNT, "--json"))
        self.env = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "HOME": top,
        }
        words = [VMLIFT, "serve", "--store", self.store, "--listen", "127.0.0.1:0", "--exit-with-parent"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        self.here = os.path.join(top, "here")

    def words(self, disk, name, *more):
        return [VMLIFT, "publish", disk, "-f", "raw", "--name", name, "--force", "--region", REGION, "--endpoint-url", self.url,
                "--store", self.here, *more]  # fmt: skip

    def cost(self):
        """Seconds of CPU so far, and the peak of memory in MiB."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), peak / 1024

    def snapshot(self, name):
        images = json.loads(ask(VMLIFT, "image", "list", "--store", self.store, "--account", ACCOUNT, "--json"))["Images"]
        return next(i for i in images if i["Name"] == name)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    def end(self):
        self.process.kill()
        self.process.wait()


def noise(size, path):
    chance = random.Random(5)
    with open(path, "wb") as f:
        for _ in range(size // BLOCK):
            f.write(chance.randbytes(BLOCK))


def half(size, path):
    chance = random.Random(6)
    with open(path, "wb") as f:
        for _ in range(size // BLOCK):
            f.write(block(chance))


def change(disk, path):
    shutil.copy(disk, path)
    chance = random.Random(7)
    with open(path, "r+b") as f:
        for n in chance.sample(range(os.path.getsize(disk) // BLOCK), CHANGED):
            f.seek(n * BLOCK)
            f.write(chance.randbytes(100))


def check(end, disk, top):
    """The snapshot is the disk; over it only what has changed is sent."""
    snapshot = end.snapshot("first")
    out = os.path.join(top, "out.raw")
    ask(VMLIFT, "export", snapshot, out, "-O", "raw", "--store", end.store, "--account", ACCOUNT)
    os.truncate(out, os.path.getsize(disk))
    if ask("cmp", disk, out) != "":
        raise Failure("another disk came back")
    os.unlink(out)
    second = os.path.join(top, "second.raw")
    change(disk, second)
    words = end.words(second, "second", "--parent-snapshot", snapshot, "--json")
    said = json.loads(ask(*words, env={**os.environ, **end.env}))
    os.unlink(second)
    if said["blocks"] != CHANGED:
        raise Failure(f"{said['blocks']} blocks were sent, and {CHANGED} have changed")


def one(disk, first):
    """One publish into an empty store: what it cost at both ends."""
    with tempfile.TemporaryDirectory(prefix="vmlift-bench.") as top:
        end = Endpoint(top)
        try:
            before = end.cost()[0]
            run = measure(Step("publish", end.words(disk, "first"), env=end.env))
            cpu, peak = end.cost()
            if first:
                check(end, disk, top)
        finally:
            end.end()
    return {"seconds": run.wall, "client": run.rss / 1024, "server": peak, "client CPU": run.cpu, "server CPU": cpu - before}


def data_of(disk):
    """Bytes of the blocks that are sent: those with anything but zeroes."""
    sent = 0
    with open(disk, "rb") as f:
        while piece := f.read(BLOCK):
            sent += BLOCK * (piece.count(0) != len(piece))
    return sent


def report(results, rates, load):
    sha = statistics.median(rates)
    print(f"SHA-256 on one core: {sha / 1e6:.0f} MB/s. Load average {load[0]:.1f} before, {load[1]:.1f} after.\n")
    print("| data | MB/s | of SHA-256 | by CPU, 2 cores | MiB, client and server | bars |\n|---|--:|--:|--:|--:|---|")
    for name, (size, runs) in results.items():
        mid = {what: statistics.median(r[what] for r in runs) for what in runs[0]}
        share = size / mid["seconds"] / sha
        cpu = size * 2 / (mid["client CPU"] + mid["server CPU"]) / sha
        memory = max(mid["client"], mid["server"])
        bars = f"{'met' if share >= BAR else 'not met'}, {'met' if memory <= MEMORY else 'not met'}"
        print(
            f"| {name} | {size / mid['seconds'] / 1e6:.0f} | {share:.0%} | {cpu:.0%} "
            f"| {mid['client']:.0f} and {mid['server']:.0f} | {bars} |"
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--size", type=int, default=1024, metavar="MIB", help="of data (1024)")
    options.add_argument("--disk", help="also this raw disk")
    options.add_argument("--json", help="also everything measured, into this file")
    how = options.parse_args()
    if not VMLIFT:
        options.error("VMLIFT names the program to measure")
    os.environ["LC_ALL"] = "C"
    rates, results, load = [], {}, [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="vmlift-bench.") as top:
        disks = {"noise": os.path.join(top, "noise.raw"), "half of it text": os.path.join(top, "half.raw")}
        noise(how.size << 20, disks["noise"])
        half(how.size << 20, disks["half of it text"])
        if how.disk:
            disks[os.path.basename(how.disk)] = os.path.abspath(how.disk)
        sizes = {name: data_of(disk) for name, disk in disks.items()}
        for number in range(how.rounds):
            rates.append(sha256_rate())
            for name, disk in disks.items():
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                results.setdefault(name, (sizes[name], []))[1].append(one(disk, number == 0))
    load.append(os.getloadavg()[0])
    report(results, rates, load)
    if how.json:
        with open(how.json, "w", encoding="utf-8") as f:
            json.dump({"sha256": rates, "load": load, "runs": results}, f, indent=1)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"publish.py: {failure}")
