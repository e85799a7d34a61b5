#!/usr/bin/env python3
"""Publishing over a bad network: however it ends, there is one right AMI of one right snapshot for each disk,
or nothing; and what was interrupted goes on, and sends again no more than what was on its way.

Both ends are vmlift's, the network between them is proxy.py."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from fault import BLOCK, LONG, VMLIFT, Failure, Ran, Tally, digest, in_memory, must, root, run, skip
from proxy import Proxy

CASES = 200 if LONG else 8
BAD = 40 if LONG else 3
KILLS = 100 if LONG else 6
RATE = 0.1
HARDLY = 0.6  # where few get through
CONNECTIONS = 4
ACCOUNT, REGION = "111122223333", "us-east-1"
GIB = 1 << 30
ENDED = {  # the exit statuses that a fault of the network may lead to, beside 0
    7: "given up",
    5: "refused",
}


def make_disk(path, dice, base=None):
    """Of some MiB, with holes; over a base some blocks of it are others, and some are zeroes."""
    n = dice.randrange(8, 40)
    with open(path, "wb") as f:
        if base:
            with open(base, "rb") as old:
                shutil.copyfileobj(old, f)
            n = os.path.getsize(base) // BLOCK
        for i in range(n):
            what = dice.random()
            f.seek(i * BLOCK)
            if base and what < 0.7:
                continue
            if what < 0.85:
                f.write(dice.randbytes(BLOCK))
            elif base:
                f.write(bytes(BLOCK))
        f.truncate(n * BLOCK)
    return path


class Bench:
    """An endpoint with an account, and one snapshot in it that others are put over."""

    def __init__(self):
        self.store = os.path.join(root(), "there")
        key = json.loads(must("serve", "key", "add", "--account", ACCOUNT, "--json", store=self.store))
        self.keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        self.server = subprocess.Popen(
            [VMLIFT, "serve", "--store", self.store, "--listen", "127.0.0.1:0", "--exit-with-parent"],
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.url = self.server.stdout.readline().strip()
        self.base = make_disk(os.path.join(root(), "base.raw"), random.Random(0))
        ran = self.publish(self.url, self.base, "base", os.path.join(root(), "base"))
        if ran.status != 0:
            raise Failure(f"publish without faults: status {ran.status}: {ran.err.strip()}")
        self.parent = self.images("base")[0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]

    def start(self, url, disk, name, home, *options):
        """A publish that runs."""
        env = {"LC_ALL": "C", "PATH": os.environ["PATH"], "HOME": home, **self.keys}
        os.makedirs(home, exist_ok=True)
        words = ["publish", disk, "-f", "raw", "--name", name, "--region", REGION, "--endpoint-url", url, "--force", "--store",
                 os.path.join(home, "store"), "--connections", str(CONNECTIONS), "--timeout", "2", *options]  # fmt: skip
        return words, subprocess.Popen([VMLIFT, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def publish(self, *how):
        words, process = self.start(*how)
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired as e:
            process.kill()
            raise Failure("publish did not end in 300 s") from e
        return Ran(words, process.returncode, out, err)

    # --- what the account has

    def images(self, name):
        listed = json.loads(must("image", "list", "--account", ACCOUNT, "--json", store=self.store))["Images"]
        return [i for i in listed if i["Name"] == name]

    def snapshots(self):
        listed = json.loads(must("snapshot", "list", "--account", ACCOUNT, "--json", store=self.store))["Snapshots"]
        return {s["SnapshotId"] for s in listed}

    def pending(self):
        try:
            return {n.removesuffix(".pins") for n in os.listdir(os.path.join(self.store, "uploads"))}
        except FileNotFoundError:
            return set()

    def check_one(self, name, disk, before):
        """One image, of one snapshot that is the disk, and nothing else is new."""
        images = self.images(name)
        if len(images) != 1:
            raise Failure(f"{len(images)} images of the name {name}")
        snapshots = [m["Ebs"]["SnapshotId"] for m in images[0]["BlockDeviceMappings"]]
        new = self.snapshots() - before
        if set(snapshots) != new or len(snapshots) != 1:
            raise Failure(f"the image is of {snapshots}, and new are {sorted(new)}")
        out = tempfile.mktemp(suffix=".raw", dir=root())
        try:
            must("export", snapshots[0], out, "-O", "raw", "--account", ACCOUNT, store=self.store)
            if os.path.getsize(out) != GIB:
                raise Failure(f"a snapshot of {os.path.getsize(out)} bytes")
            os.truncate(out, os.path.getsize(disk))
            if digest(out) != digest(disk):
                raise Failure("the snapshot is not the disk")
        finally:
            if os.path.exists(out):
                os.unlink(out)
        return snapshots[0]

    def check_nothing(self, name, before):
        if self.images(name):
            raise Failure(f"an image is left: {name}")
        if self.snapshots() - before:
            raise Failure(f"snapshots are left: {sorted(self.snapshots() - before)}")

    def forget(self, name):
        """So that what is listed stays short."""
        must("image", "deregister", name, "--delete-snapshots", "--account", ACCOUNT, store=self.store)


def failed_well(ran):
    """A failure is one line, with its cause and slug; notes apart."""
    lines = [line for line in ran.err.splitlines() if not line.startswith("vmlift: note: ")]
    if ran.status not in ENDED or len(lines) != 1 or not re.fullmatch(r"vmlift: .+ \[[A-Za-z0-9/.-]+\]", lines[0]):
        raise Failure(f"status {ran.status}: {ran.err.strip()}")


class Case:
    """One publish: its disk, and the folder that it keeps its notes in."""

    def __init__(self, bench, number):
        self.bench = bench
        self.dice = random.Random(number)
        self.name = f"case-{number}"
        self.top = tempfile.mkdtemp(prefix="case.", dir=root())
        self.child = self.dice.random() < 0.3
        self.disk = make_disk(os.path.join(self.top, "disk.raw"), self.dice, bench.base if self.child else None)
        self.options = ["--parent-snapshot", bench.parent] if self.child else []
        self.before = bench.snapshots()
        self.pending = bench.pending()

    def publish(self, url, *more):
        return self.bench.publish(url, self.disk, self.name, self.top, *self.options, *more)

    def check_one(self):
        self.bench.check_one(self.name, self.disk, self.before)
        left = self.bench.pending() - self.pending
        if left:
            raise Failure(f"snapshots are pending: {sorted(left)}")
        self.bench.forget(self.name)

    def end(self):
        shutil.rmtree(self.top)


def faults(bench, number, rate, options):
    """A publish through the bad network; what is not done then is removed, or gone on with."""
    case = Case(bench, number)
    proxy = Proxy(bench.url, rate, number)
    try:
        cleanup = case.dice.random() < 0.5
        ran = case.publish(proxy.url, *(["--cleanup"] if cleanup else []), *options)
        if ran.status == 0:
            case.check_one()
            return "done"
        failed_well(ran)
        left = bench.images(case.name) or bench.snapshots() - case.before or bench.pending() - case.pending
        if not left:
            return "failed, and nothing is left"
        if cleanup and "publish/left" not in ran.err:
            raise Failure(f"something is left, and not a word of it: {ran.err.strip()}")
        proxy.rate = 0  # the same address, without which it is another service
        ran = case.publish(proxy.url, "--resume")
        if ran.status != 0:
            raise Failure(f"--resume: status {ran.status}: {ran.err.strip()}")
        case.check_one()
        return "failed, and gone on with"
    finally:
        proxy.close()
        case.end()


# --- killed -------------------------------------------------------------------------------------


def blocks_put(records):
    """The paths of the blocks that were put."""
    return {path for method, path, status in records if method == "PUT" and status == 201}


def kill(bench, number):
    """kill -9 at a random request; --resume sends again what was not acknowledged, and no more than was on its
    way beside it."""
    case = Case(bench, 10000 + number)
    proxy = Proxy(bench.url, RATE if number % 2 else 0, number)
    at = case.dice.randrange(1, os.path.getsize(case.disk) // BLOCK + 6)
    try:
        _, process = bench.start(proxy.url, case.disk, case.name, case.top, *case.options)
        proxy.at(at, process.kill)
        process.communicate()
        killed = process.returncode == -signal.SIGKILL
        time.sleep(0.2)  # what is on its way arrives
        known, first = blocks_put(proxy.heard), len(proxy.seen)
        ran = case.publish(proxy.url, "--resume")
        if ran.status != 0 and killed:
            raise Failure(f"--resume: status {ran.status}: {ran.err.strip()}")
        again = known & blocks_put(proxy.seen[first:])
        if len(again) > CONNECTIONS:
            raise Failure(f"{len(again)} blocks were sent again, and {CONNECTIONS} were on their way")
        case.check_one()
        if not killed:
            return "over before the kill"
        return "killed with blocks there" if known else "killed before any block"
    finally:
        proxy.close()
        case.end()


def main():
    if run("serve", "--help").status != 0 or run("publish", "--help").status != 0:
        skip("built without")
    in_memory()
    bench = Bench()
    good = True
    try:
        tally = Tally(f"publish over a network of which {RATE:.0%} fails")
        for number in range(CASES):
            tally.one(number, lambda n=number: faults(bench, n, RATE, []))
        good = tally.end() and good
        tally = Tally(f"publish over one of which {HARDLY:.0%} fails, with 3 attempts")
        for number in range(1000, 1000 + BAD):
            tally.one(number, lambda n=number: faults(bench, n, HARDLY, ["--attempts", "3"]))
        good = tally.end() and good
        tally = Tally("publish that was killed")
        for number in range(KILLS):
            tally.one(number, lambda n=number: kill(bench, n))
        good = tally.end() and good
        must("store", "verify", store=bench.store)
    finally:
        bench.server.kill()
        bench.server.wait()
    sys.exit(not good)


if __name__ == "__main__":
    main()
