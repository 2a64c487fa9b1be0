"""The faults that the self-test plants, and the error that a measurement may have."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from aembed.bench.compare.changes import Comparison
from aembed.bench.compare.contest import Contest
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Report
from aembed.bench.selftest import injected
from aembed.bench.selftest.self_test import selftest
from tests.bench.reports import memory, report
from tests.bench.test_self_test import TRUE, Measured, measured

__all__ = ["measured"]

ROOM = sys.modules["aembed.bench.selftest.self_test"]
BLOCKED, BURNT = TRUE["blocked"], TRUE["cpu"]


async def found(made: Measured) -> list[bool | None]:
    return [check.found for check in (await selftest()).checks]


@pytest.mark.parametrize(
    ("p95", "is_found"), [(0.1895, False), (0.1905, True), (0.2, True), (0.2095, True), (0.2105, False), (None, False)]
)
async def test_a_percentile_may_be_five_percent_off(measured: Measured, p95: float | None, is_found: bool) -> None:
    measured.p95 = p95
    assert await found(measured) == [is_found, *[True] * 4]


@pytest.mark.parametrize(
    ("stalls", "is_found"),
    [
        ([replace(BLOCKED, seconds=0.345)], False),
        ([replace(BLOCKED, seconds=0.355)], True),
        ([replace(BLOCKED, seconds=0.445)], True),
        ([replace(BLOCKED, seconds=0.455)], False),
        ([replace(BLOCKED, cause="cpu")], False),
        ([replace(BLOCKED, seconds=0.01, cause="cpu"), BLOCKED], True),
        ([], False),
    ],
)
async def test_the_longest_stall_is_the_one_that_was_planted(
    measured: Measured, stalls: list[Any], is_found: bool
) -> None:
    measured.stalls[False] = tuple(stalls)
    assert await found(measured) == [is_found, *[True] * 4]


@pytest.mark.parametrize(
    ("stalls", "is_found"),
    [
        ([BURNT], True),
        ([replace(BURNT, seconds=0.01, cause="blocked"), BURNT], True),
        ([replace(BURNT, cause="blocked")], False),
        ([replace(BURNT, line="other.py:1 in other")], False),
        ([replace(BURNT, line=None)], False),
        ([], False),
    ],
)
async def test_code_that_computes_is_named_with_its_line(measured: Measured, stalls: list[Any], is_found: bool) -> None:
    measured.stalls[True] = tuple(stalls)
    assert await found(measured) == [True, is_found, *[True] * 3]


@pytest.mark.parametrize(
    ("leaking", "retained", "is_found"),
    [(True, 0.0445, False), (True, 0.0455, True), (True, 0.0545, True), (True, 0.0555, False), (False, 0.05, False)],
)
async def test_a_leak_may_be_a_tenth_off(measured: Measured, leaking: bool, retained: float, is_found: bool) -> None:
    measured.leak = report(memory=replace(memory(100.0), leaking=leaking, retained=Estimate(value=retained)))
    assert await found(measured) == [True, True, is_found, True, True]


@pytest.mark.parametrize(("lost", "verdict"), [(0.0, False), (0.02, False), (0.021, None)])
async def test_a_machine_that_loses_two_percent_of_its_time_is_quiet_enough(
    measured: Measured, lost: float, verdict: bool | None
) -> None:
    measured.p95, measured.lost = 0.3, lost
    result = await selftest()
    assert result.checks[0].found is verdict
    assert measured.attempts == 3 + 1
    assert result.lost == lost


async def test_one_noisy_attempt_leaves_a_miss_undecided(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.0, 0.5, 0.0, 0.1])
    monkeypatch.setattr(ROOM, "look", lambda: SimpleNamespace(lost=next(losses)))
    measured.p95 = 0.3
    result = await selftest()
    assert result.checks[0].found is None
    assert result.lost == 0.5


async def test_it_says_how_long_it_took_and_its_comparisons(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock advances by more at each look: 0, 1, 3, 6, 10, 15 s."""
    times = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr(ROOM, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    result = await selftest()
    assert (result.seconds, result.comparison, result.detectable) == (15.0, 4.0, 0.04)
    assert "An A/B comparison of 4 s finds slowdowns" in str(result)


async def test_without_a_comparison_there_is_no_smallest_slowdown(measured: Measured) -> None:
    measured.blind = True
    result = await selftest()
    assert (result.detectable, result.comparison) == (None, 0.0)


async def test_what_is_planted(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    planted: list[tuple[Any, ...]] = []
    loads: list[tuple[int, float]] = []
    leaks: list[tuple[Any, int]] = []
    turns: list[tuple[Any, Any]] = []

    async def load(subject: object, *, arrivals: Any, duration: float) -> Report:
        loads.append((len(arrivals.times(1.0)), duration))
        return await Measured.load(measured, subject, arrivals=arrivals, duration=duration)

    async def leaking(target: Any, *, operations: int) -> Report:
        leaks.append((target.parameters["every"], operations))
        return measured.leak

    async def compared(contests: list[Contest]) -> Comparison:
        (contest,) = contests
        sides: list[Any] = [contest.before, contest.after]
        turns.append((sides[0].parameters["turns"], sides[1].parameters["turns"]))
        return await Measured.ab(measured, contests)

    monkeypatch.setattr(ROOM, "stalls", lambda *given: planted.append(given))
    for name, fake in (("load", load), ("memory", leaking), ("ab", compared)):
        monkeypatch.setattr(ROOM, name, fake)
    assert await found(measured) == [True] * 5
    assert planted == [(0.4, 200, injected.block), (0.2, 100, injected.burn)]
    assert loads == [(200, 4.0), (200, 1.0)]
    assert leaks == [(20, 6000)]
    assert turns == [(1497, 1497), (1497, 1647)]
