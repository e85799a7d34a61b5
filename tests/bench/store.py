#!/usr/bin/env python3
"""How quick the store is, beside borg, restic and casync, in the same run.

    VMLIFT=build/release/vmlift tests/bench/store.py [--rounds N] [--slow-rounds N] [--disk FILE] [--json FILE]

Prints Markdown: medians, ratios, peak memory, stored sizes, and for each bar whether it is met.  Exit status
0 whatever was measured; 1 when a command fails or a disk does not come back as it was.  peers.py says what
is run; README.md beside it what is compared with what, and why.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

from disks import sparse_pair
from measure import Failure, Runs, ask, sha256_rate
from peers import PEERS
from report import report

HERE = os.path.dirname(os.path.abspath(__file__))


def machine():
    """The sample machine's disk."""
    return ask(os.path.join(HERE, "..", "..", "samples", "make-vm.sh")).strip()


def round_of_peers(top, disk, number, peers, runs, check):
    """Each tool's whole life once; another tool begins in each round."""
    turn = number % len(peers)
    for peer in peers[turn:] + peers[:turn]:
        folder = os.path.join(top, peer.name)
        os.mkdir(folder)
        print(f"round {number + 1}: {peer.name}", file=sys.stderr, flush=True)
        store = peer(folder, disk)
        store.begin()
        for step in store.steps():
            if step.name == "verify" and peer.name == "vmlift":
                runs.rate("openssl", sha256_rate("-multi", "2"))
                runs.rate("openssl, a core", sha256_rate())  # by CPU time
            runs.step(peer.name, step)
            if step.name == "first":
                runs.size(peer.name, store.where)
            if step.name == "first" and peer.name == "vmlift":
                runs.unpacked = store.unpacked()
            if step.name == "export" and check and ask("cmp", disk, step.output) != "":
                raise Failure(f"{peer.name}: another disk came back")
        shutil.rmtree(folder)


def rounds_of_sparse(top, vmlift, rounds, runs):
    """A gibibyte of data in a disk of its own size, and in one of 64 TiB."""
    pair = sparse_pair(top)
    if pair is None:
        print("no file system here takes a file of 64 TiB: left out", file=sys.stderr)
        return
    try:
        for number in range(rounds):
            for name in ("small", "sparse") if number % 2 == 0 else ("sparse", "small"):
                folder = os.path.join(top, name)
                os.mkdir(folder)
                store = vmlift(folder, pair[name])
                store.begin()
                runs.step(name, next(iter(store.steps())))
                runs.tree[name] = store.tree()
                shutil.rmtree(folder)
    finally:
        for path in pair.values():
            os.unlink(path)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--rounds", type=int, default=5, help="of vmlift and borg (5)")
    options.add_argument("--slow-rounds", type=int, default=3, help="of restic and casync (3)")
    options.add_argument("--tools", help="of vmlift,borg,restic,casync only these, beside vmlift; and no 64 TiB")
    options.add_argument("--disk", help="a raw disk; else the sample machine's")
    options.add_argument("--json", help="also everything measured, into this file")
    how = options.parse_args()
    if "VMLIFT" not in os.environ:
        options.error("VMLIFT names the program to measure")
    os.environ.update(LC_ALL="C")
    disk = os.path.abspath(how.disk or machine())
    runs = Runs(disk)
    wanted = [p for p in PEERS if not how.tools or p.name in ["vmlift", *how.tools.split(",")]]
    there = [p for p in wanted if p.there()]
    runs.missing = [p.name for p in PEERS if not p.there()]
    with tempfile.TemporaryDirectory(prefix="vmlift-bench.") as top:
        with open(disk, "rb") as f:  # into the page cache, for all alike
            while f.read(1 << 24):
                pass
        for number in range(how.rounds):
            peers = [peer for peer in there if not peer.slow or number < how.slow_rounds]
            round_of_peers(top, disk, number, peers, runs, number == 0)
        if not how.tools:
            rounds_of_sparse(top, PEERS[0], how.rounds, runs)
    runs.end()
    print(report(runs))
    if how.json:
        with open(how.json, "w", encoding="utf-8") as f:
            json.dump(runs.as_json(), f, indent=1)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"store.py: {failure}")
