"""The tools: how each stores a disk, stores it again, gives it back and checks what it has.

All have a folder of their own for the store, and for their caches too.  What they write is made durable
within the time that is measured: vmlift, borg and restic sync their stores themselves, and of vmlift also
what is exported is durable; borg, restic and casync leave that to others, and casync its store as well.
"""

import json
import os
import shutil
import sqlite3

from measure import Step, ask


class Tool:
    """A program, its folder and the disk."""

    name = ""
    slow = False

    def __init__(self, folder, disk):
        self.folder, self.disk = folder, disk
        self.where = os.path.join(folder, "store")
        self.env = {}

    @classmethod
    def there(cls):
        return shutil.which(cls.name) is not None

    def step(self, name, *words, **more):
        return Step(name, list(words), env=self.env, **more)

    def ask(self, *words):
        return ask(*words, env={**os.environ, **self.env})

    def path(self, name):
        return os.path.join(self.folder, name)

    def begin(self):
        """What is done once, unmeasured."""

    def steps(self):
        """What is measured, in its order."""
        raise NotImplementedError


class Vmlift(Tool):
    name = "vmlift"

    def __init__(self, folder, disk):
        super().__init__(folder, disk)
        self.env = {"VMLIFT_STORE": self.where, "AWS_REGION": "us-east-1"}
        self.program = os.environ["VMLIFT"]

    @classmethod
    def there(cls):
        return True

    def begin(self):
        self.ask(self.program, "store", "init")

    def steps(self):
        take = (self.program, "import", "-f", "raw", self.disk, "--name")
        out = self.path("out.raw")
        yield self.step("first", *take, "one")
        yield self.step("second", *take, "two")
        image = json.loads(self.ask(self.program, "image", "list", "--json"))["Images"][0]["ImageId"]
        yield self.step("export", self.program, "export", image, out, "-O", "raw", output=out)
        yield self.step("verify", self.program, "store", "verify")
        yield self.step("verify --quick", self.program, "store", "verify", "--quick")

    def unpacked(self):
        return json.loads(self.ask(self.program, "store", "stats", "--json"))["unique"]

    def tree(self):
        """Bytes of the trees' nodes, as stored (frames of types 2 and 3, with their headers of 64 bytes)."""
        with sqlite3.connect(os.path.join(self.where, "catalog.db")) as db:
            return db.execute("SELECT sum(stored + 64) FROM blocks WHERE type IN (2, 3)").fetchone()[0]


class Borg(Tool):
    name = "borg"

    def __init__(self, folder, disk):
        super().__init__(folder, disk)
        self.env = {"BORG_BASE_DIR": self.path("home"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

    def begin(self):
        self.ask("borg", "init", "-e", "none", self.where)

    def steps(self):
        take = ("borg", "create", "--chunker-params", "fixed,524288", "-C", "zstd,1")
        # borg writes below the current folder, by the path it was given
        out = self.path("out.raw")
        give = f'cd "{self.folder}" && borg extract --sparse "{self.where}::one" && mv ".{self.disk}" out.raw'
        return [
            self.step("first", *take, self.where + "::one", self.disk),
            self.step("second", *take, "--files-cache", "disabled", self.where + "::two", self.disk),
            self.step("export", "sh", "-c", give, sync=out, output=out),
            self.step("verify", "borg", "check", "--verify-data", self.where),
        ]


class Restic(Tool):
    name = "restic"
    slow = True

    def __init__(self, folder, disk):
        super().__init__(folder, disk)
        self.env = {
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": self.where,
            "RESTIC_CACHE_DIR": self.path("home"),
        }

    def begin(self):
        self.ask("restic", "-q", "init")

    def steps(self):
        out = self.path("out.raw")
        give = f'restic -q restore latest --target "{self.folder}/out" && mv "{self.folder}/out{self.disk}" "{out}"'
        return [
            self.step("first", "restic", "-q", "backup", self.disk),
            self.step("second", "restic", "-q", "backup", "--force", self.disk),
            self.step("second, unread", "restic", "-q", "backup", self.disk),
            self.step("export", "sh", "-c", give, sync=out, output=out),
            self.step("verify", "restic", "-q", "check", "--read-data"),
        ]


class Casync(Tool):
    name = "casync"
    slow = True

    def begin(self):
        os.mkdir(self.where)

    def steps(self):
        out = self.path("out.raw")

        def take(index):
            return ("casync", "make", "--store=" + self.where, self.path(index), self.disk)

        return [
            self.step("first", *take("one.caibx"), sync=self.where),
            self.step("second", *take("two.caibx"), sync=self.where),
            self.step(
                "export", "casync", "extract", "--store=" + self.where, self.path("one.caibx"), out,
                sync=out, output=out,
            ),  # fmt: skip
        ]


PEERS = [Vmlift, Borg, Restic, Casync]
