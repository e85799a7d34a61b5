"""What was measured, and what follows from it."""

import os
import statistics
import time

from measure import Runs, ask
from report import RATIOS
from rows import Bar

VERSIONS = [
    ("qemu-img", "--version"), ("cp", "--version"), ("openssl", "version"), ("borg", "--version"),
    ("restic", "version"), ("casync", "--version"),
]  # fmt: skip


CLOCK = 0.01  # seconds: time(1) tells CPU times in this


def median(runs, of="wall"):
    return statistics.median(getattr(run, of) for run in runs)


class Pair:
    """A row: the runs of both, and what they wrote."""

    def __init__(self, key, disk, title, peer, bar):
        self.key, self.disk, self.title, self.peer, self.bar = key, disk, title, peer, bar
        self.runs = {"ours": [], "theirs": []}
        self.sizes = {"ours": 0, "theirs": 0}

    def add(self, which, run, size):
        self.runs[which].append(run)
        self.sizes[which] = size

    def ratios(self, of="wall"):
        """How many times as quick as the peer, round by round.  of "alone": without the syncs that are made for the
        peer, which some peers' users never wait for."""

        def cost(run):
            return run.wall - run.sync if of == "alone" else getattr(run, of)

        pairs = zip(self.runs["ours"], self.runs["theirs"])
        return [max(cost(b), CLOCK) / max(cost(a), CLOCK) for a, b in pairs]

    def ratio(self, of="wall"):
        return statistics.median(self.ratios(of))

    def size(self):
        """Of what was written, times the peer's; None: no file, or nothing to compare."""
        return self.sizes["ours"] / self.sizes["theirs"] if self.bar.size and self.sizes["theirs"] else None

    def rss(self, which="ours"):
        """MiB"""
        return max((run.rss for run in self.runs[which]), default=0) / 1024

    def reached(self):
        """Of the bar's speed: 1 is just met."""
        return self.ratio() / self.bar.times if self.bar.times else self.ratio() * self.bar.share

    def met(self):
        small = self.size() is None or self.size() <= self.bar.size
        return self.reached() >= 1 and small and not 0 < self.bar.rss <= self.rss()


class Results:
    def __init__(self):
        self.date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self.load = [os.getloadavg()]
        self.pairs = []
        self.tables = {}  # name: [(title, {variant: runs}, ...)]
        self.inputs = {}
        self.of_store = None  # what store.py tells of

    def disks(self, disks):
        self.inputs = {d.name: (d.size, d.data) for d in disks}

    def table(self, name, title, runs, *more):
        self.tables.setdefault(name, []).append((title, runs, *more))

    def store(self, disk, runs):
        """The bars of report.py as rows, and all the rest."""
        runs.end()
        self.of_store = runs
        for what, who, times in RATIOS:
            theirs = runs.steps.get((who, what))
            if theirs is not None:
                pair = Pair(f"store-{what}", disk, f"store: {what}", who, Bar(times))
                pair.runs = {"ours": runs.steps["vmlift", what], "theirs": theirs}
                self.pairs.append(pair)

    def end(self):
        self.load.append(os.getloadavg())

    @staticmethod
    def versions():
        said = [ask(os.environ["VMLIFT"], "--version").splitlines()[0]]
        for words in VERSIONS:
            try:
                said.append(ask(*words).splitlines()[0])
            except FileNotFoundError:
                said.append(f"{words[0]}: not installed")
        return ", ".join(line.split(" compiled")[0].split(" (")[0] for line in said)

    @staticmethod
    def host():
        return Runs.host()

    def as_json(self):
        return {
            "date": self.date, "host": self.host(), "load": self.load, "versions": self.versions(),
            "disks": self.inputs,
            "rows": [
                {"key": p.key, "disk": p.disk, "title": p.title, "peer": p.peer, "bar": vars(p.bar), "ratio": p.ratio(),
                 "cpu_ratio": p.ratio("cpu"), "met": p.met(), "sizes": p.sizes,
                 "runs": {which: [vars(r) for r in runs] for which, runs in p.runs.items()}}
                for p in self.pairs
            ],
            "tables": {
                name: [{"title": title, "runs": {str(k): [vars(r) for r in v] for k, v in runs.items()}}
                       for title, runs, *_ in jobs]
                for name, jobs in self.tables.items()
            },
        }  # fmt: skip
