#!/usr/bin/env python3
"""Every allocation failing, once and from then on: no crash, and no result that is not the right one.

The verbs are imports, encrypted and not, what changes keys, and what reads untrusted files: info, check,
convert, of each format."""

import os
import re
import shutil
import sys
import threading

from fault import (
    LONG, ONLY, Failure, Fault, Sources, Tally, check_files, check_verify, files_of, in_memory, listed, make_disk, must, root,
    run, trace,
)  # fmt: skip

# What other libraries do without memory, and no caller can help: libarchive ends the process
# (__archive_errx), OpenSSL 3.0 takes a lock that is NULL (EVP_MD_fetch), libxml2 2.9 reads a document
# that it could not make (xmlParseDocument).
OTHERS = re.compile(
    r"(?:vmlift: note: .*\n)*(?:(?P<archive>Fatal Internal Error in libarchive): .*"
    r"|shim: signal 11 in (?P<name>libcrypto|libxml2)\.so[.0-9]*)\n"
)
SHORT_CASES = 28  # for each command
FORMS = {
    "raw": ["-O", "raw"],
    "stream.vmdk": ["-O", "vmdk"],
    "sparse.vmdk": ["-O", "vmdk", "-o", "subformat=monolithicSparse"],
    "dynamic.vhd": ["-O", "vhd"],
    "fixed.vhd": ["-O", "vhd", "-o", "subformat=fixed"],
    "ova": ["-O", "ova"],
    "flat.vmdk": ["-O", "vmdk", "-o", "subformat=monolithicFlat"],
    "split.vmdk": ["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
}


class Command:
    """output: the file that it makes; own: its answer is no other's."""

    def __init__(self, name, words, output="", store=False, own=False):
        self.name, self.words, self.output, self.store, self.own = name, words, output, store, own

    def run(self, top, **how):
        words = [w.replace("{}", top) for w in self.words]
        return run(*words, store=os.path.join(top, "store"), **how)


class Bench:
    def __init__(self):
        top = root()
        self.sources = Sources()
        self.raw = self.sources.add(make_disk(os.path.join(top, "disk.raw"), [1, 0, 2, 3]))
        self.base = os.path.join(top, "base")
        must("import", self.raw, "--name", "first", store=self.base)
        self.key = must("key", "create", store=self.base).strip()
        must("import", self.raw, "--name", "sealed", "--encrypt", "--key", self.key, store=self.base)
        self.commands = []
        for name, options in FORMS.items():
            path = os.path.join(top, "disk." + name)
            if path != self.raw:
                must("convert", self.raw, path, *options)
                self.sources.add(path)
            for verb in ("info", "check"):
                self.commands.append(Command(f"{verb} {name}", [verb, path]))
            self.commands.append(Command(f"info --json {name}", ["info", "--json", path]))
            self.commands.append(Command(f"inspect {name}", ["inspect", "--boot", "--json", path]))
            words = ["convert", path, "{}/out/to." + name, *options, "--threads", "1"]
            self.commands.append(Command(f"convert {name}", words, output="to." + name))
        words = ["import", os.path.join(top, "disk.ova"), "--name", "second", "--threads", "1"]
        self.commands.append(Command("import ova", words, store=True, own=True))
        words = [*words, "--encrypt", "--key", self.key]
        self.commands.append(Command("import ova, sealed", words, store=True, own=True))
        self.commands.append(Command("export, sealed", ["export", "sealed", "{}/out/to.raw"], output="to.raw", store=True))
        self.commands.append(Command("key create", ["key", "create"], store=True, own=True))
        self.commands.append(Command("key rotate", ["key", "rotate", self.key], store=True))
        self.commands.append(Command("key grant", ["key", "grant", self.key, "--to", "1" * 12], store=True))
        self.commands.append(Command("image list", ["image", "list", "--json"], store=True))
        self.commands.append(Command("store gc", ["store", "gc"], store=True))
        self.commands.append(Command("store verify", ["store", "verify"], store=True))
        self.commands.append(Command("export", ["export", "first", "{}/out/to.vmdk"], output="to.vmdk", store=True))

    def folder(self, command):
        top = os.path.join(root(), f"case.{threading.get_ident()}")
        os.makedirs(os.path.join(top, "out"))
        if command.store:
            shutil.copytree(self.base, os.path.join(top, "store"))
        return top


def check(bench, command, top, ran, good):
    outcome = "done all the same" if ran.status == 0 else "refused"
    end = OTHERS.fullmatch(ran.err)
    if end:
        outcome = end["archive"] and "ended by libarchive" or "crashed in " + end["name"]
    elif ran.status < 0:
        raise Failure(f"killed by signal {-ran.status}: {ran.err.strip()}")
    elif ran.status != 0:
        lines = [line for line in ran.err.splitlines() if not line.startswith("vmlift: note: ")]
        if len(lines) != 1 or not lines[0].endswith(("[no-memory]", "out of memory", "or had no memory to load it [codec/crypto]")):
            raise Failure(f"I5: status {ran.status}: {ran.err.strip()!r}")
        if ran.status != 7:
            raise Failure(f"I5: status {ran.status} for {lines[0]!r}")
    elif ran.out != good.out and not command.own:
        raise Failure(f"status 0, and another answer: {ran.out[:200]!r} {ran.err[:200]!r}")
    made = files_of(os.path.join(top, "out"))
    if command.output and ran.status == 0:
        must("compare", os.path.join(top, "out", command.output), bench.raw)
    elif made:
        raise Failure(f"I2: left behind: {made}")
    if command.store:
        store = os.path.join(top, "store")
        names = listed(store)[0]
        wanted = {"first", "sealed"} | ({"second"} if command.words[0] == "import" and ran.status == 0 else set())
        if set(names) != wanted:
            raise Failure(f"I2: status {ran.status}, and the images are {sorted(names)}")
        check_verify(store)
        check_files(store)
    return outcome


def main():
    in_memory()
    tally = Tally("memory")
    bench = Bench()
    for command in bench.commands:
        if ONLY and not any(o in command.name for o in ONLY):
            continue
        top = bench.folder(command)
        words = [w.replace("{}", top) for w in command.words]
        _, count = trace(*words, store=os.path.join(top, "store"))
        shutil.rmtree(top)
        top = bench.folder(command)
        good = command.run(top)
        shutil.rmtree(top)

        def one(case, command=command, good=good):
            number, always = case
            top = bench.folder(command)
            try:
                ran = command.run(top, fault=Fault("memory", number, "fail", always=always))
                return check(bench, command, top, ran, good)
            except Failure as e:
                raise Failure(f"{command.name}: {e}") from e
            finally:
                shutil.rmtree(top)

        step = 1 if LONG else max(1, 2 * count // SHORT_CASES)
        tally.each([(k, always) for k in range(1, count + 1, step) for always in (False, True)], one)
    bench.sources.check()
    sys.exit(not tally.end())


if __name__ == "__main__":
    main()
