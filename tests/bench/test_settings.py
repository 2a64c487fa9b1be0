"""Options of every run: documented defaults, and rejected values."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.compare.changes import Rule
from aembed.bench.compare.history import trends
from aembed.bench.settings import RunSettings, unless


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Defaults of the parameters that may be left out."""
    given = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in given if each.default is not each.empty}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (bench.load, {"seed": 0}),
        (bench.closed, {"think": 0.0, "seed": 0}),
        (bench.burst, {"at": None, "cv": 0.0, "seed": 0}),
        (bench.sustained, {"tolerance": 0.1, "seed": 0}),
        (bench.steps, {"step_s": 10.0, "highest": None, "precision": 0.05, "at_least": None, "cv": 1.0, "seed": 0}),
        (bench.ramp, {"cv": 0.0}),
        (bench.Objective, {"q": 0.95, "errors": None}),
        (Rule, {"min_effect": 0.02, "tolerance": 0.05, "alpha": 0.01}),
        (trends, {"min_effect": 0.03}),
        (
            RunSettings,
            {
                "name": None,
                "timeout": None,
                "drain": 10.0,
                "max_in_flight": 10_000,
                "min_good": None,
                "slo": (),
                "abort": False,
                "why": False,
                "window": None,
                "processes": 1,
                "stop": None,
                "progress": None,
                "rows": None,
                "hlog": None,
                "openmetrics": None,
                "keep": None,
            },
        ),
    ],
)
def test_defaults_are_those_that_are_documented(function: Callable[..., Any], expected: dict[str, Any]) -> None:
    assert defaults(function) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 1e-9},
        {"window": 1e-9},
        {"drain": 0},
        {"max_in_flight": 1},
        {"min_good": 0},
        {"min_good": 1},
    ],
)
def test_limits_themselves_are_allowed(options: dict[str, Any]) -> None:
    assert RunSettings(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeout": 0}, "timeout=0 must be a finite number above 0 (seconds)"),
        ({"timeout": math.inf}, "timeout=inf must be a finite number above 0 (seconds)"),
        ({"window": 0}, "window=0 must be a finite number above 0 (seconds)"),
        ({"drain": math.inf}, "drain=inf must be a number of seconds, 0 or more"),
        ({"drain": math.nan}, "drain=nan must be a number of seconds, 0 or more"),
        ({"drain": -1e-9}, "drain=-1e-09 must be a number of seconds, 0 or more"),
        ({"max_in_flight": 0}, "max_in_flight=0 must be 1 or more"),
        ({"min_good": -0.01}, "min_good=-0.01 must be a share from 0 to 1, such as 0.99"),
        ({"min_good": 1.01}, "min_good=1.01 must be a share from 0 to 1, such as 0.99"),
        ({"min_good": 99}, "min_good=99 must be a share from 0 to 1, such as 0.99"),
    ],
)
def test_values_out_of_range_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        RunSettings(**options)
    assert str(caught.value) == told


@pytest.mark.virtual_time
@pytest.mark.parametrize(("stopped", "result", "ended"), [(None, "done", 2.0), (1.0, None, 1.0), (3.0, "done", 2.0)])
async def test_work_ends_with_its_result_or_with_the_stop(
    stopped: float | None, result: str | None, ended: float
) -> None:
    cancelled = []

    async def work() -> str:
        try:
            await anyio.sleep(2)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "done"

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    begun = loop.time()
    timer = loop.call_later(stopped or 9, stop.set)
    assert await unless(None if stopped is None else stop, work()) == result
    assert loop.time() - begun == pytest.approx(ended, abs=1e-6)
    assert cancelled == ([] if result else [True])
    timer.cancel()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_after_a_stop_no_work_begins() -> None:
    stop, begun = asyncio.Event(), []
    stop.set()

    async def work() -> str:
        begun.append(True)
        return "done"

    assert await unless(stop, work()) is None
    assert begun == []
