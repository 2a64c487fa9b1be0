"""Charts of several sides measured in turns: their rounds, and how sure the difference of each pair is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING

from aembed.bench.model.versus import Versus
from aembed.bench.report.svg import COLOURS, LINES, Chart, draw_chart, time_axis
from aembed.bench.report.tables import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "os^Dv"
MAX_NAME_CHARACTERS = 34
"""Longest name of a side beside the drawing."""


def versus_charts(found: Versus) -> Iterator[Chart]:
    """None where no pair was compared."""
    if found.pairs:
        yield draw_chart("Round by round", f"{found.by} of each round", lambda axes: _rounds(axes, found))
        height = 1.7 + 0.45 * len(found.pairs)
        yield draw_chart(
            "Differences",
            f"relative difference in {found.by}",
            lambda axes: _pairs(axes, found),
            height=height,
            left=0.45,
        )


def _rounds(axes: Axes, found: Versus) -> None:
    names = dict.fromkeys(name for pair in found.pairs for name in (pair.first, pair.second))  # in the order given
    for name, values, (colour, line), marker in zip(
        names, zip(*found.samples, strict=True), cycle(LINES), cycle(MARKERS), strict=False
    ):
        measured = [value if math.isfinite(value) else math.nan for value in values]
        numbers = range(1, len(measured) + 1)
        axes.plot(numbers, measured, line, marker=marker, markersize=4, color=COLOURS[colour], label=printable(name))
    time_axis(axes.yaxis)
    axes.set_xlabel("round")


def _pairs(axes: Axes, found: Versus) -> None:
    pairs = found.pairs[::-1]
    for place, pair in enumerate(pairs):
        change = pair.change
        ends = [100 * end for end in (change.low, change.high) if end is not None]
        is_sure = pair.order in {"faster", "slower"}
        colour = COLOURS["two" if is_sure else "one"]
        if len(ends) == 2:
            axes.plot(ends, [place, place], color=colour)
        axes.plot(100 * change.value, place, "s" if is_sure else "o", color=colour)
    axes.axvline(0, color=COLOURS["ink"], linewidth=1)
    labels = [f"{_shortened(pair.second)}\nagainst {_shortened(pair.first)}" for pair in pairs]
    axes.set_yticks(range(len(pairs)), labels)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_xlabel("difference in %, with its interval")


def _shortened(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= MAX_NAME_CHARACTERS else f"{shown[: MAX_NAME_CHARACTERS - 1]}…"
