"""A gibibyte of data in a small disk and in a huge one."""

import os
import random

GIB = 1 << 30
PLACES = 16  # as many leaves of the tree have data
HUGE = 64 << 40


def block(chance):
    """512 KiB, a third of it noise and the rest its digits: zstd takes about a half off."""
    noise = chance.randbytes((512 << 10) // 3)
    return (noise + noise.hex().encode()).ljust(512 << 10, b".")


def write_both(small, sparse):
    chance = random.Random(1)
    run = GIB // PLACES
    with open(small, "wb") as a, open(sparse, "wb") as b:
        b.truncate(HUGE)
        for place in range(PLACES):
            b.seek(place * (HUGE // PLACES))
            for _ in range(run >> 19):
                data = block(chance)
                a.write(data)
                b.write(data)


def sparse_pair(top):
    """Both disks' paths, where a file may be that long: ext4 has none of 64 TiB, memory has."""
    for folder in (top, "/dev/shm"):
        pair = {n: os.path.join(folder, f"vmlift-bench.{os.getpid()}.{n}.raw") for n in ("small", "sparse")}
        try:
            write_both(**pair)
            return pair
        except OSError:
            for path in pair.values():
                if os.path.exists(path):
                    os.unlink(path)
    return None
