"""Subjects whose speed is known, and what a measurement of them reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from aembed import bench
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.under_load import Traffic
from tests.loops import run

CAPACITY = 100.0
LOOK_S = 0.005
"""Seconds of each look at the machine: one before each measurement, one after it."""


def server(*, growth: float = 0.0) -> Callable[[], Awaitable[None]]:
    """One request at a time, 10 ms each; ``growth`` is by how much each takes longer than the one before."""
    free = [0.0, 1 / CAPACITY]

    async def call() -> None:
        free[0] = max(free[0], asyncio.get_running_loop().time()) + free[1]
        free[1] += growth
        await anyio.sleep_until(free[0])

    return call


def parts(report: bench.Report) -> tuple[Traffic, Distribution, Distribution, Distribution]:
    assert report.traffic is not None
    assert report.response is not None
    assert report.service is not None
    assert report.lag is not None
    return report.traffic, report.response, report.service, report.lag


async def ten_ms() -> None:
    await anyio.sleep(0.01)


async def nothing() -> None:
    await anyio.lowlevel.checkpoint()


def here(measuring: Awaitable[bench.Report]) -> bench.Report:
    """On one loop: the fresh process has its own."""

    async def main() -> bench.Report:
        return await measuring

    return run(main(), loop_factory=asyncio.new_event_loop)
