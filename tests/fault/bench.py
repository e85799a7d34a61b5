"""The verbs that write, on small disks; and what must hold after one of them met a fault."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass

from fault import (
    ONLY, Failure, Fault, Sources, check_error, check_export, check_files, check_next, check_space, check_verify, digest, files_of,
    listed, make_disk, must, root, run, trace,
)  # fmt: skip


FLAT = ["-o", "subformat=monolithicFlat"]


def keys_of(store):
    """Of each key: how many data keys it has, and who was granted it."""
    keys = json.loads(must("key", "list", "--json", store=store))["Keys"]
    return {k["KeyId"]: (k["Versions"], tuple(k["Grants"])) for k in keys}


@dataclass
class Verb:
    """A command and what it does to a store: {} in its words are the case's folder."""

    name: str
    words: list
    adds: dict  # image: disk
    drops: tuple = ()  # images
    deletes: tuple = ()  # disks, by the names of their images in the base
    output: str = ""  # a file that it makes
    several: bool = False  # files: the output names others beside it
    keeps: str = ""  # what the output replaces: a file, or where there are several, a folder with them
    keys: str = ""  # what it does to the key of a sealed base
    base: str = "base"


class Bench:
    """The sources, the stores that cases begin with, and the verbs."""

    def __init__(self):
        top = root()
        self.sources = Sources()
        self.disks = {}
        for name, blocks in {
            "alpha": [2, 3, 4, 0, 0, 5, 6, 0],
            "beta": [2, 3, 8, 10, 12, 0, 0, 14],
            "gamma": [3, 4, 0, 16, 17, 18],
        }.items():
            path = make_disk(os.path.join(top, name + ".raw"), blocks)
            self.disks[name] = self.sources.add(path)
        self.ova = os.path.join(top, "gamma.ova")
        must("convert", self.disks["gamma"], self.ova)
        self.sources.add(self.ova)
        self.snapshots, self.sealed_snapshots = {}, {}
        self.base = os.path.join(top, "base")
        for name in ("alpha", "beta"):
            must("import", "-f", "raw", self.disks[name], "--name", name, store=self.base)
        for name, ids in listed(self.base)[0].items():
            self.snapshots[name] = ids[0]
        # beta's image is gone, its snapshot too: there is garbage
        self.loose = os.path.join(top, "loose")
        shutil.copytree(self.base, self.loose)
        must("image", "deregister", "beta", store=self.loose)
        self.garbage = os.path.join(top, "garbage")
        shutil.copytree(self.loose, self.garbage)
        must("snapshot", "delete", self.snapshots["beta"], store=self.garbage)
        self.logged = os.path.join(top, "logged")
        self.make_logged()
        self.sealed = os.path.join(top, "sealed")
        self.make_sealed()
        # a disk of several files, to be replaced
        self.split = os.path.join(top, "split")
        os.mkdir(self.split)
        must("convert", self.disks["beta"], os.path.join(self.split, "disk.vmdk"), *FLAT)
        self.empty = os.path.join(top, "empty")
        os.mkdir(self.empty)

    def make_logged(self):
        """As loose, and the last commit is in the catalog's log alone."""
        shutil.copytree(self.base, self.logged)
        calls = trace("image", "deregister", "beta", store=self.logged)[0]
        shutil.rmtree(self.logged)
        shutil.copytree(self.base, self.logged)
        over = calls.index(("close", os.path.join(self.logged, "lock"))) + 1
        run("image", "deregister", "beta", store=self.logged, fault=Fault("calls", over, "kill"))
        if set(listed(self.copy(self.logged))[0]) != {"alpha"} or not os.path.getsize(self.logged + "/catalog.db-wal"):
            raise Failure("the last commit is not in the log")

    def make_sealed(self):
        """As base, with both disks encrypted; and a key that nothing is encrypted with."""
        self.key = must("key", "create", store=self.sealed).strip()
        self.idle_key = must("key", "create", store=self.sealed).strip()
        must("key", "grant", self.idle_key, "--to", "111111111111", store=self.sealed)
        for name in ("alpha", "beta"):
            words = ["import", "-f", "raw", self.disks[name], "--name", name, "--encrypt", "--key", self.key]
            must(*words, store=self.sealed)
        for name, ids in listed(self.sealed)[0].items():
            self.sealed_snapshots[name] = ids[0]
        self.keys = keys_of(self.sealed)

    def names(self, base):
        """Snapshots of a base, and the disk of each."""
        return {v: k for k, v in (self.sealed_snapshots if base == "sealed" else self.snapshots).items()}

    def copy(self, store):
        to = tempfile.mkdtemp(dir=root())
        return shutil.copytree(store, os.path.join(to, "store"))

    def held(self, base):
        """Images and snapshots (by name of the disk) that a base begins with."""
        return {
            "base": ({"alpha", "beta"}, {"alpha", "beta"}),
            "sealed": ({"alpha", "beta"}, {"alpha", "beta"}),
            "loose": ({"alpha"}, {"alpha", "beta"}),
            "garbage": ({"alpha"}, {"alpha"}),
            "logged": ({"alpha"}, {"alpha", "beta"}),
            "empty": (set(), set()),
        }[base]

    def verbs(self):
        """All, or those that the command line asks for by a part of their names."""
        return [v for v in self.all_verbs() if not ONLY or any(o in v.name for o in ONLY)]

    def all_verbs(self):
        t = ["--threads", "1"]
        raw, beta = self.disks, self.snapshots["beta"]
        yield Verb("first import", ["import", self.ova, "--name", "gamma", *t], {"gamma": "gamma"}, base="empty")
        yield Verb("import", ["import", self.ova, "--name", "gamma", *t], {"gamma": "gamma"})
        yield Verb("second import", ["import", raw["alpha"], "-f", "raw", "--name", "again", *t], {"again": "alpha"})
        yield Verb("store gc", ["store", "gc"], {}, base="garbage")
        yield Verb("image deregister", ["image", "deregister", "beta"], {}, drops=("beta",))
        yield Verb("snapshot delete", ["snapshot", "delete", beta], {}, deletes=("beta",), base="loose")
        for form in ("raw", "vmdk", "vhd", "ova"):
            out = "{}/out/disk." + form
            yield Verb("convert to " + form, ["convert", self.ova, out, *t], {}, output=out)
        yield Verb("export", ["export", "alpha", "{}/out/disk.vmdk", *t], {}, output="{}/out/disk.vmdk")
        out = "{}/out/disk.raw"
        yield Verb("store rebuild", ["store", "rebuild"], {})
        yield Verb("store rebuild, logged", ["store", "rebuild"], {}, base="logged")
        yield from self.sealed_verbs(t)
        yield from self.several_verbs(t)
        yield Verb("export --force", ["export", "alpha", out, "--force", *t], {}, output=out, keeps=raw["beta"])

    def sealed_verbs(self, t):
        raw, seal = self.disks, ["--encrypt", "--key", self.key]
        yield Verb("first import, sealed", ["import", self.ova, "--name", "gamma", "--encrypt", *t], {"gamma": "gamma"})
        words = ["import", self.ova, "--name", "gamma", *seal, *t]
        yield Verb("import, sealed", words, {"gamma": "gamma"}, base="sealed")
        yield Verb("store gc, sealed", ["store", "gc"], {}, base="sealed")
        yield Verb("store rebuild, sealed", ["store", "rebuild"], {}, base="sealed")
        yield Verb("key create", ["key", "create", "--description", "new"], {}, keys="create", base="sealed")
        for what, of, more in (
            ("rotate", self.key, []),
            ("grant", self.key, ["--to", "222222222222"]),
            ("revoke", self.idle_key, ["--from", "111111111111"]),
            ("delete", self.idle_key, []),
        ):
            yield Verb("key " + what, ["key", what, of, *more], {}, keys=what, base="sealed")

    def several_verbs(self, t):
        for form in ("twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat"):
            words = ["convert", self.ova, "{}/out/disk.vmdk", "-o", "subformat=" + form, *t]
            yield Verb("convert to " + form, words, {}, output="{}/out/disk.vmdk", several=True)
        words = ["convert", self.ova, "{}/out/disk.vmdk", *FLAT, "--force", *t]
        yield Verb("convert --force", words, {}, output="{}/out/disk.vmdk", several=True, keeps=self.split)


