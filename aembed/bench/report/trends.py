"""Trends of a history as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aembed.bench import units
from aembed.bench.compare.history import Trend
from aembed.bench.model.result import named
from aembed.bench.stats.change_points import MIN_SEGMENT

MIN_POINTS = 2 * MIN_SEGMENT
"""Points that a change of level needs: half of them before it, half after it."""


def table(found: Sequence[Trend]) -> str:
    """One line for each trend: the number of its revisions, the latest, and its changes of level, the newest first."""
    rows = [("benchmark", "figure", "n", "latest", "changes of level"), *(_row(trend) for trend in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip()
        for row in rows
    )


def _row(trend: Trend) -> tuple[str, str, str, str, str]:
    said = [
        f"{trend.finding(change)} {change.change:+.1%} at {point.name} ({point.started[:10]})"
        for change in reversed(trend.changes)
        for point in [trend.points[change.index]]
    ]
    name = f"{trend.mode} {named(trend.name, trend.parameters)}"
    latest = units.of(trend.unit)(trend.points[-1].value)
    number = len(trend.points)
    few = f"needs {MIN_POINTS} revisions" if number < MIN_POINTS and not trend.is_exact else "-"
    return name, trend.metric, str(number), latest, "; ".join(said) or few
