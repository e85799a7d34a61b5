"""What was measured, as Markdown."""

import os

from measure import Failure, ask

WHATS = ["first", "second", "second, unread", "export", "verify", "verify --quick"]
VERSIONS = {"borg": ("borg", "--version"), "restic": ("restic", "version"), "casync": ("casync", "--version")}

# of what, beside whom, how many times as quick at least
RATIOS = [
    ("first", "borg", 3),
    ("first", "restic", 15),
    ("first", "casync", 40),
    ("second", "borg", 3),
    ("export", "borg", 6),
]


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mib(size):
    return f"{size / (1 << 20):.1f}"


def verdict(met):
    return "met" if met else "**missed**"


def versions(runs):
    """As they say themselves, without what they were built with."""
    asked = [(os.environ["VMLIFT"], "--version"), ("openssl", "version")]
    asked += [words for who, words in VERSIONS.items() if who in runs.sizes]
    said = [ask(*words).splitlines()[0] for words in asked]
    return ", ".join(line.split(" compiled")[0].split(" (")[0] for line in said)


def steps_table(runs):
    rows = []
    for what in WHATS:
        for (who, step), measured in runs.steps.items():
            if step != what or who in ("small", "sparse"):
                continue
            walls = [r.wall for r in measured]
            ours = runs.median("vmlift", what.removesuffix(", unread"))
            rows.append([
                what, who, f"{runs.median(who, step):.2f}", f"{min(walls):.2f} to {max(walls):.2f}",
                f"{runs.median(who, step, 'sync'):.2f}", f"{runs.median(who, step, 'cpu'):.2f}",
                mib(max(r.rss for r in measured) << 10), str(len(walls)),
                f"{runs.median(who, step) / ours:.1f}" if who != "vmlift" and ours else "",
            ])  # fmt: skip
    return table(
        ["step", "tool", "median s", "min to max", "of it sync", "CPU s", "peak MiB", "runs", "times vmlift"], rows
    )


def sizes_table(runs):
    ours = runs.sizes["vmlift"]
    rows = [[who, mib(size), f"{size / ours:.3f}"] for who, size in runs.sizes.items()]
    return table(["stored by", "MiB", "times vmlift"], rows)


def bars(runs):
    """Each bar, with what was measured; by wall time, and by CPU time, which other load changes less."""
    rows = []
    for what, who, want in RATIOS:
        wall = [runs.median(w, what) for w in (who, "vmlift")]
        cpu = [runs.median(w, what, "cpu") for w in (who, "vmlift")]
        if wall[0] is not None:
            got = wall[0] / wall[1]
            rows.append(
                [f"{what} against {who}", f"{want}x", f"{got:.1f}x", f"{cpu[0] / cpu[1]:.1f}x", verdict(got >= want)]
            )
    rate = runs.unpacked / runs.median("vmlift", "verify")
    sha = runs.median_rate("openssl")
    one = runs.unpacked / runs.median("vmlift", "verify", "cpu") / runs.median_rate("openssl, a core")
    rows.append(
        ["verify against SHA-256", "60 %", f"{100 * rate / sha:.0f} %", f"{100 * one:.0f} %", verdict(rate / sha >= 0.6)]
    )
    if "borg" in runs.sizes:
        more = 100 * (runs.sizes["vmlift"] / runs.sizes["borg"] - 1)
        rows.append(["size against borg's", "+5 %", f"{more:+.1f} %", "", verdict(more <= 5)])
    if "sparse" in runs.tree:
        pair = [runs.median(w, "first") for w in ("sparse", "small")]
        cpu = [runs.median(w, "first", "cpu") for w in ("sparse", "small")]
        rows.append(["64 TiB disk against 1 GiB", "", f"{pair[0] / pair[1]:.2f}x", f"{cpu[0] / cpu[1]:.2f}x", ""])
        tree = runs.tree["sparse"]
        rows.append(["its tree", "1 MiB", f"{tree / 1024:.1f} KiB", "", verdict(tree < 1 << 20)])
    return table(["bar", "at least/most", "by wall time", "by CPU time", ""], rows)


def report(runs):
    if ("vmlift", "first") not in runs.steps:
        raise Failure("nothing was measured")
    disk = runs.disk
    begin, end = runs.load
    lines = [
        f"- {runs.date}, {runs.host()}",
        f"- load average {begin[0]:.1f} at the beginning, {end[0]:.1f} at the end",
        f"- {versions(runs)}" + (f"; not installed: {', '.join(runs.missing)}" if runs.missing else ""),
        f"- the disk: {mib(disk.st_size)} MiB, {mib(disk.st_blocks * 512)} MiB of them allocated,"
        f" {mib(runs.unpacked)} MiB in distinct blocks",
        f"- SHA-256, `openssl speed -multi 2`: {runs.median_rate('openssl') / 1e6:.0f} MB/s"
        f" (a core's, by its CPU time: {runs.median_rate('openssl, a core') / 1e6:.0f} MB/s)",
    ]
    return "\n\n".join(["\n".join(lines), bars(runs), steps_table(runs), sizes_table(runs)])
