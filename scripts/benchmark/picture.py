"""The picture: a line for each row, a dot for each rival at the median of the ratios, whiskers for the spread."""

from __future__ import annotations

import math
from html import escape

from .contestants import NAMES
from .report import Results, Spread, ratio
from .rows import Row

COLOURS = {"kernel": "#c2410c", "smoltcp": "#1d4ed8", "smoltcp-vnet": "#0f766e"}
SHAPES = {"kernel": "circle", "smoltcp": "square", "smoltcp-vnet": "diamond"}
GROUPS = {"bulk": "Bulk", "HTTP": "HTTP, 612 bytes", "echo": "Echo of 64 bytes", "cost": "Cost"}
WIDTH, LEFT, RIGHT = 980, 334, 24
LANE, GAP, HEADING, TOP, BOTTOM = 9, 9, 26, 108, 66
TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
STYLE = """
text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2937; }
.title { font-size: 19px; font-weight: 600; }
.note { font-size: 12px; fill: #4b5563; }
.row { font-size: 13px; }
.group { font-size: 13px; font-weight: 600; }
.tick { font-size: 12px; fill: #4b5563; text-anchor: middle; }
"""


class Scale:
    """Ratios to places, by their logarithm."""

    def __init__(self, spreads: list[Spread]) -> None:
        # The quartiles with air around them, and 1 always in sight. One outlier in one round shall not press
        # everything else together: a whisker that goes further ends in an arrow.
        low = min(min(s.low for s in spreads), 0.5)
        high = max(max(s.high for s in spreads), 2)
        self.low, self.high = math.log(low / 1.5), math.log(high * 1.5)

    def x(self, value: float) -> float:
        share = (math.log(value) - self.low) / (self.high - self.low)
        return LEFT + min(max(share, 0), 1) * (WIDTH - LEFT - RIGHT)

    def leaves(self, value: float) -> int:
        """-1 or 1 if a ratio lies beyond the left or the right edge, else 0."""
        return (math.log(value) > self.high) - (math.log(value) < self.low)

    def ticks(self) -> list[float]:
        return [t for t in TICKS if self.low <= math.log(t) <= self.high]


def draw(results: Results) -> str:
    """The whole picture as SVG. It brings its own light background, so that it can stand on a dark page."""
    rivals = results.rivals()
    spreads = {(rival, row.key): spread for rival in rivals for row in results.rows()
               if (spread := results.spread(rival, row)) is not None}
    if not spreads:
        return ""
    scale = Scale(list(spreads.values()))
    body, y, group = [], float(TOP), None
    height_of_row = len(rivals) * LANE + GAP
    for row in results.rows():
        if row.group != group:
            group = row.group
            body.append(f'<text class="group" x="20" y="{y + 17:.0f}">{escape(GROUPS[group])}</text>')
            y += HEADING
        body.append(_row(row, y, height_of_row, rivals, spreads, scale))
        y += height_of_row
    height = y + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="Ratios of taphouse to its rivals">',
        f"<style>{STYLE}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="10" fill="#fff" stroke="#d1d5db"/>',
        *_heading(results, rivals),
        *_grid(scale, TOP, y),
        *body,
        *_foot(results, y),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _heading(results: Results, rivals: list[str]) -> list[str]:
    parts = ['<text class="title" x="20" y="34">taphouse against its rivals</text>',
             '<text class="note" x="20" y="55">Ratio within a round; to the right of 1 taphouse is better. '
             "Mark: median. Thick: quartiles. Thin: least to greatest.</text>"]
    x = 20
    for rival in rivals:
        parts.append(_mark(rival, x + 6, 78))
        parts.append(f'<text class="row" x="{x + 18}" y="82">{escape(NAMES[rival])}</text>')
        x += 48 + 7 * len(NAMES[rival])
    return parts


def _grid(scale: Scale, top: float, bottom: float) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = scale.x(tick)
        line = 'stroke="#374151" stroke-width="1.5"' if tick == 1 else 'stroke="#e5e7eb" stroke-width="1"'
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom:.0f}" {line}/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 18:.0f}">{tick:g}</text>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{top - 6}">{tick:g}</text>')
    return parts


def _row(row: Row, y: float, height: float, rivals: list[str], spreads: dict[tuple[str, str], Spread],
         scale: Scale) -> str:
    parts = [f'<text class="row" x="32" y="{y + height / 2 + 4:.1f}">{escape(row.title)}</text>',
             f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y + height:.1f}" y2="{y + height:.1f}" stroke="#f3f4f6"/>']
    for lane, rival in enumerate(rivals):
        spread = spreads.get((rival, row.key))
        if spread is None:
            continue
        at, colour = y + GAP / 2 + (lane + 0.5) * LANE, COLOURS[rival]
        for low, high, width in ((spread.least, spread.most, 1.2), (spread.low, spread.high, 3.6)):
            parts.append(f'<line x1="{scale.x(low):.1f}" x2="{scale.x(high):.1f}" y1="{at:.1f}" y2="{at:.1f}" '
                         f'stroke="{colour}" stroke-width="{width}" stroke-opacity="0.7"/>')
        for value in (spread.least, spread.most):
            if way := scale.leaves(value):
                x = scale.x(value)
                parts.append(f'<path d="M{x + 5 * way:.1f} {at:.1f}l{-6 * way} -3.5v7Z" fill="{colour}"/>')
        said = f"{row.title}, against {NAMES[rival]}: {ratio(spread.median)}"
        parts.append(f"<g><title>{escape(said)}</title>{_mark(rival, scale.x(spread.median), at)}</g>")
    return "\n".join(parts)


def _mark(rival: str, x: float, y: float) -> str:
    colour, edge = COLOURS[rival], 'stroke="#ffffff" stroke-width="0.8"'
    if SHAPES[rival] == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.3" fill="{colour}" {edge}/>'
    if SHAPES[rival] == "square":
        return f'<rect x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6" fill="{colour}" {edge}/>'
    return (f'<path d="M{x:.1f} {y - 5.2:.1f}L{x + 5.2:.1f} {y:.1f}L{x:.1f} {y + 5.2:.1f}L{x - 5.2:.1f} {y:.1f}Z" '
            f'fill="{colour}" {edge}/>')


def _foot(results: Results, y: float) -> list[str]:
    meta = results.meta
    how = f"{meta['rounds']} interleaved rounds, {meta['seconds']:g} s a sample"
    what = f"smoltcp {meta['smoltcp']} · {meta['nginx']} · wrk {meta['wrk']}"
    lines = [f"{meta['date']} · commit {meta['commit']} · {how}",
             f"Linux {meta['kernel']} · {meta['cpus']} × {meta['cpu']} · {what}"]
    return [f'<text class="note" x="20" y="{y + 38 + 17 * i:.0f}">{escape(line)}</text>'
            for i, line in enumerate(lines)]
