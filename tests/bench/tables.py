"""The other tables: one thread and two; the same data in disks of three sizes."""

import os

from inputs import MIB, Disk, write_made
from measure import Step

GIB = 1 << 30
DATA = 256 * MIB


def jobs_of(disk, folder):
    """What is done to a disk, without a peer: the title, the step, and whether it is bound by the CPU."""
    vmlift = os.environ["VMLIFT"]
    stream, raw, store = (os.path.join(folder, name) for name in ("o.vmdk", "o.raw", "store"))
    env = {"VMLIFT_STORE": store, "AWS_REGION": "us-east-1"}
    take = [vmlift, "import", "-f", "raw", disk.raw, "--name", "one"]

    def convert(source, form, target, *options):
        return Step("", [vmlift, "convert", *options, "-f", form, source, target], output=target)

    return [
        ("raw to streamOptimized", convert(disk.raw, "raw", stream), True),
        ("raw to streamOptimized, level 6", convert(disk.raw, "raw", stream, "-o", "level=6"), True),
        ("streamOptimized to raw", convert(disk.vmdk, "vmdk", raw), False),
        ("raw to raw", convert(disk.raw, "raw", raw), False),
        ("compare raw with streamOptimized", Step("", [vmlift, "compare", disk.raw, disk.vmdk]), True),
        ("raw to the store", Step("", take, output=store, env=env, before=[vmlift, "store", "init"]), True),
    ]


def threads(disk, folder):
    """(title, {1: step, 2: step}, bound by the CPU) of each job."""
    for title, step, cpu in jobs_of(disk, folder):
        yield (
            title,
            {n: Step("", [*step.words, "--threads", str(n)], output=step.output, env=step.env, before=step.before)
             for n in (1, 2)},
            cpu,
        )  # fmt: skip


def sizes(folder):
    """(title, {GiB: step}) of each job: the same data, spread over disks of 1, 4 and 16 GiB."""
    jobs = {}
    for size in (1, 4, 16):
        raw = write_made(os.path.join(folder, f"made-{size}.raw"), size * GIB, DATA)
        for title, step, _ in jobs_of(Disk(f"made-{size}", raw, folder), folder):
            jobs.setdefault(title, {})[size] = step
    return jobs.items()
