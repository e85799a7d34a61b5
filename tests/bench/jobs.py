#!/usr/bin/env python3
"""How quick vmlift is beside what people use now, in the same run.

run.sh starts it; README.md says what is compared with what.  Prints text, or Markdown with --markdown; JSON and a
chart go to files.  Exit status 0 whatever was measured; 1 when a command fails or a disk does not come back as it
was; nothing fails on time.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

import store
import tables
from chart import chart
from inputs import MIB, Disk, into_cache, machine, write_made
from measure import Failure, Runs, ask, measure
from peers import PEERS
from rows import huge, of_disk, of_huge, of_machine
from show import show
from results import Pair, Results

TABLES = ["rows", "huge", "store", "threads", "sizes"]
DISKS = ["vm", "made"]
ROWS = [
    "so", "so6", "so-raw", "raw-raw", "raw-vhd", "raw-mono", "so-so", "compare", "hash", "hash-tree",
    "ova-store", "ova-ova", "huge-so", "huge-store", "huge-raw", "huge-vhd",
]  # fmt: skip
HUGE_ROUNDS = 3  # for each that is asked for: these are milliseconds


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif path and os.path.exists(path):
        os.unlink(path)


def run(step, then=None):
    """Measured; `then` sees the output before it goes."""
    remove(step.output)
    try:
        done = measure(step)
        return done, then(step.output) if then else None
    finally:
        remove(step.output)


def size_of(path):
    return os.stat(path).st_size if os.path.isfile(path) else 0


def check(row, output):
    """What we wrote holds the disk, as qemu-img and no reader of ours sees it."""
    form = {"raw": "raw", "vhd": "vpc", "vmdk": "vmdk"}[output.rsplit(".", 1)[1]]
    # of a VHD whose creator it does not know, qemu-img takes the size by its geometry
    name = f"json:{{'driver':'vpc','force_size_calc':'current_size','file':{{'driver':'file','filename':'{output}'}}}}"
    other = [name] if form == "vpc" else ["-F", form, output]
    ask("qemu-img", "compare", "-f", "raw", row.same, *other)


def rounds_of_row(row, rounds):
    """Ours and the peer's in turn, the other one first in each round."""
    pair = Pair(row.key, row.disk, row.title, row.peer, row.bar)
    for number in range(rounds):
        say(f"{row.key} {row.disk} {number + 1}/{rounds}")
        for which in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            if number == 0 and which == "ours" and row.same:
                run(row.ours, lambda output: check(row, output))  # and warms up
            done, size = run(getattr(row, which), size_of)
            pair.add(which, done, size)
    return pair


def table_of(jobs, rounds, results, name):
    """Each job's variants in turn."""
    for title, variants, *more in jobs:
        runs = {variant: [] for variant in variants}
        for number in range(rounds):
            say(f"{name}: {title} {number + 1}/{rounds}")
            for variant in list(variants) if number % 2 == 0 else reversed(list(variants)):
                runs[variant].append(run(variants[variant])[0])
        results.table(name, title, runs, *more)


def rounds_of_store(top, disk, how, results):
    """store.py's rounds, and its bars as rows."""
    runs = Runs(disk.raw)
    there = [p for p in PEERS if p.there()]
    for number in range(how.rounds):
        peers = [p for p in there if not p.slow or number < how.slow_rounds]
        store.round_of_peers(top, disk.raw, number, peers, runs, number == 0)
    results.store(disk.name, runs)


def some_of(names):
    """An option's value: some of the names."""

    def parse(said):
        for name in said.split(","):
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name} is none of {','.join(names)}")
        return said.split(",")

    return parse


def options():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each row (5)")
    parser.add_argument("--slow-rounds", type=int, default=3, help="of rows whose peer is slow (3)")
    for name, all_of, more in ("tables", TABLES, ""), ("rows", ROWS, ""), ("disks", DISKS, " (an OVA has both)"):
        said = f"of {','.join(all_of)} only these{more}"
        parser.add_argument(f"--{name}", metavar="LIST", type=some_of(all_of), default=all_of, help=said)
    parser.add_argument("--disk", help="a raw disk instead of the sample machine's")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--json", help="everything measured, into this file")
    parser.add_argument("--svg", help="a chart, into this file")
    return parser.parse_args()


def pairs(top, how, disks, wanted):
    chosen = [d for d in disks if d.name in how.disks]
    rows = [row for d in chosen for row in of_disk(d, top)] + of_machine(disks, top)
    for row in rows:
        if wanted(row):
            yield rounds_of_row(row, min(how.rounds, how.slow_rounds) if row.slow else how.rounds)


def huge_pairs(top, how, wanted):
    pair = huge(top)
    if pair is None:
        say("no file system here takes a file of 64 TiB: left out")
        return
    try:
        for row in of_huge(pair, top):
            if wanted(row):
                yield rounds_of_row(row, HUGE_ROUNDS * how.rounds)
    finally:
        for path in pair.values():
            os.unlink(path)


def measure_all(top, how, results):
    todo = how.tables
    raw = os.path.join(top, "made.raw")
    if set(todo) - {"huge", "sizes"}:
        into_cache(write_made(raw, 4096 * MIB, 1024 * MIB))
        disks = [Disk("vm", os.path.abspath(how.disk or machine()), top), Disk("made", raw, top)]
        results.disks(disks)

    def wanted(row):
        return row.key in how.rows

    if "rows" in todo:
        results.pairs += pairs(top, how, disks, wanted)
    if "huge" in todo:
        results.pairs += huge_pairs(top, how, wanted)
    if "store" in todo:
        rounds_of_store(top, disks[0], how, results)
    if "threads" in todo:
        table_of(tables.threads(disks[0], top), how.rounds, results, "threads")
    if "sizes" in todo:
        table_of(tables.sizes(top), how.rounds, results, "sizes")


def main():
    how = options()
    os.environ.update(LC_ALL="C")
    results = Results()
    with tempfile.TemporaryDirectory(prefix="vmlift-bench.") as top:
        measure_all(top, how, results)
    results.end()
    print(show(results, how.markdown))
    if how.json:
        with open(how.json, "w", encoding="utf-8") as f:
            json.dump(results.as_json(), f, indent=1)
    if how.svg:
        with open(how.svg, "w", encoding="utf-8") as f:
            f.write(chart(results))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"run.sh: {failure}")
