#!/usr/bin/env python3
"""How quick the local registry is when it has many images.

    VMLIFT=build/release/vmlift tests/bench/registry.py [--rounds N] [--images N]

Listing: vmlift and the sqlite3 shell select the same rows of the same catalog, taking turns; vmlift also checks
each row's sum and says it in EC2's words.  Registering: into a store of 100 images and one of many, taking turns.
Prints Markdown.  Exit status 1 is for a command that fails and for rows that differ, never for time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Failure, Runs, ask

BAR_LIST, BAR_REGISTER = 3, 1.2
SEEN = "i.region = 'us-east-1' AND i.owner = '000000000000' AND i.state NOT IN ('deregistered', 'disabled')"
PARTS = [("mappings", "image", "position"), ("tags", "resource", "key"), ("grants", "resource", "kind"),
         ("codes", "resource", "type")]


class Question:
    """A filter in EC2's words, and in SQL."""

    def __init__(self, name, filters, where):
        self.name = name
        self.words = [word for f in filters for word in ("--filter", f)]
        self.where = f"{SEEN}{where}"

    def sql(self, parts):
        """The images' rows, and those of their parts: what a list reads."""
        text = [f"SELECT i.* FROM images i WHERE {self.where} ORDER BY i.seq, i.id;"]
        for table, key, order in PARTS if parts else []:
            text.append(f"SELECT p.* FROM images i JOIN {table} p ON p.{key} = i.id"
                        f" WHERE {self.where} ORDER BY i.seq, i.id, p.{order};")
        return " ".join(text)


QUESTIONS = [
    Question("a name of 1 %", ["name=web-00*"], " AND i.name GLOB 'web-00*'"),
    Question("a name and a tag", ["name=web-*,state=available,tag:Env=Prod"],
             " AND i.name GLOB 'web-*' AND i.state = 'available' AND EXISTS (SELECT 1 FROM tags t"
             " WHERE t.resource = i.id AND t.key = 'Env' AND t.value = 'Prod')"),
    Question("a tag of a third", ["tag:Env=Prod"],
             " AND EXISTS (SELECT 1 FROM tags t WHERE t.resource = i.id AND t.key = 'Env' AND t.value = 'Prod')"),
    Question("all", [], ""),
]


class Store:
    def __init__(self, vmlift, fill, folder, images):
        self.folder, self.catalog, self.images = folder, folder / "catalog.db", images
        disk = folder.parent / "disk.raw"
        disk.write_bytes(bytes(range(256)) * 4096)
        ask(vmlift, "import", str(disk), "--name", "seed", "--store", str(folder))
        self.snapshot = json.loads(ask(vmlift, "snapshot", "list", "--json", "--store", str(folder)))["Snapshots"][0]["SnapshotId"]
        ask(fill, str(folder), self.snapshot, str(images - 1))


def run(words):
    """Seconds by wall, and of CPU time: too short for time(1)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"exit status {done.returncode}: {' '.join(words)}\n{done.stderr.decode(errors='replace')}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def alternate(commands, rounds):
    """Medians of each command: milliseconds by wall and of CPU time; another one is first in each round.  A command
    is a function of the round that gives its words."""
    runs = [[] for _ in commands]
    for r in range(rounds):
        for k in range(len(commands)):
            i = (r + k) % len(commands)
            runs[i].append(run(commands[i](r)))
    return [tuple(statistics.median(x) * 1000 for x in zip(*each)) for each in runs]


def verdict(ratio, bar):
    return "met" if ratio <= bar else "**missed**"


def bench_list(vmlift, store, rounds):
    """sqlite3 prints what a list reads: the images' rows, and those of their mappings, tags, grants and codes."""
    print(f"| listing of {store.images} | rows | | vmlift ms | CPU | sqlite3 ms | CPU | ratio | (bar {BAR_LIST}) |")
    print("| --- | ---: | --- |" + " ---: |" * 5 + " --- |")
    for q in QUESTIONS:
        ours = [vmlift, "image", "list", "--store", str(store.folder), *q.words]
        shell = ["sqlite3", "-readonly", str(store.catalog)]
        ids = [image["ImageId"] for image in json.loads(ask(*ours, "--json"))["Images"]]
        if ids != ask(*shell, f"SELECT id FROM images i WHERE {q.where} ORDER BY i.seq, i.id").split():
            raise Failure(f"{q.name}: vmlift and sqlite3 select other rows")
        commands = [ours, [*shell, q.sql(True)], [*ours, "--json"], [*shell, "-json", q.sql(True)]]
        times = alternate([lambda r, words=words: words for words in commands], rounds)
        for how, mine, theirs in (("text", *times[:2]), ("JSON", *times[2:])):
            ratio = mine[0] / theirs[0]
            print(f"| {q.name} | {len(ids)} | {how} | {mine[0]:.1f} | {mine[1]:.1f} | {theirs[0]:.1f} |"
                  f" {theirs[1]:.1f} | {ratio:.2f} | {verdict(ratio, BAR_LIST)} |", flush=True)
    print()


def bench_register(vmlift, stores, rounds):
    def command(store):
        return lambda r: [vmlift, "image", "register", "--store", str(store.folder), "--name", f"new-{r}",
                          "--snapshot", store.snapshot]

    times = alternate([command(store) for store in stores], rounds)
    print(f"| images | register, ms | CPU | ratio | (bar {BAR_REGISTER}) |")
    print("| ---: | ---: | ---: | ---: | --- |")
    for store, (wall, cpu) in zip(stores, times):
        ratio = wall / times[0][0]
        print(f"| {store.images} | {wall:.1f} | {cpu:.1f} | {ratio:.2f} | {verdict(ratio, BAR_REGISTER)} |")
    print()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=15, help="of each list; four times as many of registering")
    options.add_argument("--images", type=int, default=10000)
    how = options.parse_args()
    vmlift = str(Path(os.environ["VMLIFT"]).resolve())
    fill = str(Path(vmlift).parent / "tests" / "bench_fill")
    print(f"## The registry: `registry.py --rounds {how.rounds} --images {how.images}`\n")
    print(f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {Runs.host()}")
    print(f"- {ask(vmlift, '--version').strip()}, sqlite3 {ask('sqlite3', '--version').split()[0]}")
    print(f"- load average {os.getloadavg()[0]:.1f} at the beginning\n")
    with tempfile.TemporaryDirectory(prefix="vmlift-registry.") as top:
        few, many = (Store(vmlift, fill, Path(top) / str(n), n) for n in (100, how.images))
        bench_list(vmlift, many, how.rounds)
        bench_register(vmlift, [few, many], how.rounds * 4)
    print(f"Load average {os.getloadavg()[0]:.1f} at the end.")


if __name__ == "__main__":
    try:
        main()
    except Failure as e:
        print(e, file=sys.stderr)
        sys.exit(1)
