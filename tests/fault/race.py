#!/usr/bin/env python3
"""Processes at once, and processes killed.

    gc       runs again and again, and now and then a rebuild, beside four importers, which delete what is
             theirs and are killed at random, and readers, who export what others committed
    large    an import of 384 MiB, killed when it has written a random share of that, or while it
             syncs and commits: no trace but space that gc frees"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from fault import (
    LONG, VMLIFT, Failure, Sources, Tally, check_export, check_files, check_next, check_space, check_verify, listed,
    make_disk, must, pack_bytes, root, run,
)  # fmt: skip

GC_RUNS = 200 if LONG else 12
KILLS = 1000 if LONG else 12
REPLACED = "[store/replaced]"  # what is said to who waited for a rebuild
LARGE = 384 << 20  # more than a pack: one is sealed on the way
IMPORTERS, READERS = 4, 2


class Race:
    def __init__(self, tally):
        self.tally = tally
        self.store = os.path.join(root(), "race")
        self.sources = Sources()
        self.disks = [
            self.sources.add(make_disk(os.path.join(root(), f"race{i}.raw"), [2, 3, 0, 10 + i, 12 + i, 14 + i, 0, 5]))
            for i in range(6)
        ]
        self.lock = threading.Lock()
        self.kept = {}  # snapshot: disk; what readers may expect to stay
        self.over = threading.Event()

    def start(self, words):
        env = {"VMLIFT_STORE": self.store, "AWS_REGION": "us-east-1", "LC_ALL": "C"}
        return subprocess.Popen([VMLIFT, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def importer(self, number):
        noise, turn = random.Random(number), 0
        while not self.over.is_set():
            turn += 1
            name, disk = f"race-{number}-{turn}", noise.choice(self.disks)
            process = self.start(["import", "-f", "raw", disk, "--name", name, "--json"])
            if noise.random() < 0.25:
                time.sleep(noise.random() * 0.03)
                process.send_signal(signal.SIGKILL)
            out, err = process.communicate(timeout=120)
            if process.returncode == -signal.SIGKILL:
                self.tally.add("imports killed")
                continue
            if REPLACED in err:
                self.tally.add("imports to be begun again")
                continue
            if process.returncode != 0:
                raise Failure(f"import beside gc: status {process.returncode}: {err.strip()}")
            self.tally.add("imports")
            snapshot = json.loads(out)["SnapshotIds"][0]
            if noise.random() < 0.5:
                self.change("image", "deregister", name)
                self.change("snapshot", "delete", snapshot)
                continue
            with self.lock:
                self.kept[snapshot] = disk

    def change(self, *words):
        """Who waited for a rebuild is told to begin again."""
        while (ran := run(*words, store=self.store)).status != 0:
            if REPLACED not in ran.err:
                raise Failure(f"`{' '.join(words)}`: status {ran.status}: {ran.err.strip()}")

    def rebuild(self, noise):
        process = self.start(["store", "rebuild"])
        if noise.random() < 0.5:
            time.sleep(noise.random() * 0.2)
            process.send_signal(signal.SIGKILL)
        err = process.communicate(timeout=120)[1]
        if process.returncode not in (0, -signal.SIGKILL):
            raise Failure(f"rebuild: status {process.returncode}: {err.strip()}")
        self.tally.add("rebuilds" if process.returncode == 0 else "rebuilds killed")

    def reader(self, number):
        noise = random.Random(100 + number)
        while not self.over.is_set():
            with self.lock:
                snapshot, disk = noise.choice(list(self.kept.items()))
            check_export(self.store, snapshot, disk)
            self.tally.add("exports")

    def guarded(self, fn, number):
        try:
            fn(number)
        except Failure as e:
            self.tally.fail(f"{fn.__name__} {number}", e)
            self.over.set()

    def run(self):
        first = json.loads(must("import", "-f", "raw", self.disks[0], "--name", "first", "--json", store=self.store))
        self.kept[first["SnapshotIds"][0]] = self.disks[0]
        threads = [threading.Thread(target=self.guarded, args=(self.importer, i)) for i in range(IMPORTERS)]
        threads += [threading.Thread(target=self.guarded, args=(self.reader, i)) for i in range(READERS)]
        for t in threads:
            t.start()
        noise = random.Random(99)
        try:
            for turn in range(GC_RUNS):
                if self.over.is_set():
                    break
                if turn % 4 == 3:
                    self.rebuild(noise)
                self.change("store", "gc")
                self.tally.add("gc runs")
                time.sleep(0.02)
        finally:
            self.over.set()
            for t in threads:
                t.join()
        return self.check()

    def check(self):
        check_verify(self.store)
        names, ids = listed(self.store)
        lost = set(self.kept) - set(ids)
        if lost:
            raise Failure(f"I1: lost: {lost}")
        # killed after its commit: there, though nobody was told
        more = [i for i in ids if i not in self.kept]
        whole = {i for of in names.values() for i in of}
        # killed between the two, an image may be gone and its snapshot not; never the other way round
        if not whole <= set(ids):
            raise Failure(f"I2: images without a snapshot: {whole - set(ids)}")
        for snapshot in more:
            must("export", snapshot, os.path.join(root(), "more.raw"), "-O", "raw", "--force", store=self.store)
        for snapshot, disk in self.kept.items():
            check_export(self.store, snapshot, disk)
        self.tally.add("snapshots identical", len(self.kept))
        check_space(self.store, self.disks)
        check_next(self.store, self.disks[1])
        check_files(self.store)
        self.sources.check()
        return "store whole at the end"


def wait_written(process, bytes):
    """Until the process has written so much, or is over."""
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/io") as f:
                if int(re.search(r"^wchar: (\d+)$", f.read(), re.M)[1]) >= bytes:
                    return
        except (OSError, TypeError):
            return
        time.sleep(0.0005)


class Large:
    """An import that takes its time, killed."""

    def __init__(self):
        top = root()
        self.small = make_disk(os.path.join(top, "small.raw"), [2, 3, 4])
        self.large = os.path.join(top, "large.raw")
        noise = random.Random(7)
        with open(self.large, "wb") as f:
            for _ in range(LARGE >> 20):
                f.write(noise.randbytes(1 << 20))
        self.store = os.path.join(top, "large")
        must("import", "-f", "raw", self.small, "--name", "small", store=self.store)
        self.small_id = next(iter(listed(self.store)[1]))
        self.bytes = pack_bytes(self.store)

    def kill(self, number):
        noise = random.Random(number)
        name = f"large-{number}"
        env = {"VMLIFT_STORE": self.store, "AWS_REGION": "us-east-1", "LC_ALL": "C"}
        words = [VMLIFT, "import", "-f", "raw", self.large, "--name", name]
        process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        # by what it has written, since how long that takes depends on what else the machine does
        wait_written(process, min(1, noise.random() * 1.25) * LARGE)
        time.sleep(noise.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        out = process.communicate(timeout=120)[0]
        names, ids = listed(self.store)
        outcome = "killed, and nothing is visible"
        if name in names:
            outcome = "over before the kill" if out else "killed, and all of it is there"
            check_export(self.store, names[name][0], self.large)
            must("image", "deregister", name, store=self.store)
            must("snapshot", "delete", names[name][0], store=self.store)
        elif out or set(names) != {"small"} or len(ids) != 1:
            raise Failure(f"I2: {names} {ids} {out!r}")
        if number % 10 == 0:
            check_verify(self.store)
        start = time.monotonic()
        must("store", "gc", store=self.store)
        if time.monotonic() - start > 20:
            raise Failure("I3: gc took more than 20 s")
        # what is deleted leaves a record that it is gone
        if abs(pack_bytes(self.store) - self.bytes) > 256 << 10:
            raise Failure(f"I4: {pack_bytes(self.store)} bytes are left after a gc, {self.bytes} before")
        check_verify(self.store)
        check_export(self.store, self.small_id, self.small)
        check_files(self.store)
        return outcome

    def after(self):
        check_next(self.store, self.large)
        return "imported in the end"


def main():
    tally = Tally("gc beside importers and readers")
    race = Race(tally)
    tally.one("the end", race.run)
    good = tally.end()
    shutil.rmtree(race.store)
    tally = Tally("imports of 384 MiB, killed")
    large = Large()
    for number in range(KILLS):
        tally.one(number, lambda: large.kill(number))
    tally.one("the next import", large.after)
    sys.exit(not (tally.end() and good))


if __name__ == "__main__":
    main()
