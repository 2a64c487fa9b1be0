"""Decisions on objectives, and runs that are stopped, exactly at the limit: there any decision is wrong.

Requests wait behind each other, so that slow ones come together, for as long as the server stays busy.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from aembed.bench import Goal
from tests.bench.decided import ABORT_ERROR, ABORT_SECONDS, decided, is_stopped
from tests.bench.queues import responses
from tests.truth.figures import Figure, truth

RUNS = 400
REQUESTS = {"objective": 4000, "abort": 20 * ABORT_SECONDS}
SETTLED = 5000
"""Requests before a run: afterwards the queue has forgotten that it began empty."""
LONG = 4_000_000
"""Requests that show the true percentiles of a world."""
Times = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Times]


def queue(busy: float, work: Draw) -> Draw:
    """One server, which works ``busy`` of the time, and requests that come at random; ``work`` has a mean of 1."""

    def draw(dice: np.random.Generator, count: int) -> Times:
        total = count + SETTLED
        return responses(dice.exponential(1 / busy, total), work(dice, total))[SETTLED:]

    return draw


def related(by: float) -> Draw:
    """Log-normal times, each related to the one before it: an autoregressive series."""

    def draw(dice: np.random.Generator, count: int) -> Times:
        series = lfilter([(1 - by**2) ** 0.5], [1, -by], dice.normal(0, 1, count + SETTLED))[SETTLED:]
        return np.asarray(np.exp(0.5 * series), dtype=np.float64)

    return draw


def random(dice: np.random.Generator, count: int) -> Times:
    return dice.exponential(1, count)


def equal(_dice: np.random.Generator, count: int) -> Times:
    return np.ones(count)


def log_normal(dice: np.random.Generator, count: int) -> Times:
    return np.exp(dice.normal(-0.5, 1, count))


def two_kinds(dice: np.random.Generator, count: int) -> Times:
    """One request in ten takes eleven times as long as the others."""
    return dice.exponential(np.where(dice.random(count) < 0.1, 5.5, 0.5))


OBJECTIVES: dict[str, Draw] = {
    **{f"M/M/1 at {busy:g}": queue(busy, random) for busy in (0.5, 0.8, 0.9)},
    **{f"M/D/1 at {busy:g}": queue(busy, equal) for busy in (0.5, 0.8, 0.9)},
    "M/G/1 at 0.8, log-normal": queue(0.8, log_normal),
    "M/G/1 at 0.8, two kinds": queue(0.8, two_kinds),
    "AR(1) 0.8": related(0.8),
}
ABORTS: dict[str, Draw] = {**OBJECTIVES, "AR(1) 0.95": related(0.95), "AR(1) 0.99": related(0.99)}
BEYOND_DOUBT = {"M/M/1 at 0.5": 1.5, "M/M/1 at 0.8": 2.5, "AR(1) 0.95": 1.5}
"""Times the limit, at which nearly every run is stopped."""


@cache
def quantiles(name: str, qs: tuple[float, ...]) -> tuple[float, ...]:
    """The true percentiles of a world."""
    return tuple(map(float, np.quantile(ABORTS[name](np.random.default_rng(0), LONG), qs)))


def dice(name: str, q: float) -> np.random.Generator:
    """Seeds that no other world shares."""
    return np.random.default_rng(zlib.crc32(f"{name} {q}".encode()))


@truth("Objectives at the limit", attempts=1)
def objectives_are_left_open() -> Sequence[Figure]:
    figures = []
    for name, draw in OBJECTIVES.items():
        for q, limit in zip((0.5, 0.95, 0.99), quantiles(name, (0.5, 0.95, 0.99)), strict=True):
            seeded, slo = dice(name, q), f"p{100 * q:g}=1s"
            states = [decided(draw(seeded, REQUESTS["objective"]) / limit, slo)[0].state for _ in range(RUNS)]
            wrong = sum(state != "inconclusive" for state in states) / RUNS
            figures.append(Figure(f"{name}: share of runs whose p{100 * q:g} is decided", wrong, high=0.05))
    return figures


def in_time(busy: float, work: Draw, dice: np.random.Generator, count: int) -> tuple[Times, Times]:
    """Times of the requests of :func:`queue`, 100/s, and their response times."""
    gaps = dice.exponential(0.01, count + SETTLED)
    took = responses(gaps, work(dice, count + SETTLED) * busy / 100)
    times = np.cumsum(gaps)[SETTLED:]
    return times - times[0], took[SETTLED:]


@truth("Objectives of busy servers at the limit", attempts=1)
def busy_servers_are_not_beyond_capacity() -> Sequence[Figure]:
    figures = []
    for name, work in {"M/M/1": random, "M/D/1": equal, "M/G/1, two kinds": two_kinds}.items():
        for busy in (0.5, 0.8, 0.9):
            (limit,) = np.quantile(in_time(busy, work, np.random.default_rng(0), LONG)[1], (0.95,))
            seeded, slo = dice(f"{name} {busy}", 0.95), f"p95={limit:.9f}s"
            wrong = 0
            for _ in range(RUNS):
                times, took = in_time(busy, work, seeded, REQUESTS["objective"])
                wrong += decided(took, slo, times=times)[0].state != "inconclusive"
            figures.append(Figure(f"{name} at {busy:g}: share of runs whose p95 is decided", wrong / RUNS, high=0.05))
    return figures


@truth("Abort at the limit", attempts=1)
def runs_are_seldom_stopped() -> Sequence[Figure]:
    figures, goal = [], Goal(metric="p95", limit=1.0)
    for name, draw in ABORTS.items():
        (limit,) = quantiles(name, (0.95,))
        seeded = dice(name, 0.95)
        wrong = sum(is_stopped(draw(seeded, REQUESTS["abort"]) / limit, goal) for _ in range(RUNS)) / RUNS
        figures.append(Figure(f"{name}: share of runs that are stopped", wrong, high=ABORT_ERROR))
    for name, times in BEYOND_DOUBT.items():
        (limit,) = quantiles(name, (0.95,))
        seeded = dice(name, times)
        found = sum(is_stopped(times * ABORTS[name](seeded, REQUESTS["abort"]) / limit, goal) for _ in range(RUNS))
        figures.append(Figure(f"{name}, {times:g} times the limit: share that is stopped", found / RUNS, low=0.9))
    return figures
