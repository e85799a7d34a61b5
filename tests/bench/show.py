"""The results as tables."""

from measure import Failure
from report import mib, report, table
from results import median


def text_table(head, rows):
    """For a terminal."""
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]

    def row(line):
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        return "  ".join(cells).rstrip()

    return "\n".join([row(head), row(["-" * w for w in widths]), *map(row, rows)])


def met(good):
    return "met" if good else "MISSED"


def ratio(pair, of="wall"):
    return f"{pair.ratio(of):.2f}x" if pair.bar.times else f"{1 / pair.ratio(of):.2f}"


def pair_rows(results):
    for p in results.pairs:
        lows = sorted(p.ratios())
        ends = (lows[0], lows[-1]) if p.bar.times else (1 / lows[-1], 1 / lows[0])
        disk = results.inputs.get(p.disk)
        rate = f"{disk[1] / median(p.runs['ours']) / 1e6:.0f}" if disk else ""
        yield [
            f"{p.title} ({p.disk})" if p.disk else p.title, p.peer, str(p.bar), ratio(p),
            f"{ends[0]:.2f}-{ends[1]:.2f}", ratio(p, "alone"), ratio(p, "cpu"), met(p.met()),
            f"{median(p.runs['ours']):.2f}", f"{median(p.runs['theirs']):.2f}", f"{median(p.runs['ours'], 'cpu'):.2f}",
            f"{median(p.runs['theirs'], 'cpu'):.2f}", rate, f"{p.rss():.0f}", f"{p.rss('theirs'):.0f}",
            f"{p.size():.3f}" if p.size() else "", str(len(lows)),
        ]  # fmt: skip


PAIR_HEAD = [
    "job (disk)", "peer", "bar", "ratio", "range", "peer unsynced", "by CPU", "", "s", "peer s", "CPU s",
    "peer CPU s", "MB/s", "MiB", "peer MiB", "size", "runs",
]  # fmt: skip


def variants(results, name, unit, one):
    """A table whose columns are what was varied: seconds, CPU seconds, MiB."""
    jobs = results.tables[name]
    keys = list(jobs[0][1])
    head = ["job", *(f"{k} {unit} s" for k in keys), *(f"CPU {k}" for k in keys), *(f"MiB {k}" for k in keys), *one]
    rows = []
    for title, runs, *more in jobs:
        walls = [median(runs[k]) for k in keys]
        if more:  # is it bound by the CPU?
            last = [f"{walls[0] / walls[-1]:.2f}x", met(walls[0] / walls[-1] >= 1.8) if more[0] else ""]
        else:
            last = [f"{walls[-1] / walls[0]:.2f}"]
        rows.append([
            title, *(f"{w:.2f}" for w in walls), *(f"{median(runs[k], 'cpu'):.2f}" for k in keys),
            *(f"{max(r.rss for r in runs[k]) / 1024:.0f}" for k in keys),
            *last,
        ])  # fmt: skip
    return head, rows


def show(results, markdown):
    """Text for a terminal, or Markdown."""
    if not results.pairs and not results.tables:
        raise Failure("nothing was measured")
    out = table if markdown else text_table
    lines = [
        f"- {results.date}, {results.host()}",
        f"- load average {results.load[0][0]:.1f} at the beginning, {results.load[1][0]:.1f} at the end",
        f"- {results.versions()}",
    ]
    lines += [
        f"- disk {name}: {mib(size)} MiB, {mib(data)} MiB of them allocated"
        for name, (size, data) in results.inputs.items()
    ]
    title = ["## Every job beside its peer", "As `run.sh --markdown` printed them."]
    parts = [*(title if markdown else []), "\n".join(lines)]
    if results.pairs:
        parts.append(out(PAIR_HEAD, list(pair_rows(results))))
    if "threads" in results.tables:
        parts.append(out(*variants(results, "threads", "threads", ["ratio", "bar 1.8x"])))
    if "sizes" in results.tables:
        parts.append(out(*variants(results, "sizes", "GiB", ["largest/smallest"])))
    if results.of_store is not None:
        parts += ["## The store, step by step" if markdown else "The store, step by step:", report(results.of_store)]
    return "\n\n".join(parts)
