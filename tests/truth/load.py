"""T1, T2, T3, T9: faults planted into a run under load."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import NormalDist

import anyio
import numpy as np

from aembed import bench
from aembed.bench.load.pacer import clock_of, pacer_for
from aembed.bench.selftest.injected import block
from tests.loops import LoopFactory, matrix, run
from tests.truth.figures import Figure, near, quiet, truth, yes

LOOPS: dict[str, LoopFactory] = matrix() | {"asyncio": asyncio.new_event_loop}
FAST: LoopFactory = LOOPS.get("uvloop", asyncio.new_event_loop)

FREEZE, SECONDS, RATE = 1.0, 10.0, 1000.0
STALLED = {0.95: 0.501, 0.975: 0.751, 0.99: 0.901}
"""L(q) = S * (1 - (1 - q) / f) with f = S / T, and the service time of 1 ms on top."""


def frozen_at(start: float) -> Callable[[], Awaitable[None]]:
    """A server of 1 ms that does nothing for a second from ``start`` seconds after the first request on."""
    begin: list[float] = []

    async def call() -> None:
        now = time.perf_counter()
        begin.append(now)
        into = now - begin[0] - start
        await anyio.sleep(0.001 + (FREEZE - into if 0 <= into < FREEZE else 0.0))

    return call


def stalling_at(start: float) -> Callable[[], Awaitable[None]]:
    """The same, but it blocks the loop."""
    begin: list[float] = []
    stalled: list[bool] = []

    async def call() -> None:
        now = time.perf_counter()
        begin.append(now)
        if now - begin[0] >= start and not stalled:
            stalled.append(True)
            block(FREEZE)
        await anyio.sleep(0.001)

    return call


def stalled(report: bench.Report) -> list[Figure]:
    assert report.response is not None
    assert report.traffic is not None
    return [
        *(near(f"p{q * 100:g}, s", report.response.at(q).value, STALLED[q], share=0.03) for q in (0.95, 0.99)),
        near("achieved rate, /s", report.traffic.achieved_rate, RATE, share=0.005),
    ]


def loaded(make: Callable[[], Callable[[], Awaitable[object]]], loop: LoopFactory = FAST) -> bench.Report:
    return quiet(run(bench.load(make(), arrivals=bench.constant(RATE), duration=SECONDS), loop_factory=loop))


@truth("T1 planted stall, of the server")
def server_freezes() -> Sequence[Figure]:
    return stalled(loaded(lambda: frozen_at(4.0)))


@truth("T1 planted stall, of the loop")
def loop_stalls() -> Sequence[Figure]:
    report = loaded(lambda: stalling_at(4.0))
    longest = max(report.stalls, key=lambda stall: stall.seconds)
    return [
        *stalled(report),
        near("length of the stall, s", longest.seconds, FREEZE, absolute=0.03),
        yes("called blocked", longest.cause == "blocked"),
        yes("its line is named", "in block" in str(longest.line)),
    ]


SCRIPT = {0.002: 0.85, 0.010: 0.12, 0.050: 0.025, 0.200: 0.005}
"""Seconds and shares: p50 2 ms, p90 and p95 10 ms, p99 50 ms, p99.9 200 ms."""
TIMES = {0.5: 0.002, 0.9: 0.010, 0.95: 0.010, 0.99: 0.050, 0.999: 0.200}


def scripted(requests: int, wait: Callable[[float], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    times = [seconds for seconds, share in SCRIPT.items() for _ in range(round(requests * share))]
    random.Random(7).shuffle(times)
    script = iter(times)

    async def call() -> None:
        await wait(next(script))

    return call


async def wait_exactly(seconds: float) -> None:
    """The loops' own timers are a millisecond wrong: this is the pacer's."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    pacer = pacer_for(loop)
    at = clock_of(loop)() + round(seconds * 1e9)
    pacer.start(np.array([at]).data, lambda _: over.set())
    await over.wait()
    pacer.stop()


@truth("T2 scripted distribution, in real time")
def script_in_real_time() -> Sequence[Figure]:
    report = quiet(
        run(bench.load(scripted(5000, wait_exactly), arrivals=bench.constant(500), duration=10), loop_factory=FAST)
    )
    assert report.response is not None
    return [
        near(f"p{q * 100:g}, s", report.response.at(q).value, time, share=0.01, absolute=0.0003)
        for q, time in TIMES.items()
    ]


