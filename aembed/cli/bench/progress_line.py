"""The line that says how a run is going: the response times of the last second, and how they went until then."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from aembed.bench import Progress, units

BARS = "▁▂▃▄▅▆▇█"
BARS_SHOWN = 10
"""Seconds in the row of bars."""


class ProgressLine:
    """The most important figures come first: a narrow terminal cuts off the end."""

    def __init__(self) -> None:
        self.name = ""
        """Of the run, where there are several."""
        self._p95: deque[float | None] = deque(maxlen=BARS_SHOWN)
        self._now: Progress | None = None

    def add(self, now: Progress) -> None:
        """A second has passed."""
        if self._now is not None and (now.elapsed < self._now.elapsed or now.part != self._now.part):
            self._p95.clear()  # another run, or another part of it
        self._p95.append(now.p95)
        self._now = now

    def __str__(self) -> str:
        now = self._now
        if now is None:
            return ""
        parts = [f"{now.elapsed:.0f}/{now.seconds:.0f} s", *filter(None, (self.name, now.part))]
        if now.p50 is not None:
            tail = "" if now.p95 is None else f", p95 {units.seconds(now.p95)} {bars(self._p95)}"
            parts.append(f"p50 {units.seconds(now.p50)}{tail}")
        parts.append(f"{now.done:,} done")
        if now.errors:
            parts.append(f"{now.errors:,} errors")
        waiting = now.in_flight + now.backlog
        return ", ".join([*parts, f"{waiting:,} open"]) + "; Ctrl-C ends"


def bars(values: Iterable[float | None]) -> str:
    """A bar for each value, the tallest for the largest; equal heights are equal factors. A blank for none."""
    values = list(values)
    known = [math.log(value) for value in values if value]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    span = max(high - low, math.log(2))  # less than a doubling is not a mountain
    return "".join(
        BARS[min(len(BARS) - 1, int((math.log(value) - low) / span * len(BARS)))] if value else " " for value in values
    )
