"""T7 and T8: servers whose answer to a burst and to a rate is known, on virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

import anyio

from aembed import bench
from tests.loops import run
from tests.truth.figures import Figure, near, truth, yes

CAPACITY = 100.0
"""Requests a second of the scripted server: one at a time, 10 ms each."""


def server() -> Callable[[], Awaitable[None]]:
    """One at a time, in order, 10 ms each."""
    free = [0.0]

    async def call() -> None:
        free[0] = max(free[0], asyncio.get_running_loop().time()) + 1 / CAPACITY
        await anyio.sleep_until(free[0])

    return call


@truth("T7 burst", attempts=1)
def burst_drains() -> Sequence[Figure]:
    figures = []
    for base, spike, seconds in ((50, 300, 2.0), (20, 500, 1.0), (80, 200, 1.0)):
        report = run(bench.burst(server(), base=base, spike=spike, spike_s=seconds, at=5, duration=30))
        drain = (spike - CAPACITY) * seconds / (CAPACITY - base)
        assert report.burst is not None
        name = f"{base}/s, {spike}/s for {seconds:g} s"
        figures += [
            near(f"{name}: drained, s", report.burst.drained, drain, absolute=1.01 / (CAPACITY - base)),
            near(f"{name}: drain rate, /s", report.burst.drain_rate, CAPACITY, share=0.01),
            near(f"{name}: backlog", report.burst.peak_backlog, (spike - CAPACITY) * seconds, absolute=2),
            near(
                f"{name}: longest wait, s",
                report.burst.peak_response,
                (spike - CAPACITY) * seconds / CAPACITY,
                absolute=2 / CAPACITY,
            ),
            near(f"{name}: recovery, s", report.burst.recovery, drain, absolute=0.1),
        ]
    return figures


def share_within(t: float, rate: float) -> float:
    """P(response <= t) of an M/D/1 queue (Erlang 1909; Franx 2001 for the form)."""
    wait, d = t - 1 / CAPACITY, 1 / CAPACITY
    if wait < 0:
        return 0.0
    terms = (
        math.exp(-rate * (k * d - wait)) * (rate * (k * d - wait)) ** k / math.factorial(k)
        for k in range(math.floor(wait / d) + 1)
    )
    return (1 - rate * d) * math.fsum(terms)


def knee_of(seconds: float, q: float) -> float:
    low, high = 0.0, CAPACITY * 0.999
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if share_within(seconds, middle) >= q else (low, middle)
    return low


@truth("T8 knee", attempts=1)
def knee_is_found() -> Sequence[Figure]:
    figures = []
    for q, seconds in ((0.95, 0.05), (0.95, 0.1), (0.9, 0.03)):
        objective = bench.Objective(q=q, seconds=seconds)
        report = run(bench.steps(server(), objective=objective, start=50, step_s=1000, precision=0.02))
        assert report.steps is not None
        knee, known = report.steps.knee, knee_of(seconds, q)
        assert knee is not None
        assert knee.low is not None
        high = math.inf if knee.high is None else knee.high
        figures += [
            near(f"p{q * 100:g} within {seconds:g} s: knee, /s", knee.value, known, share=0.03),
            yes(f"p{q * 100:g} within {seconds:g} s: a rate surely breaks it", knee.high is not None),
            yes(f"{known:.4g} lies in {knee.low:.4g} to {high:.4g}", knee.low <= known <= high),
        ]
    return figures
