"""From figures to what is read: medians, ratios, tables, and the comparison of two runs.

A ratio is taken within one round, where the two were measured one after the other, and is turned so that more than 1
means that taphouse is better. Of the ratios of all rounds the table gives the median, the quartiles (linear between
neighbours) and the least and the greatest. Of seven rounds, the least and the greatest enclose the true median with a
probability of 98 %: that range is the spread that two runs are compared by.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from .contestants import CONGESTION, NAMES
from .lab import Failure
from .rows import ROWS, Row

OWN = "taphouse"
BEGIN, END = "<!-- the table: begin, written by scripts/bench --docs -->", "<!-- the table: end -->"


@dataclass(frozen=True)
class Spread:
    """The middle of some numbers, and how far they lie around it."""

    median: float
    low: float
    high: float
    least: float
    most: float

    @staticmethod
    def of(numbers: list[float]) -> Spread:
        if len(numbers) == 1:
            return Spread(*numbers * 5)
        low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
        return Spread(middle, low, high, min(numbers), max(numbers))


@dataclass
class Results:
    """What a run found: by contestant and row, a figure for each round, or None where it failed."""

    meta: dict
    figures: dict[str, dict[str, list[float | None]]]

    @staticmethod
    def load(path: Path) -> Results:
        try:
            data = json.loads(path.read_text())
            return Results(data["meta"], data["figures"])
        except (OSError, ValueError, KeyError) as error:
            raise Failure(f"{path} is no result of scripts/bench: {error}") from None

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"meta": self.meta, "figures": self.figures}, indent=1) + "\n")

    def rivals(self) -> list[str]:
        return [name for name in NAMES if name != OWN and name in self.figures]

    def rows(self) -> list[Row]:
        return [row for row in ROWS if any(row.key in rows for rows in self.figures.values())]

    def median(self, name: str, row: Row) -> float | None:
        numbers = [n for n in self.figures.get(name, {}).get(row.key, []) if n is not None]
        return statistics.median(numbers) if numbers else None

    def ratios(self, rival: str, row: Row) -> list[float]:
        own = self.figures.get(OWN, {}).get(row.key, [])
        pairs = zip(own, self.figures.get(rival, {}).get(row.key, []))
        return [ratio for a, b in pairs if (ratio := _ratio(a, b, row)) is not None]

    def spread(self, rival: str, row: Row) -> Spread | None:
        ratios = self.ratios(rival, row)
        return Spread.of(ratios) if ratios else None


def _ratio(own: float | None, other: float | None, row: Row) -> float | None:
    """None where one of them failed, or where a cost came out as nothing: no ratio can be taken of that."""
    if own is None or other is None or own <= 0 or other <= 0:
        return None
    return own / other if row.higher_is_better else other / own


def number(value: float | None) -> str:
    """Three digits that count, or all of a large number."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _columns(results: Results) -> list[str]:
    return [name for name in NAMES if name in results.figures]


def tables(results: Results) -> tuple[list[list[str]], list[list[str]]]:
    """Medians of the figures, and ratios; each with its heading."""
    figures = [["row", "unit", *(NAMES[name] for name in _columns(results))]]
    ratios = [["taphouse against", *(NAMES[name] for name in results.rivals())]]
    for row in results.rows():
        figures.append([row.title, row.unit, *(number(results.median(name, row)) for name in _columns(results))])
        line = [row.title]
        for rival in results.rivals():
            spread = results.spread(rival, row)
            line.append("-" if spread is None else
                        f"{ratio(spread.median)}  {ratio(spread.low)}..{ratio(spread.high)}  "
                        f"[{ratio(spread.least)}..{ratio(spread.most)}]")
        ratios.append(line)
    return figures, ratios


def text(results: Results) -> str:
    """For a terminal."""
    figures, ratios = tables(results)
    return "\n\n".join([
        summary(results),
        "Medians of the figures\n\n" + _aligned(figures, 2),
        "Ratios within a round, more than 1: taphouse is better\n"
        "median  quartiles  [least..greatest]\n\n" + _aligned(ratios, 1),
    ]) + "\n"


def _aligned(table: list[list[str]], left: int) -> str:
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) if i < left else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in table)


def summary(results: Results) -> str:
    meta = results.meta
    return (f"{meta['rounds']} rounds of {meta['seconds']:g} s a sample on {meta['date']}, commit {meta['commit']}, "
            f"Linux {meta['kernel']}, {meta['cpus']} x {meta['cpu']}; {meta['nginx']}, wrk {meta['wrk']}, "
            f"smoltcp {meta['smoltcp']}; {CONGESTION}.")


def markdown(results: Results) -> str:
    """For docs/performance.md."""
    figures, ratios = tables(results)
    parts = [summary(results), "![Ratios of taphouse to its rivals](performance.svg)",
             "Ratios within a round, more than 1: taphouse is better. Median, quartiles, [least..greatest].",
             _markdown_table(ratios, 1), "Medians of the figures themselves:", _markdown_table(figures, 2)]
    return "\n\n".join(parts)


def _markdown_table(table: list[list[str]], left: int) -> str:
    lines = ["| " + " | ".join(line) + " |" for line in table]
    lines.insert(1, "|" + "|".join("---" if i < left else "--:" for i in range(len(table[0]))) + "|")
    return "\n".join(lines)


def write_docs(results: Results, page: Path) -> None:
    """Puts the tables between the marks of the page."""
    old = page.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise Failure(f"{page} has no marks for the table")
    head, rest = old.split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n\n{markdown(results)}\n\n{END}{rest.split(END)[1]}")


def compare(one: Results, other: Results) -> tuple[str, bool]:
    """Do two runs agree in each ratio? They do where their spreads, from least to greatest, meet."""
    table = [["taphouse against", "row", "first", "second", "apart", ""]]
    agrees = True
    for rival in one.rivals():
        for row in one.rows():
            a, b = one.spread(rival, row), other.spread(rival, row)
            if a is None or b is None:
                continue
            meets = a.least <= b.most and b.least <= a.most
            closely = a.low <= b.high and b.low <= a.high
            agrees &= meets
            shown = [f"{ratio(s.median)} [{ratio(s.least)}..{ratio(s.most)}]" for s in (a, b)]
            verdict = ("agree, quartiles too" if closely else "agree") if meets else "DO NOT AGREE"
            table.append([NAMES[rival], row.title, *shown, f"{abs(b.median / a.median - 1):.0%}", verdict])
    return _aligned(table, 2) + "\n", agrees
