"""What the fault tests share: running the program under faults, small disks, and what must hold after.

The invariants, as the checks name them:
    I1  a committed snapshot stays readable and identical
    I2  nothing half done is visible
    I3  the next command works, with no manual step
    I4  space of failed work comes back at the next gc
    I5  the error names cause and object, in one line
    I6  the source is untouched
"""

import atexit
import concurrent.futures
import errno
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

VMLIFT = os.path.realpath(os.environ["VMLIFT"])
SHIM = os.path.realpath(os.environ["FAULT_SHIM"])
LONG = "--long" in sys.argv[1:]
ONLY = [word for word in sys.argv[1:] if not word.startswith("-")]
WORKERS = max(2, os.cpu_count() or 2)
BLOCK = 512 << 10
SKIP = 77

_environment = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "AWS_REGION": "us-east-1",
}
_root = None
_folder = os.environ.get("TMPDIR", "/tmp")


class Failure(Exception):
    """A promise is broken."""


def root():
    """A folder of this test's own, removed at its end."""
    global _root
    if _root is None:
        _root = tempfile.mkdtemp(prefix="vmlift-fault.", dir=_folder)
        atexit.register(shutil.rmtree, _root, True)
        signal.signal(signal.SIGTERM, stop)
    return _root


def stop(*_):
    """Ended before it was over: says how far it came."""
    for tally in _tallies:
        tally.end("so far")
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # what fails from here on fails since its folder goes
    shutil.rmtree(_root, True)
    os._exit(143)


def in_memory():
    """The test's folder is to be in memory, if there is room: it asks nothing of a disk but that it keeps
    what is written, and most of its time would be spent on syncs."""
    global _folder
    try:
        stat = os.statvfs("/dev/shm")
        if os.access("/dev/shm", os.W_OK) and stat.f_bavail * stat.f_frsize > 4 << 30:
            _folder = "/dev/shm"
    except OSError:
        pass


def skip(why):
    print("skipped: " + why, file=sys.stderr)
    sys.exit(SKIP)


# --- running ----------------------------------------------------------------------------------


@dataclass
class Fault:
    """As shim.c reads it.  `always`: from the k-th on, not only there."""

    what: str
    at: int
    action: str
    error: int = 0
    always: bool = False
    only: str = ""
    mount: str = ""

    def environment(self):
        text = f"{self.what} {self.at} {self.action} {self.error} {'always' if self.always else 'once'}"
        env = {"FAULT": text}
        if self.only:
            env["FAULT_ONLY"] = f",{self.only},"
        if self.mount:
            env["FAULT_MOUNT"] = self.mount
        return env

    def __str__(self):
        name = errno.errorcode.get(self.error, "")
        return " ".join(filter(None, (self.what, str(self.at), self.action, name, "always" * self.always)))


@dataclass
class Ran:
    words: list
    status: int
    out: str
    err: str

    @property
    def killed(self):
        return self.status == -9


