"""Bad disks, one by one: what vmlift says to each, and what it takes to say it.  case.py says what
a case is.

usage: run.py VMLIFT [LIMIT_MIB [PATTERN]]
in an empty folder; exit status 1 when an answer is another"""
import os
import re
import subprocess
import sys
import tempfile
import time

import anything  # noqa: F401: each adds its cases
import descriptor  # noqa: F401
import qcow2  # noqa: F401
import vhd  # noqa: F401
import vhdx  # noqa: F401
import vmdk  # noqa: F401
from case import CASES

class Answer:
    def __init__(self, *words, stdin=None):
        start = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            p = subprocess.Popen(words, stdin=stdin, stdout=out, stderr=err)
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = 0  # it is no longer there to be waited for
            self.status = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            self.out = out.read().decode(errors="replace")
            self.err = err.read().decode(errors="replace")
        self.mib, self.seconds = usage.ru_maxrss / 1024, time.monotonic() - start


def wrong(a, status, slug, say, name, limit):
    """What is not as it should be, in words; None when all is."""
    if a.status != status:
        return f"exit status {a.status}, not {status}: {a.err.strip()}"
    lines = [line for line in a.err.splitlines() if line.endswith(f"[{slug}]")] if slug else []
    if slug and not lines:
        return f"no [{slug}]: {a.err.strip() or 'nothing at all'}"
    if not slug and a.err:
        return f"says something: {a.err.strip()}"
    if status != 0 and len(a.err.splitlines()) != 1:
        return f"more than a line: {a.err.strip()}"
    if slug and name not in lines[0]:
        return f"does not name the file: {lines[0]}"
    if say and not re.search(say, lines[0]):
        return f"does not say /{say}/: {lines[0]}"
    if a.mib > limit or a.seconds > 10:  # a second on an idle machine
        return f"took {a.mib:.0f} MiB and {a.seconds:.1f} s"
    return None


def checked(a, slug):
    if slug is None:
        if a.status == 0 and ": fault: " not in a.out:
            return None
        return f"check finds something: {a.out}{a.err}"
    if slug and f"[{slug}]" not in a.out + a.err:
        return f"check does not find [{slug}]: {a.out}{a.err}".strip()
    return None


def run(vmlift, n, limit, c):
    name, status, slug, data, say, check, args, pipe, why, beside, make = c
    folder = f"case{n}"
    os.mkdir(folder)
    path, out = f"{folder}/input", f"{folder}/output.raw"
    for other, content in beside.items():
        with open(f"{folder}/{other}", "wb") as f:
            f.write(content)
    if beside:
        os.mkdir(f"{folder}/folder")
        os.symlink("flat", f"{folder}/link")
    try:
        if make:
            make(path)
        else:
            with open(path, "wb") as f:
                f.write(data)
    except OSError as e:
        return f"skipped: cannot be made here: {e}", 0
    if "self" in beside:
        path = f"{folder}/self"
    a = Answer(vmlift, "convert", *args, path, out)
    bad = wrong(a, status, slug, say, path, limit)
    if bad is None and status != 0 and os.path.exists(out):
        bad = "refused, and yet there is an output"
    if bad is None and pipe is not None:
        with subprocess.Popen(("cat", path), stdout=subprocess.PIPE) as cat:
            b = Answer(vmlift, "convert", "--force", *args, "-", out, stdin=cat.stdout)
            cat.stdout.close()
        bad = wrong(b, *pipe, "", "(stdin)", limit)
        bad = bad and "from a pipe: " + bad
    if bad is None:
        bad = checked(Answer(vmlift, "check", *args, path), check)
    return bad, a.mib


def main():
    vmlift, limit = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 64
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    failed, most = 0, 0.0
    for n, c in enumerate(CASES):
        if not re.search(pattern, c[0]):
            continue
        bad, mib = run(vmlift, n, limit, c)
        most = max(most, mib)
        fault = bad is not None and not bad.startswith("skipped")
        print("FAILED" if fault else "ok", c[0], f"{c[1]} [{c[2]}]", c[8], sep="\t")
        if bad:
            print(f"\t{bad}")
        failed += fault
    print(f"{len(CASES)} cases, {failed} failed; at most {most:.0f} MiB")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
