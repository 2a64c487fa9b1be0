"""One report of every mode: those under load measured on virtual time, the others made up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cache
from typing import Any

import anyio

from aembed import bench
from aembed.bench.model.breakdown import Breakdown, SlowRequest
from aembed.bench.model.one_at_a_time import Cost, LinearFit, Memory, Micro, Scaling, ScalingPoint, UslFit
from aembed.bench.model.result import Environment, Mode, Noise, Report, Verdict
from aembed.bench.model.under_load import Objective, Stall
from tests.loops import run

MODES: tuple[Mode, ...] = ("open", "closed", "burst", "sustained", "steps", "scaling", "micro", "memory", "cost")
E = bench.Estimate
HERE = Environment(
    machine="0123456789ab",
    cpu="Some CPU @ 2.60GHz",
    cores=2,
    affinity=(0, 1),
    system="Linux 6.1",
    python="3.11.7",
    loop="uvloop 0.22.1",
    packages={"aembed": "0.1.0", "numpy": "2.2.0"},
    revision="1a2b3c4d5e",
    dirty=True,
)
NOISE = Noise(load=0.3, steal=0.0, lost=0.002, longest_gap=0.0012, canary=0.0101)
HOSTILE = '<script>alert("x")</script> & ]]> \x1b[31m\n::error::'
"""A name or a message that tries to be markup."""


class Server:
    """Several at a time, a few milliseconds each, some long, and some fail."""

    def __init__(self, *, at_once: int = 2, failing: float = 0.01) -> None:
        self._places = anyio.CapacityLimiter(at_once)
        self._dice = random.Random(7)
        self._failing = failing

    async def __call__(self) -> None:
        async with self._places:
            await anyio.sleep(self._dice.lognormvariate(math.log(0.008), 0.5))
            if self._dice.random() < self._failing:
                raise ConnectionResetError(HOSTILE)


def samples() -> dict[Mode, Report]:
    """By mode. Treat them as constants."""
    return {mode: sample(mode) for mode in (*LOADS, *ALONE)}


@cache
def sample(mode: Mode) -> Report:
    """The one of ``mode``, a constant, too."""
    made = run(LOADS[mode]()) if mode in LOADS else ALONE[mode]()
    return replace(made, environment=HERE, before=NOISE, after=NOISE)


async def _open() -> Report:
    stall = Stall(at=7.25, seconds=0.31, cause="blocked", cpu=0.001, queued=0.0, line="handler.py:12 in reply")
    made = await bench.load(Server(), arrivals=bench.poisson(rate=120), duration=20, name=HOSTILE)
    return replace(made, stalls=(stall,), breakdown=_breakdown())


async def _closed() -> Report:
    return await bench.closed(Server(failing=0), users=5, think=0.05, duration=10)


async def _burst() -> Report:
    return await bench.burst(Server(failing=0), base=60, spike=600, spike_s=2, duration=25)


async def _sustained() -> Report:
    return await bench.sustained(Server(failing=0), arrivals=bench.poisson(rate=100), duration=30)


async def _steps() -> Report:
    return await bench.steps(Server(failing=0), start=20, objective=Objective(q=0.95, seconds=0.05), step_s=3)


def _breakdown() -> Breakdown:
    """Parts with names that users chose."""
    parts = {"late start": 0.0002, f"db {HOSTILE}": 0.031, "loop stalled": 0.31, "other": 0.004}
    slow = SlowRequest(
        at=7.25,
        time="03:12:45.123",
        response=sum(parts.values()),
        outcome="timed_out",
        label=f"user {HOSTILE}",
        main="loop stalled",
        parts=parts,
        attempts=2,
        new_connection=True,
        request_ids=("req-1", HOSTILE),
    )
    quick = {"late start": 0.0001, f"db {HOSTILE}": 0.003}
    return Breakdown(requests=900, mean=quick, slow=parts, slow_requests=36, slowest=(slow, slow))


def invalid() -> Report:
    """A rate that the machine cannot offer."""
    reason = "the schedule asks for 200,000/s, and this machine can offer 38,000/s"
    return replace(sample("open"), verdict=Verdict(state="invalid", reasons=(reason,), possible_rate=38_000.0))


def _report(mode: Mode, **parts: object) -> Report:
    report = Report(
        mode=mode,
        name="embed_documents",
        parameters={"batch": 20},
        started="2026-01-02T03:04:05+00:00",
        seconds=12.5,
        verdict=Verdict(),
        environment=HERE,
    )
    return replace(report, **parts)  # type: ignore[arg-type]


def _micro() -> Report:
    dice = random.Random(1)
    rows = tuple(tuple(38e-6 * dice.lognormvariate(0, 0.02) for _ in range(20)) for _ in range(5))
    wall = E(value=38.1e-6, low=37.2e-6, high=39.0e-6)
    return _report(
        "micro",
        micro=Micro(wall=wall, cpu=wall, processes=5, blocks=20, operations=140, samples=rows, cpu_samples=rows),
    )


def _scaling() -> Report:
    points = tuple(
        ScalingPoint(x=x, value=E(value=12e-6 + 0.4e-6 * x, low=11.5e-6 + 0.39e-6 * x, high=12.5e-6 + 0.41e-6 * x))
        for x in (1, 5, 20, 50, 100)
    )
    line = LinearFit(
        fixed=E(value=12e-6, low=11e-6, high=13e-6),
        per_unit=E(value=4e-7, low=3.9e-7, high=4.1e-7),
        r2=0.9991,
        lack_of_fit=0.31,
    )
    law = UslFit(gain=E(value=900.0), contention=E(value=0.02), coherence=E(value=0.0001), r2=0.99, peak=99.0)
    return _report("scaling", scaling=Scaling(parameter="batch", unit="s", points=points, linear=line, usl=law))


def _memory() -> Report:
    return _report(
        "memory",
        memory=Memory(
            operations=20_000,
            bytes=28_004.0,
            allocations=61.0,
            peak=40_960,
            retained=E(value=0.0, low=-0.001, high=0.001),
            rss=E(value=0.0, low=-1.0, high=2.0),
            smallest_leak=0.004,
            leaking=False,
            filling=False,
        ),
    )


def _cost() -> Report:
    counted = Cost(operations=50, exact=True, tasks=0, callbacks=1, timers=0, threads=0, calls=61, allocations=None)
    return _report("cost", cost=counted)


__all__ = ["HOSTILE", "invalid", "samples"]


LOADS: dict[Mode, Callable[[], Coroutine[Any, Any, Report]]] = {
    "open": _open,
    "closed": _closed,
    "burst": _burst,
    "sustained": _sustained,
    "steps": _steps,
}
ALONE: dict[Mode, Callable[[], Report]] = {"micro": _micro, "scaling": _scaling, "memory": _memory, "cost": _cost}
