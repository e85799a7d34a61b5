#!/usr/bin/env python3
"""One bit changed, at rest: `store verify` finds it, or it is where nothing is and changes nothing.

Packs: each bit of header, index, footer and frame headers (short: a stride), and random ones of the
data.  The file `format`: each bit.  The catalog: a stride through all of its bits (a unit test takes
every one).  Keys: each bit.  After a flip in the data an import of the same disk heals it, after one in a
pack's header, index or footer a gc."""

import json
import os
import random
import shutil
import struct
import sys
import tempfile
import threading

from fault import (
    LONG, Failure, Sources, Tally, check_export, check_verify, files_of, in_memory, listed, make_disk, must, root, run,
)  # fmt: skip

# primes: every bit of a byte gets its turn
STRIDES = {"pack": 1, "format": 1, "key": 1, "catalog": 31} if LONG else {"pack": 89, "format": 7, "key": 53, "catalog": 2999}
DATA_FLIPS = 10000 if LONG else 150
HEALS = 100 if LONG else 6


class Stores:
    """A store, and a copy of it for each thread."""

    def __init__(self):
        top = root()
        self.sources = Sources()
        self.disks = {}
        for name, blocks in {"alpha": [1, 3, 5, 0, 7], "beta": [1, 3, 2, 0, 9], "gamma": [3, 11]}.items():
            self.disks[name] = self.sources.add(make_disk(os.path.join(top, name + ".raw"), blocks))
        self.base = os.path.join(top, "base")
        for name, disk in self.disks.items():
            sealed = ["--encrypt"] if name == "gamma" else []
            must("import", "-f", "raw", disk, "--name", name, "--tag", "Env=Prod", *sealed, store=self.base)
        self.seen = self.look(self.base)
        self.names = listed(self.base)[0]
        self.mine = threading.local()

    def look(self, store):
        """All that the store says of its images and snapshots."""
        show = ["image", "show", "--json", *self.disks]
        return must("image", "list", "--json", store=store), must("snapshot", "list", "--json", store=store), must(*show, store=store)

    def copy(self):
        if not hasattr(self.mine, "store"):
            self.mine.store = os.path.join(tempfile.mkdtemp(dir=root()), "store")
            shutil.copytree(self.base, self.mine.store)
        return self.mine.store


def flip(path, bit):
    with open(path, "r+b") as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ (1 << bit % 8)]))


def restore(stores, store, name):
    shutil.copy(os.path.join(stores.base, name), os.path.join(store, name))
    for end in ("-wal", "-shm"):
        if os.path.exists(os.path.join(store, name + end)):
            os.unlink(os.path.join(store, name + end))


def check_flip(stores, case):
    """Found, or nothing has changed."""
    name, bit = case
    store = stores.copy()
    flip(os.path.join(store, name), bit)
    try:
        ran = run("store", "verify", store=store)
        if ran.status in (1, 3, 4) and (ran.out.strip() or ran.err.strip()):
            return "found"
        # `format` decides whether there is a store at all
        if name == "format" and ran.status == 6:
            return "found"
        if ran.status != 0:
            raise Failure(f"verify: status {ran.status}: {ran.err.strip()}")
        if not name.startswith("catalog.db"):
            raise Failure("verify finds nothing")
        if stores.look(store) != stores.seen:
            raise Failure("verify finds nothing, and the store tells something else")
        for image, ids in stores.names.items():
            check_export(store, ids[0], stores.disks[image])
        return "harmless"
    finally:
        restore(stores, store, name)


def check_data(stores, case):
    """Found with the bytes that suffer; what has it is refused, the others are as they were."""
    name, bit, export = case
    store = stores.copy()
    flip(os.path.join(store, name), bit)
    try:
        ran = run("store", "verify", store=store)
        if ran.status != 1 or len(ran.out.splitlines()) < 1:
            raise Failure(f"verify: status {ran.status}: {ran.out}")
        for image, ids in stores.names.items() if export else ():
            out = os.path.join(store, "out.raw")
            ran = run("export", ids[0], out, "-O", "raw", store=store)
            if ran.status == 0:
                os.unlink(out)
                check_export(store, ids[0], stores.disks[image])
            elif ran.status != 3 or os.path.exists(out) or ids[0] not in ran.err:
                raise Failure(f"I2: status {ran.status}: {ran.err.strip()}")
        return "found in data"
    finally:
        restore(stores, store, name)


