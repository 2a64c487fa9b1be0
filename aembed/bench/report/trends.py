"""Trends of a history as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from aembed.bench import units
from aembed.bench.compare.history import Trend
from aembed.bench.model.result import named
from aembed.bench.stats.change_points import MIN_SEGMENT

MIN_POINTS = 2 * MIN_SEGMENT
"""Points that a change of level needs: half of them before it, half after it."""
HEADINGS = ("figure", "revisions", "latest", "changes of level")


def table(found: Sequence[Trend]) -> str:
    """The name of each benchmark, and a line for each of its figures, with the newest change of level first."""
    rows = [(_benchmark(trend), _row(trend)) for trend in found]
    widths = [max(len(row[i]) for row in (HEADINGS, *(row for _, row in rows))) for i in range(len(HEADINGS) - 1)]
    lines = []
    for name, group in groupby(rows, lambda each: each[0]):
        lines += ["", name, _aligned(HEADINGS, widths), *(_aligned(row, widths) for _, row in group)]
    return "\n".join(lines[1:])


def _benchmark(trend: Trend) -> str:
    return f"{trend.mode} {named(trend.name, trend.parameters)}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    *figures, changes = row
    return "  ".join([*(cell.ljust(width) for cell, width in zip(figures, widths, strict=True)), changes])


def _row(trend: Trend) -> tuple[str, ...]:
    said = [
        f"{trend.finding(change)} {units.change(change.change)} at {point.name} ({point.started[:10]})"
        for change in reversed(trend.changes)
        for point in [trend.points[change.index]]
    ]
    latest = units.of(trend.unit)(trend.points[-1].value)
    number = len(trend.points)
    few = f"needs {MIN_POINTS} revisions" if number < MIN_POINTS and not trend.is_exact else "-"
    return trend.metric, str(number), latest, "; ".join(said) or few
