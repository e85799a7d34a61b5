"""The rows as an SVG chart: how much of its bar each reaches, on a logarithmic scale, the bar at 1."""

from html import escape
from math import log2

WIDTH, LEFT, ROW, TOP, RIGHT = 960, 400, 22, 64, 130
LOW, HIGH = -2, 3  # powers of two: a quarter of the bar, eight times it
MET, MISSED, INK, FAINT = "#2f7d4f", "#b4532a", "#222", "#bbb"


def place(reached):
    """Where that much of the bar is, as far as the chart goes."""
    value = min(max(log2(max(reached, 0.01)), LOW), HIGH)
    return LEFT + (value - LOW) / (HIGH - LOW) * (WIDTH - LEFT - RIGHT)


def text(x, y, words, anchor="start", colour=INK, weight="normal"):
    style = f'text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def line(x, top, bottom, colour, width):
    return f'<path d="M{x:.1f} {top}V{bottom}" stroke="{colour}" stroke-width="{width}"/>'


def bar(pair, y):
    colour = MET if pair.met() else MISSED
    reached = pair.reached()
    start, end = sorted((place(1), place(reached)))
    title = f"{pair.title}, {pair.disk}" if pair.disk else pair.title
    if pair.bar.times:
        says = f"{pair.ratio():.1f}x (bar {pair.bar.times:g}x)"
    else:
        says = f"{1 / pair.ratio():.2f} (bar {pair.bar.share:g})"
    yield text(LEFT - 12, y + 15, f"{title} : {pair.peer}", "end")
    yield f'<rect x="{start:.1f}" y="{y + 4}" width="{max(end - start, 1):.1f}" height="{ROW - 8}" fill="{colour}"/>'
    beside = end if reached >= 1 else place(1)
    yield text(beside + 6, y + 15, says, colour=colour)


def chart(results):
    pairs = results.pairs
    bottom = TOP + ROW * len(pairs)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 16}" '
        f'viewBox="0 0 {WIDTH} {bottom + 16}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{bottom + 16}" fill="#fff"/>',
        text(12, 20, "vmlift beside its peers: speed, as a multiple of what was aimed at", weight="bold"),
        text(12, 38, f"{results.date}, {results.host()}, load {results.load[0][0]:.1f}", colour="#666"),
    ]
    for power in range(LOW, HIGH + 1):
        x = place(2**power)
        lines.append(line(x, TOP - 4, bottom, FAINT if power else INK, 1 if power else 2))
        lines.append(text(x, TOP - 10, f"{2**power:g}" if power else "the bar", "middle", "#666"))
    for i, pair in enumerate(pairs):
        lines += bar(pair, TOP + i * ROW)
    return "\n".join([*lines, "</svg>", ""])
