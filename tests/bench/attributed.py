"""Loads whose requests are broken into parts."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import bench
from aembed.bench import Report
from aembed.testing import VirtualTimeLoop
from tests.loops import LoopFactory, run


def loaded(
    call: bench.Target,
    *,
    times: tuple[float, ...] = (0.0,),
    loop: LoopFactory = VirtualTimeLoop,
    **options: Any,
) -> Report:
    """A run with ``why``, one request at each of ``times``."""

    async def main() -> Report:
        arrivals, duration = bench.trace(times), max(times) + 1.0
        return await bench.load(call, arrivals=arrivals, duration=duration, why=True, drain=1000, **options)

    return run(main(), loop_factory=loop)


def slowest(report: Report, number: int = 0) -> dict[str, float]:
    """The parts of the slowest request, which must add up."""
    assert report.breakdown is not None
    slow = report.breakdown.slowest[number]
    assert sum(slow.parts.values()) == pytest.approx(slow.response, rel=0.01)
    return dict(slow.parts)
