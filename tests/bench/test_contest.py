"""A/B comparisons on simulated machines: false alarms, power, and when they stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from aembed import InputError
from aembed.bench.compare import contest as contest_room
from aembed.bench.compare.changes import Change
from aembed.bench.compare.contest import Contest, ab
from tests.bench.simulated import Machine, SimulatedSide

OPERATIONS = [2e-6, 50e-6, 1e-3]
RUNS = 100


async def simulated(seconds: float, slowdown: float, runs: int) -> Counter[str]:
    """Findings of so many comparisons."""
    findings: Counter[str] = Counter()
    for seed in range(runs):
        machine = Machine(seed)
        before = SimulatedSide("before", seconds, machine)
        after = SimulatedSide("after", seconds * (1 + slowdown), machine)
        result = await ab([Contest(name="operation", before=before, after=after)])
        findings[result.changes[0].finding] += 1
    return findings


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", OPERATIONS)
async def test_the_same_code_raises_at_most_one_alarm_in_a_hundred(seconds: float) -> None:
    findings = await simulated(seconds, 0.0, RUNS)
    assert findings["regressed"] + findings["improved"] <= 1
    assert findings["same"] >= 95


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", OPERATIONS)
@pytest.mark.parametrize(("slowdown", "found"), [(0.05, 80), (0.1, 99), (0.2, 100)])
async def test_a_planted_slowdown_is_found(seconds: float, slowdown: float, found: int) -> None:
    assert (await simulated(seconds, slowdown, RUNS))["regressed"] >= found


@pytest.mark.virtual_time
async def test_a_speed_up_is_an_improvement() -> None:
    findings = await simulated(50e-6, -0.1, 20)
    assert findings == {"improved": 20}


@pytest.mark.virtual_time
async def test_operations_that_wait_are_judged_by_the_clock_on_the_wall() -> None:
    machine = Machine(0)
    side = SimulatedSide("before", 1e-3, machine, waits=1)
    computes = replace(side, waits=0)
    metrics = [
        (await ab([Contest(name="operation", before=before, after=after)])).changes[0].metric
        for before, after in [(computes, computes), (side, side), (computes, side)]
    ]
    assert metrics == ["CPU time", "time", "time"]


@pytest.mark.virtual_time
async def test_noise_is_met_with_more_pairs_and_then_with_honesty() -> None:
    machine = Machine(1)
    noisy = SimulatedSide("before", 1e-3, machine, spread=0.2)
    seen: list[Change] = []
    result = await ab([Contest(name="operation", before=noisy, after=noisy)], progress=seen.append)
    (change,) = result.changes
    assert (change.finding, change.pairs, result.exit_code) == ("inconclusive", contest_room.MOST_PAIRS, 3)
    assert change.detectable is not None
    assert change.detectable > 0.1
    assert [each.pairs for each in seen] == list(range(2, contest_room.MOST_PAIRS + 1))


@pytest.mark.virtual_time
async def test_no_budget_still_gives_the_fewest_pairs_that_can_say_anything() -> None:
    noisy = SimulatedSide("before", 1e-3, Machine(1), spread=0.2)
    result = await ab([Contest(name="operation", before=noisy, after=noisy)], budget=0)
    assert result.changes[0].pairs == contest_room.FEWEST_PAIRS


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("pairs", "slowdown", "spread", "finding", "code"),
    [
        (2, 0.2, 0.01, "inconclusive", 3),  # sure as it looks, two pairs are too few
        (6, 0.2, 0.01, "regressed", 1),
        (6, 0.0, 0.01, "same", 3),  # two benchmarks were asked for and one came: no all-clear
        (9, 0.0, 0.2, "inconclusive", 3),
    ],
)
async def test_rounds_measured_until_ctrl_c_are_judged(
    pairs: int, slowdown: float, spread: float, finding: str, code: int
) -> None:
    stop = asyncio.Event()
    before = SimulatedSide("before", 1e-3, Machine(1), spread=spread)
    contest = Contest(name="operation", before=before, after=replace(before, seconds=1e-3 * (1 + slowdown)))

    def tell(change: Change) -> None:
        if change.pairs == pairs:
            stop.set()

    result = await ab([contest, replace(contest, name="another")], progress=tell, stop=stop)
    assert (result.interrupted, result.exit_code) == (True, code)
    (change,) = result.changes
    assert (change.pairs, change.finding) == (pairs, finding)
    assert result.unjudged == ("another: interrupted before its first pair of processes was measured",)
    assert "interrupted" in result.notes[0]


@pytest.mark.parametrize(("budget", "pairs"), [(0.0, 6), (3600.0, 30)])
async def test_an_unclear_comparison_ends_with_its_budget(budget: float, pairs: int) -> None:
    """After the fewest pairs at once; with time enough, after the most."""
    before = SimulatedSide("before", 1e-3, Machine(1), spread=0.3)
    contest = Contest(name="operation", before=before, after=replace(before, seconds=1.02e-3))
    (change,) = (await ab([contest], budget=budget)).changes
    assert (change.pairs, change.finding) == (pairs, "inconclusive")


async def test_nothing_to_compare_is_reported() -> None:
    with pytest.raises(InputError, match="give at least one contest"):
        await ab([])