class Case:
    """A verb, one fault, and the call that it hits: in a folder `top` that has store/ and out/."""

    def __init__(self, bench, verb, fault=None, call=("", "")):
        self.bench, self.verb, self.call = bench, verb, call
        self.fault = fault or Fault("calls", 0, "pass")
        self.top = self.store = ""

    def __str__(self):
        return f"{self.verb.name}: {self.fault} ({' '.join(self.call)})"

    def prepare(self, top):
        self.top = top
        self.store = os.path.join(top, "store")
        os.makedirs(os.path.join(top, "out"))
        shutil.copytree(os.path.join(root(), self.verb.base), self.store)
        if self.verb.several and self.verb.keeps:
            shutil.copytree(self.verb.keeps, os.path.join(top, "out"), dirs_exist_ok=True)
        elif self.verb.keeps:
            shutil.copy(self.verb.keeps, self.output())

    def words(self):
        return [w.replace("{}", self.top) for w in self.verb.words]

    def run(self):
        return run(*self.words(), fault=self.fault, store=self.store)

    def trace(self):
        return trace(*self.words(), store=self.store)[0]

    def output(self):
        return self.verb.output.replace("{}", self.top)

    def check(self, ran):
        if ran.status == 0:
            outcome = "done all the same"
        elif ran.killed:
            outcome = "killed"
        else:
            # SQLite keeps the cause of what fails in the catalog and its WAL, but not of an open, unlink or
            # close, of its other files, or of the folder's sync; and where all fails from here on, the
            # call that ends it may be one of those
            said = not (
                "catalog.db" in self.call[1]
                and (self.call[0] in ("open", "unlink", "close") or self.call[1].endswith(("-journal", "-shm")))
                or self.call[0] == "fdatasync" and self.call[1].endswith("/store")
                or self.fault.always and "catalog: " in ran.err
            )
            check_error(ran, self.fault.error if said else 0)
            outcome = "refused"
            if ran.out:
                raise Failure(f"I5: a result was printed: {ran.out.strip()}")
        if self.fault.action in ("short", "eintr") and ran.status != 0:
            raise Failure(f"it did not go on: {ran.err.strip()}")
        if self.verb.several:
            self.check_several(ran)
        elif self.verb.output:
            self.check_output(ran)
        shown = self.check_store(ran)
        if outcome == "refused" and shown == "after":
            # The sync of a commit failed, and from then on the catalog could not be written: what was
            # written before may be found by the next who opens it, all of it.
            if not (self.fault.always and self.call[0] == "fdatasync" and self.call[1].endswith("-wal")):
                raise Failure(f"I2: it was refused, and is there: {ran.err.strip()}")
            outcome = "refused, yet done"
        return outcome

    def check_output(self, ran):
        """I2: the output is there whole, or not there; I6."""
        out, name = self.output(), os.path.basename(self.verb.output)
        left = set(files_of(os.path.join(self.top, "out"))) - {name}
        # --force makes the new file a name beside the old one's, and renames: a kill in between
        # leaves it, and so does a disk where nothing can be removed either
        if self.verb.keeps and (ran.killed or self.fault.always):
            left = {f for f in left if not f.startswith("." + name)}
        if left:
            raise Failure(f"I2: left behind: {left}")
        if os.path.exists(out):
            source = self.bench.disks["gamma" if self.verb.words[0] == "convert" else "alpha"]
            whole = run("compare", out, source).status == 0
            old = self.verb.keeps and digest(out) == digest(self.verb.keeps)
            # The sync of the folder failed: what was replaced cannot be brought back, nor can anything be
            # removed where from then on every call fails.
            stuck = self.call[0] == "fsync" and (self.fault.always or self.verb.keeps)
            if not (whole and (ran.status == 0 or ran.killed or stuck) or old and ran.status != 0):
                raise Failure(f"I2: status {ran.status}, and {name} is there, whole: {whole}")
        elif ran.status == 0 or self.verb.keeps:
            raise Failure("I2: there is no output")

    def check_several(self, ran):
        """I2: what has the output's name is whole, the new disk or the old one, or there is nothing."""
        out, source = self.output(), self.bench.disks["gamma"]
        if os.path.exists(out):
            if run("compare", out, source).status == 0:
                good = ran.status == 0 or ran.killed or self.fault.always
            else:
                good = ran.status != 0 and self.verb.keeps and run("compare", out, self.bench.disks["beta"]).status == 0
        else:
            good = ran.killed or ran.status != 0 and (not self.verb.keeps or self.fault.always)
        if not good:
            raise Failure(f"I2: status {ran.status}, and the output is there: {os.path.exists(out)}")
        # a kill leaves what was named before, and so does a disk where from then on nothing can be removed
        if ran.status != 0 and not ran.killed and not self.fault.always:
            kept = files_of(self.verb.keeps) if self.verb.keeps else []
            if files_of(os.path.join(self.top, "out")) != kept:
                raise Failure(f"I2: left behind: {files_of(os.path.join(self.top, 'out'))}")

    def check_keys(self, ran):
        """A key is as it was before or as it is after, and what was encrypted with it is read with it."""
        now, before, bench = keys_of(self.store), self.bench.keys, self.bench
        after = dict(before)
        of = bench.idle_key if self.verb.keys in ("revoke", "delete") else bench.key
        versions, grants = before[of]
        new = [k for k in now if k not in before]
        if self.verb.keys == "create" and len(new) == 1:
            after[new[0]] = (1, ())
        elif self.verb.keys == "rotate":
            after[of] = (versions + 1, grants)
        elif self.verb.keys == "grant":
            after[of] = (versions, (*grants, "222222222222"))
        elif self.verb.keys == "revoke":
            after[of] = (versions, ())
        elif self.verb.keys == "delete":
            del after[of]
        if self.verb.keys and ran.status == 0:
            same = now == after != before
        else:
            same = now == before
        if same:
            return
        # a kill may come after the change; and the one whose name is not known to be durable stays
        if ran.status == 0 or now != after or not (ran.killed or self.call[0] == "fsync"):
            raise Failure(f"I2: status {ran.status}, and the keys are {now}")

    def check_store(self, ran):
        verb, bench = self.verb, self.bench
        images, snapshots = bench.held(verb.base)
        before = (images, sorted(snapshots))
        after = (
            (images | set(verb.adds)) - set(verb.drops),
            sorted([*(snapshots - set(verb.deletes)), *verb.adds.values()]),
        )
        if verb.base == "empty" and not os.path.exists(os.path.join(self.store, "format")):
            if ran.status == 0:
                raise Failure("I2: there is no store")
            return self.check_after({}, [], "before")
        names, ids = listed(self.store)
        disk_of = bench.names(verb.base)
        for image, disk in verb.adds.items():
            if image in names:
                disk_of[names[image][0]] = disk
        held = (set(names), sorted(disk_of.get(i, i) for i in ids))
        if held == after and (before == after or ran.status == 0):
            shown = "same"
        elif held == after:
            shown = "after"
        elif held == before and ran.status != 0:
            shown = "before"
        else:
            raise Failure(f"I2: status {ran.status} and the store shows {held}")
        check_verify(self.store)
        if verb.base == "sealed":
            self.check_keys(ran)
        for i in ids:
            check_export(self.store, i, bench.disks[disk_of[i]])
        return self.check_after(ids, [disk_of[i] for i in ids], shown)

    def check_after(self, before, held, shown):
        """After the next import and a gc all is as it was: verify reads each byte, and the tree's digest
        says which they are; where it is not told, the disk is exported."""
        source = self.bench.disks["gamma"]
        if "--encrypt" in self.verb.words:
            check_next(self.store, source, *self.verb.words[self.verb.words.index("--encrypt") : -2])
        elif self.verb.base == "sealed":
            check_next(self.store, source, "--encrypt", "--key", self.bench.key)
        else:
            check_next(self.store, source)
        check_space(self.store, [*(self.bench.disks[d] for d in held), source])
        check_files(self.store)
        check_verify(self.store)
        after = listed(self.store)[1]
        for (snapshot, content), disk in zip(before.items(), held):
            if after.get(snapshot) != content:
                raise Failure(f"I1: {snapshot} was {content}, and is {after.get(snapshot)}")
            if content[0] is None:
                check_export(self.store, snapshot, self.bench.disks[disk])
        return shown