@truth("T2 scripted distribution, on virtual time", attempts=1)
def script_on_virtual_time() -> Sequence[Figure]:
    report = run(bench.load(scripted(5000, anyio.sleep), arrivals=bench.poisson(500), duration=10))
    assert report.response is not None
    return [near(f"p{q * 100:g}, s", report.response.at(q).value, time, absolute=1e-8) for q, time in TIMES.items()]


REPLAYS = 200


@truth("T2 intervals cover the truth", attempts=1)
def intervals_cover() -> Sequence[Figure]:
    """Service times are log-normal, so that every percentile is known and no two values are equal."""
    covered = dict.fromkeys((0.5, 0.9, 0.95, 0.99), 0)
    for seed in range(REPLAYS):
        dice = random.Random(seed)

        async def call(dice: random.Random = dice) -> None:
            await anyio.sleep(dice.lognormvariate(-5, 0.5))

        report = run(bench.load(call, arrivals=bench.poisson(500), duration=4, seed=seed))
        assert report.response is not None
        for q in covered:
            found, value = report.response.at(q), math.exp(-5 + 0.5 * NormalDist().inv_cdf(q))
            covered[q] += found.low is not None and found.high is not None and found.low <= value <= found.high
    return [Figure(f"share of intervals around p{q * 100:g}", n / REPLAYS, low=0.93) for q, n in covered.items()]


async def nothing() -> None:
    pass


@truth("T3 schedule")
def schedule_is_kept() -> Sequence[Figure]:
    figures = []
    for name, loop in LOOPS.items():
        if name not in {"asyncio", "uvloop"}:
            continue
        for rate, bar in ((1000, 0.0003), (10_000, 0.001)):
            report = quiet(run(bench.load(nothing, arrivals=bench.constant(rate), duration=5), loop_factory=loop))
            assert report.traffic is not None
            assert report.lag is not None
            figures += [
                near(f"{name}, {rate}/s: achieved rate", report.traffic.achieved_rate, rate, share=0.001),
                Figure(f"{name}, {rate}/s: lag p99, s", report.lag.at(0.99).value or math.inf, high=bar),
            ]
    return figures


@truth("T3 Poisson gaps")
def gaps_are_exponential() -> Sequence[Figure]:
    from scipy.stats import kstest

    started: list[int] = []

    async def call() -> None:
        started.append(time.perf_counter_ns())

    quiet(run(bench.load(call, arrivals=bench.poisson(200), duration=10), loop_factory=FAST))
    gaps = np.diff(started) / 1e9
    return [Figure("p-value of Kolmogorov-Smirnov", float(kstest(gaps, "expon", args=(0, 1 / 200)).pvalue), low=0.01)]


@truth("T3 beyond capacity")
def beyond_capacity() -> Sequence[Figure]:
    beyond = run(bench.load(nothing, arrivals=bench.constant(1_000_000), duration=0.3), loop_factory=FAST)
    possible = beyond.verdict.possible_rate or 0.0
    figures = [
        yes("a million a second is INVALID", beyond.verdict.state == "invalid"),
        Figure("the rate that is possible", possible, low=1000, high=999_999),
    ]
    if possible:
        within = quiet(run(bench.load(nothing, arrivals=bench.constant(possible), duration=2), loop_factory=FAST))
        assert within.traffic is not None
        figures.append(near("achieved at that rate", within.traffic.achieved_rate, possible, share=0.01))
    return figures


@truth("T9 closed loop")
def littles_law() -> Sequence[Figure]:
    async def call() -> None:
        await anyio.sleep(0.1)

    exact = run(bench.closed(call, users=20, think=lambda _: 0.4, duration=1000)).closed
    random_ = run(bench.closed(call, users=20, think=0.4, duration=1000)).closed
    real = quiet(run(bench.closed(call, users=20, think=0.4, duration=10), loop_factory=FAST)).closed
    assert exact is not None
    assert random_ is not None
    assert real is not None
    return [
        near("fixed thinking: X * (R + Z)", exact.little, 20, share=1e-6),
        near("fixed thinking: rate, /s", exact.rate, 20 / 0.5, share=0.001),
        near("random thinking: X * (R + Z)", random_.little, 20, share=1e-6),
        near("random thinking: rate, /s", random_.rate, 20 / 0.5, share=0.02),
        near("in real time: X * (R + Z)", real.little, 20, share=1e-3),
    ]
