"""Running commands, and what they cost."""

import ctypes
import os
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field


class Failure(Exception):
    """A command that did not do what it was to."""


@dataclass
class Step:
    """A command to measure.  sync: what it wrote and has not made durable itself, a file or a folder."""

    name: str
    words: list
    sync: str = ""
    output: str = ""  # the disk that it gives back
    env: dict = field(default_factory=dict)
    before: list = field(default_factory=list)  # a command that goes before it, unmeasured


@dataclass
class Run:
    """wall: seconds, with those of the sync, which are also told apart; cpu: user and system."""

    wall: float
    sync: float
    cpu: float
    rss: int  # KiB


def ask(*words, env=None):
    """What a command says; cmp's 1 is an answer, too."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env, check=False)
    if done.returncode != 0 and not (words[0] == "cmp" and done.returncode == 1):
        raise Failure(f"exit status {done.returncode}: {' '.join(words)}")
    return done.stdout


def make_durable(path):
    """As cheaply as it goes: a file by itself, a folder by its file system."""
    fd = os.open(path, os.O_RDONLY)
    if not os.path.isdir(path):
        os.fsync(fd)
    elif ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
        raise Failure(f"syncfs: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def measure(step):
    if step.before:
        ask(*step.before, env={**os.environ, **step.env})
    os.sync()  # what others wrote is nobody's time
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.NamedTemporaryFile("r") as cost:
        # by time(1): a child of this process would begin with the peak memory of this one
        words = ["time", "-q", "-f", "%U %S %M", "-o", cost.name, *step.words]
        begin = time.monotonic()
        rc = subprocess.run(words, stdout=out, stderr=out, env={**os.environ, **step.env}, check=False).returncode
        done = time.monotonic()
        if rc != 0:
            out.seek(0)
            raise Failure(f"exit status {rc}: {' '.join(step.words)}\n{out.read()[-2000:]}")
        if step.sync:
            make_durable(step.sync)
        end = time.monotonic()
        user, system, rss = cost.read().split()
    return Run(end - begin, end - done, float(user) + float(system), int(rss))


def sha256_rate(*more):
    """Bytes of SHA-256 in a second, as openssl has it."""
    said = ask("openssl", "speed", "-seconds", "2", *more, "-evp", "sha256", "-bytes", "524288")
    return float(said.splitlines()[-1].split()[-1].removesuffix("k")) * 1000


def bytes_in(folder):
    """Of all files, by their lengths."""
    return sum(
        os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(folder) for name in names
    )


class Runs:
    """All that was measured."""

    def __init__(self, disk):
        self.disk = os.stat(disk)
        self.date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self.load = [os.getloadavg()]
        self.steps, self.rates, self.sizes, self.tree = {}, {}, {}, {}
        self.unpacked = 0
        self.missing = []

    def step(self, who, step):
        self.steps.setdefault((who, step.name), []).append(measure(step))

    def rate(self, who, value):
        self.rates.setdefault(who, []).append(value)

    def size(self, who, folder):
        self.sizes[who] = bytes_in(folder)

    def end(self):
        self.load.append(os.getloadavg())

    def median_rate(self, who):
        return statistics.median(self.rates[who])

    def median(self, who, what, of="wall"):
        """None: was not run."""
        runs = self.steps.get((who, what))
        return runs and statistics.median(getattr(r, of) for r in runs)

    @staticmethod
    def host():
        with open("/proc/cpuinfo", encoding="ascii") as f:
            model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
        return f"{os.cpu_count()} cores ({model}), Linux {platform.release()}"

    def as_json(self):
        return {
            "date": self.date, "host": self.host(), "load": self.load, "missing": self.missing,
            "disk": {"size": self.disk.st_size, "allocated": self.disk.st_blocks * 512, "unpacked": self.unpacked},
            "runs": [
                {"who": who, "what": what, "runs": [vars(r) for r in runs]}
                for (who, what), runs in self.steps.items()
            ],
            "sha256": self.rates, "stored": self.sizes, "tree": self.tree,
        }  # fmt: skip