def run(*words, fault=None, trace=None, store=None, cwd=None, timeout=120, program=None):
    """One command of the program, with a bound on its time; what hangs is a Failure."""
    env = dict(_environment)
    if store:
        env["VMLIFT_STORE"] = store
    if fault or trace:
        env["LD_PRELOAD"] = SHIM
    if fault:
        env.update(fault.environment())
    if trace:
        env["FAULT_TRACE"] = trace
    words = [str(w) for w in words]
    try:
        done = subprocess.run(
            [program or VMLIFT, *words],
            env=env, cwd=cwd, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise Failure(f"I3: `{' '.join(words)}` did not end in {timeout} s") from e
    return Ran(words, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


def must(*words, **how):
    ran = run(*words, **how)
    if ran.status != 0:
        raise Failure(f"`{' '.join(ran.words)}`: status {ran.status}: {ran.err.strip() or ran.out.strip()}")
    return ran.out


def trace(*words, **how):
    """The calls of a command that succeeds, as a list of (name, path), and its allocations."""
    path = os.path.join(root(), f"trace.{threading.get_ident()}")
    must(*words, trace=path, **how)
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = [line.rstrip("\n").split(" ", 2) for line in f]
    os.unlink(path)
    calls = [(name, rest[0] if rest else "") for number, name, *rest in lines if number.isdigit()]
    return calls, int(lines[-1][1])


_ERROR = re.compile(r"vmlift: .+: .+ \[[A-Za-z0-9/.-]+\]")


def check_error(ran, error=0):
    """I5: a failure is one line that names object, cause (that error) and slug."""
    lines = [line for line in ran.err.splitlines() if not line.startswith("vmlift: note: ")]
    if ran.status not in (3, 7):
        raise Failure(f"I5: status {ran.status}: {ran.err.strip()}")
    no_memory = lines == ["vmlift: out of memory [no-memory]"] or lines == ["out of memory"]
    if len(lines) != 1 or not (_ERROR.fullmatch(lines[0]) or no_memory):
        raise Failure(f"I5: not one line of object, cause and slug: {ran.err.strip()!r}")
    full = error in (errno.ENOSPC, errno.EDQUOT) and lines[0].endswith("[io/full]")
    if error and not full and os.strerror(error) not in lines[0]:
        raise Failure(f"I5: {os.strerror(error)!r} is not named: {lines[0]!r}")


# --- disks ------------------------------------------------------------------------------------


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def make_disk(path, blocks):
    """A disk of blocks, each named by a number: 0 is a hole, the same number the same bytes; odd ones
    compress and even ones do not."""
    with open(path, "wb") as f:
        for i, name in enumerate(blocks):
            noise = random.Random(name)
            if name % 2:
                f.seek(i * BLOCK)
                f.write(noise.randbytes(997) * (BLOCK // 997 + 1))
                f.truncate((i + 1) * BLOCK)
            elif name:
                f.seek(i * BLOCK)
                f.write(noise.randbytes(BLOCK))
        f.truncate(len(blocks) * BLOCK)
    return path


class Sources:
    """Disks and what they must be after any fault (I6)."""

    def __init__(self):
        self.known = {}

    def add(self, path):
        self.known[path] = digest(path)
        return path

    def check(self):
        for path, was in self.known.items():
            if digest(path) != was:
                raise Failure(f"I6: the source {path} has changed")


# --- stores -----------------------------------------------------------------------------------


@dataclass
class State:
    """What a store shows: names of images, and snapshots with the disk that each must be."""

    images: set
    snapshots: dict = field(default_factory=dict)


def listed(store):
    """Names of images with their snapshot IDs; and all snapshots with what the store knows each by: the
    digest of its tree (of an encrypted one, nothing) and its size."""
    images = json.loads(must("image", "list", "--json", store=store))["Images"]
    snapshots = json.loads(must("snapshot", "list", "--json", store=store))["Snapshots"]
    names = {i["Name"]: [m["Ebs"]["SnapshotId"] for m in i["BlockDeviceMappings"]] for i in images}
    return names, {s["SnapshotId"]: (s.get("Root"), s["SizeInBytes"]) for s in snapshots}


def check_export(store, snapshot, source):
    """I1: the snapshot is the disk it was made of."""
    out = tempfile.mktemp(suffix=".raw", dir=root())
    try:
        must("export", snapshot, out, "-O", "raw", store=store)
        with open(out, "rb") as got, open(source, "rb") as want:
            while True:
                piece = got.read(1 << 20)
                if piece != want.read(1 << 20):
                    raise Failure(f"I1: {snapshot} is not {os.path.basename(source)} any more")
                if not piece:
                    return
    except Failure as e:
        raise e if str(e).startswith("I1") else Failure(f"I1: {e}") from e
    finally:
        if os.path.exists(out):
            os.unlink(out)


def check_verify(store):
    ran = run("store", "verify", store=store)
    if ran.status != 0:
        raise Failure(f"verify: status {ran.status}: {ran.out.strip()} {ran.err.strip()}")


def files_of(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
    )


_OURS = re.compile(
    r"format|lock|queue|reserve|catalog\.db(\.damaged-\d+)?(-wal|-shm|-journal)?"
    r"|keys/[-0-9a-f]{36}\.key|packs/[0-9a-f]{2}/[0-9a-f]{32}\.pack"
)


def check_files(store):
    """Nothing lies in the store's folder that is not the store's."""
    for name in files_of(store):
        if not _OURS.fullmatch(name):
            raise Failure(f"I2: left behind in the store: {name}")
    if os.stat(os.path.join(store, "catalog.db")).st_nlink > 1:
        raise Failure("I2: the catalog has two names")


def pack_bytes(store):
    return sum(os.path.getsize(os.path.join(store, f)) for f in files_of(store) if f.startswith("packs/"))


_fresh = {}
_fresh_lock = threading.Lock()


def fresh_bytes(sources):
    """What a store of its own takes for these disks."""
    key = tuple(sorted(sources))
    with _fresh_lock:
        if key not in _fresh:
            store = tempfile.mkdtemp(prefix="fresh.", dir=root())
            for i, source in enumerate(key):
                must("import", "-f", "raw", source, "--name", f"fresh-{i}", store=store)
            _fresh[key] = pack_bytes(store)
            shutil.rmtree(store)
        return _fresh[key]


def check_space(store, sources):
    """I4: after a gc the packs take what they would in a store of their own, but for the 30 % of
    garbage that a pack may have before it is rewritten, and the sums of some more packs."""
    must("store", "gc", store=store)
    stats = json.loads(must("store", "stats", "--json", store=store))
    have = pack_bytes(store)
    if have != stats["stored"]:
        raise Failure(f"I4: packs of {have} bytes, and the catalog knows {stats['stored']}")
    allowed = fresh_bytes(sources) / 0.7 + 4096
    if have > allowed:
        raise Failure(f"I4: {have} bytes after a gc, and {allowed:.0f} is what they may take")


_numbers = itertools.count()


def check_next(store, source, *options):
    """I3: the next import works, in the time that one takes."""
    name = f"next-{next(_numbers)}"
    start = time.monotonic()
    snapshot = json.loads(must("import", "-f", "raw", source, "--name", name, "--json", *options, store=store))
    took = time.monotonic() - start
    if took > 10:
        raise Failure(f"I3: the next import took {took:.1f} s")
    check_export(store, snapshot["SnapshotIds"][0], source)


# --- loops ------------------------------------------------------------------------------------


_tallies = []  # those that are not over


class Tally:
    """Counts cases by outcome, and keeps what failed."""

    def __init__(self, name):
        self.name = name
        self.counts = {}
        self.failures = []
        self.lock = threading.Lock()
        self.start = time.monotonic()
        _tallies.append(self)

    def add(self, outcome, n=1):
        with self.lock:
            self.counts[outcome] = self.counts.get(outcome, 0) + n

    def fail(self, case, why):
        with self.lock:
            self.failures.append((case, why))
            if len(self.failures) <= 100:
                print(f"FAILED: {case}: {why}", file=sys.stderr, flush=True)

    def one(self, case, fn):
        """fn() for one case; it returns the outcome, or raises a Failure."""
        try:
            self.add(fn())
        except Failure as e:
            self.fail(case, e)

    def each(self, cases, fn):
        """fn(case) for all, side by side."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for _ in pool.map(lambda case: self.one(case, lambda: fn(case)), cases):
                pass

    def end(self, how=""):
        """Says the result; False with a failure, or when nothing was done."""
        if not how:
            _tallies.remove(self)
        total = sum(self.counts.values()) + len(self.failures)
        parts = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        took = time.monotonic() - self.start
        print(f"RESULT {self.name}: {total} cases: {parts}; {len(self.failures)} failed ({took:.0f} s{', ' * bool(how)}{how})", flush=True)
        return not self.failures and total > 0
