"""Growth of an operation's cost with a parameter, and with the number of operations at once."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.scenario import Case
from tests.bench import scenarios
from tests.bench.reports import micro, report


async def test_scaling_fits_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the medians of every process: 2 us, and 3 us for each turn."""
    asked = []

    async def measured(case: Case, **options: Any) -> bench.Report:
        asked.append(options)
        seconds = 2e-6 + 3e-6 * case.turns
        rows = tuple((seconds * (1 + off), seconds * (1 + off), 1.0) for off in (-0.001, 0.0, 0.001))
        return report(parameters=case.parameters, micro=replace(micro(seconds), samples=rows))

    monkeypatch.setattr(sys.modules[bench.scaling.__module__], "micro", measured)
    made = await bench.scaling(scenarios.turns, processes=3, seconds=0.01)
    found = made.scaling
    assert found is not None
    assert (made.mode, found.parameter, found.unit, made.parameters) == ("scaling", "turns", "s", {})
    assert [point.x for point in found.points] == [1, 10, 40]
    assert found.linear is not None
    assert found.linear.fixed.value == pytest.approx(2e-6, rel=0.01)
    assert found.linear.per_unit.value == pytest.approx(3e-6, rel=0.01)
    assert asked == [{"processes": 3, "seconds": 0.01, "stop": None}] * 3


async def test_scaling_that_is_stopped_has_no_line() -> None:
    stop = asyncio.Event()
    stop.set()
    report = await bench.scaling(scenarios.documents, stop=stop)
    assert (report.mode, report.scaling, report.interrupted, report.verdict.exit_code) == ("micro", None, True, 3)


async def test_scaling_wants_one_parameter_of_numbers() -> None:
    with pytest.raises(InputError, match=r"leaks must vary one parameter, with 3 values or more; it varies none"):
        await bench.scaling(scenarios.leaks)
    with pytest.raises(InputError, match="word='a' must be a number"):
        await bench.scaling(scenarios.words)


async def test_scaling_of_a_failing_operation_is_its_report() -> None:
    @bench.scenario(n=[1, 2, 3])
    async def fails(case: Case) -> None:
        raise ValueError(f"not {case.n}")

    report = await bench.scaling(fails)
    assert (report.mode, report.verdict.reasons) == ("micro", ("ValueError: not 1",))


@pytest.mark.virtual_time
async def test_concurrency_fits_the_universal_law() -> None:
    """No contention: throughput is proportional to the users."""
    report = await bench.concurrency(lambda: anyio.sleep(0.01), users=(1, 2, 4, 8), duration=1)
    assert report.scaling is not None
    assert [point.value.value for point in report.scaling.points] == pytest.approx([100, 200, 400, 800], rel=0.02)
    assert report.scaling.usl is not None
    assert report.scaling.usl.gain.value == pytest.approx(100, rel=0.02)
    assert report.scaling.usl.contention.value == pytest.approx(0, abs=1e-3)
    with pytest.raises(InputError, match="four numbers or more"):
        await bench.concurrency(scenarios.nothing, users=(1, 2))