def check_heal(stores, case):
    """The same disks imported again bring a good copy back."""
    name, bit = case
    store = os.path.join(root(), f"heal.{threading.get_ident()}")
    shutil.copytree(stores.base, store)
    try:
        flip(os.path.join(store, name), bit)
        notes = []
        for image, disk in stores.disks.items():
            ran = run("import", "-f", "raw", disk, "--name", image + "-again", "--json", store=store)
            if ran.status != 0:
                raise Failure(f"import: status {ran.status}: {ran.err.strip()}")
            notes.append(json.dumps(json.loads(ran.out)) + ran.err)
        if not any("healed" in note for note in notes):
            raise Failure(f"nobody says healed: {notes}")
        for image, ids in listed(store)[0].items():
            check_export(store, ids[0], stores.disks[image.removesuffix("-again")])
        must("store", "gc", store=store)
        check_verify(store)
        return "healed"
    finally:
        shutil.rmtree(store)


def check_repair(stores, case):
    """What a pack says of itself is made anew by gc, of a pack whose frames are good."""
    name, bit = case
    store = os.path.join(root(), f"repair.{threading.get_ident()}")
    shutil.copytree(stores.base, store)
    try:
        flip(os.path.join(store, name), bit)
        must("store", "gc", store=store)
        check_verify(store)
        if stores.look(store) != stores.seen:
            raise Failure("gc changes what the store tells")
        for image, ids in stores.names.items():
            check_export(store, ids[0], stores.disks[image])
        return "made anew by gc"
    finally:
        shutil.rmtree(store)


def parts(path):
    """Byte ranges of a pack: metadata, and payloads, as src/store/heap.c draws it."""
    with open(path, "rb") as f:
        pack = f.read()
    count, index = struct.unpack_from("<I", pack, len(pack) - 56)[0], struct.unpack_from("<Q", pack, len(pack) - 32)[0]
    meta, data = [(0, 64), (index, len(pack))], []
    for i in range(count):
        off, stored = struct.unpack_from("<II", pack, index + 48 * i + 32)
        meta.append((off, off + 64))
        data.append((off + 64, off + 64 + stored))
    return meta, data


def every(ranges, stride, start=0):
    bits = [b for lo, hi in ranges for b in range(8 * lo, 8 * hi)]
    return bits[start::stride]


def main():
    in_memory()
    stores = Stores()
    packs = [f for f in files_of(stores.base) if f.startswith("packs/")]
    noise = random.Random(1)
    tally = Tally("bit flips")
    flips, payload, own = [], [], []
    for pack in packs:
        meta, data = parts(os.path.join(stores.base, pack))
        own += [(pack, bit) for bit in every(meta[:2], 1)]
        flips += [(pack, bit) for bit in every(meta, STRIDES["pack"])]
        payload += [(pack, bit) for lo, hi in data for bit in range(8 * lo, 8 * hi)]
    flips += [("format", bit) for bit in range(0, 8 * os.path.getsize(os.path.join(stores.base, "format")), STRIDES["format"])]
    for key in (f for f in files_of(stores.base) if f.startswith("keys/")):
        bits = 8 * os.path.getsize(os.path.join(stores.base, key))
        flips += [(key, bit) for bit in range(0, bits, STRIDES["key"])]
    bits = 8 * os.path.getsize(os.path.join(stores.base, "catalog.db"))
    flips += [("catalog.db", bit) for bit in range(0, bits, STRIDES["catalog"])]
    tally.each(flips, lambda case: check_flip(stores, case))
    chosen = [noise.choice(payload) for _ in range(DATA_FLIPS)]
    tally.each([(*c, i % 10 == 0) for i, c in enumerate(chosen)], lambda case: check_data(stores, case))
    tally.each(chosen[:HEALS], lambda case: check_heal(stores, case))
    tally.each(noise.sample(own, HEALS), lambda case: check_repair(stores, case))
    stores.sources.check()
    sys.exit(not tally.end())


if __name__ == "__main__":
    main()
