#!/usr/bin/env python3
"""Every write-side call of every verb that writes, failing, torn, short or killed at.

Each case starts from a copy of the same small store, runs one command with one fault, and checks I1
to I6.  The short form kills at the first of several like calls, and takes one other fault for a fifth of
these; the long form takes all."""

import errno
import os
import shutil
import sys
import threading

from bench import Bench, Case
from fault import LONG, Fault, Tally, in_memory, root

WRITES = {"write", "pwrite", "pwrite64", "writev", "pwritev", "pwritev64"}
WAYS = [
    ("fail", errno.EIO, False),
    ("fail", errno.EIO, True),
    ("fail", errno.ENOSPC, False),
    ("fail", errno.ENOSPC, True),
    ("fail", errno.EDQUOT, True),
    ("short", 0, False),
    ("short", 0, True),
    ("tear", errno.EIO, False),
    ("tear", errno.ENOSPC, True),
    ("tearkill", 0, False),
    ("eintr", errno.EINTR, False),
]


def in_folder(fn):
    """fn(folder), of a folder for this thread that is removed then."""
    top = os.path.join(root(), f"case.{threading.get_ident()}")
    try:
        return fn(top)
    finally:
        shutil.rmtree(top, True)


def calls_of(bench, verb):
    case = Case(bench, verb)

    def one(top):
        case.prepare(top)
        return case.trace()

    return in_folder(one)


def run_case(case):
    def one(top):
        case.prepare(top)
        return case.check(case.run())

    return in_folder(one)


def ways_of(call):
    return [w for w in WAYS if w[0] == "fail" or call[0] in WRITES]


def cases(bench, verb):
    calls = calls_of(bench, verb)
    for k, call in enumerate(calls, 1):
        # the shared memory file is made anew by every command; like calls are pages of one transaction
        if not LONG and (call[1].endswith("-shm") or k > 1 and call == calls[k - 2]):
            continue
        yield Case(bench, verb, Fault("calls", k, "kill"), call)
        ways = ways_of(call)
        if not LONG:
            ways = ways[k // 5 % len(ways) :][:1] if k % 5 == 0 else []
        for action, error, always in ways:
            yield Case(bench, verb, Fault("calls", k, action, error, always), call)


def main():
    in_memory()
    tally = Tally("calls")
    bench = Bench()
    for verb in bench.verbs():
        tally.each(list(cases(bench, verb)), run_case)
        bench.sources.check()
    sys.exit(not tally.end())


if __name__ == "__main__":
    main()
