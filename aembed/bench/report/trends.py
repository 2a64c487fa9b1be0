"""Trends of a history as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aembed.bench.compare.history import Trend
from aembed.bench.model.result import named


def table(found: Sequence[Trend]) -> str:
    """One line for each trend: how many results, the latest, and its changes of level, the newest first."""
    rows = [("benchmark", "figure", "n", "latest", "changes of level"), *(_row(trend) for trend in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip()
        for row in rows
    )


def _row(trend: Trend) -> tuple[str, str, str, str, str]:
    said = [
        f"{trend.finding(change)} {change.change:+.1%} at {point.revision or 'no revision'} ({point.started[:10]})"
        for change in reversed(trend.changes)
        for point in [trend.points[change.index]]
    ]
    name = f"{trend.mode} {named(trend.name, trend.parameters)}"
    latest = f"{trend.points[-1].value:.4g} {trend.unit}".rstrip()
    return name, trend.metric, str(len(trend.points)), latest, "; ".join(said) or "-"
