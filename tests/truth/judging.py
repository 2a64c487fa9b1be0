"""T5, T6: changes and noise, in series of results and between two versions."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from aembed.bench.compare.changes import Change
from aembed.bench.compare.contest import Contest, ab
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.environment import look
from aembed.bench.selftest.injected import slower, spin
from aembed.bench.stats.change_points import change_points
from tests.bench.simulated import series
from tests.truth.figures import Figure, NoisyError, truth

SERIES = 1000
TURNS = {"2 us": 57, "50 us": 1497, "1 ms": 29_997}
RUNS = int(os.environ.get("TRUTH_RUNS", "5"))
"""Comparisons of each operation and slowdown. The bars are stated for 100: ``TRUTH_RUNS=100``, some hours."""
LOST = 0.02
"""Share of time that a spinning thread may lose: on a machine that takes more, a miss says nothing."""


@truth("T5 change points", attempts=1)
def levels_are_told_from_noise() -> Sequence[Figure]:
    """60 results at cv 3 %, 5 % of them spikes; the step is somewhere in the middle half."""
    null = found = 0
    for seed in range(SERIES):
        split = int(np.random.default_rng(seed).integers(15, 46))
        null += bool(change_points(series(seed, (60, 1.0))))
        steps = change_points(series(seed, (split, 1.0), (60 - split, 1.1)))
        found += any(abs(step.index - split) <= 3 for step in steps)
    return [
        Figure("share of series without a step in which one is found", null / SERIES, high=0.02),
        Figure("share of steps of 10 % that are found", found / SERIES, low=0.9),
    ]


def compared(operation: str, slowdown: float) -> tuple[Change, float]:
    """One comparison, and the seconds it took."""

    def side(label: str, turns: int) -> ProcessSide:
        return ProcessSide(label=label, target=spin.target, parameters={"turns": turns})

    before, after = side("before", TURNS[operation]), side("after", slower(TURNS[operation], slowdown))
    begun = time.perf_counter()
    result = asyncio.run(ab([Contest(name=operation, before=before, after=after)]))
    assert result.unjudged == ()
    return result.changes[0], time.perf_counter() - begun


def power(operation: str, slowdown: float, bar: float) -> Sequence[Figure]:
    """Alarms among the comparisons: few without a planted change, nearly all with one."""
    runs = [compared(operation, slowdown) for _ in range(RUNS)]
    sight = statistics.median(change.detectable or 1.0 for change, _ in runs)
    alarms = sum(change.finding == "regressed" for change, _ in runs)
    if slowdown == 0:
        alarms += sum(change.finding == "improved" for change, _ in runs)
        figure = Figure(f"alarms of {RUNS} comparisons", alarms, high=max(1.0, bar * RUNS))
    else:
        figure = Figure(f"share of {RUNS} comparisons that find it", alarms / RUNS, low=bar)
    figures = [
        figure,
        Figure("median slowdown that could be seen", sight, high=0.08),
        Figure("median seconds of a comparison", statistics.median(seconds for _, seconds in runs), high=30.0),
    ]
    lost = look().lost
    if lost > LOST and not all(each.holds for each in figures):
        raise NoisyError(f"a spinning thread lost {lost:.0%} of its time; " + "; ".join(map(str, figures)))
    return figures


def enter(operation: str) -> None:
    for slowdown, bar in ((0.0, 0.01), (0.05, 0.8), (0.1, 0.99), (0.2, 1.0)):
        check: Callable[[], Sequence[Figure]] = partial(power, operation, slowdown, bar)
        truth(f"T6 {operation}, {f'{slowdown:.0%} slower' if slowdown else 'the same code'}", attempts=2)(check)


for each in TURNS:
    enter(each)
