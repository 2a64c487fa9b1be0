"""Side by side in turns: equals tie, a slower subject is found, and drift of the machine fools neither verdict."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from aembed import InputError, bench
from aembed.bench.compare.rounds import ALPHA, compared, detectable, finite, orders, ranks
from aembed.bench.compare.versus import _verdict
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Verdict
from aembed.bench.model.versus import PairOfSides, Versus
from aembed.bench.report import headlines, sections, side_by_side
from aembed.bench.report.charts import charts
from tests.bench.reports import report

NAMES = ("one", "two", "slow")
TRUE = (1.0, 1.0, 1.1)
"""Two equal servers, and one that takes 10 % longer."""
ROUNDS, REQUESTS = 30, 60
"""The defaults: 90 s for each side, in blocks of 3 s at 20 requests/s."""


def p50(dice: np.random.Generator, side: int, at: float) -> float:
    """The median of one block at ``at`` of the run, in which everything becomes half as slow again."""
    times = np.exp(dice.normal(0, 0.4, REQUESTS)) * TRUE[side] * (1 + 0.5 * at)
    return float(np.median(times))


def in_turns(dice: np.random.Generator) -> list[list[float]]:
    turns, found = orders(3), []
    for number in range(ROUNDS):
        row = [0.0] * 3
        for place, side in enumerate(turns[number % len(turns)]):
            row[side] = p50(dice, side, (3 * number + place) / (3 * ROUNDS))
        found.append(row)
    return found


def one_after_the_other(dice: np.random.Generator) -> list[list[float]]:
    columns = [[p50(dice, side, (side * ROUNDS + i) / (3 * ROUNDS)) for i in range(ROUNDS)] for side in range(3)]
    return [list(row) for row in zip(*columns, strict=True)]


def is_right(rounds: list[list[float]]) -> tuple[bool, bool]:
    """The equal ones tie; the slow one is found against both."""
    found = {(pair.first, pair.second): pair.order for pair in compared(NAMES, rounds)}
    slow = {found["one", "slow"], found["two", "slow"]}
    return found["one", "two"] == "tied", slow == {"faster"}


def test_truth_turns_are_right_under_drift() -> None:
    """300 runs: equal servers tie, and the one that is 10 % slower is found, in 95 % of them or more."""
    dice = np.random.default_rng(1)
    assert sum(all(is_right(in_turns(dice))) for _ in range(300)) >= 285


def test_truth_runs_one_after_the_other_are_fooled() -> None:
    dice = np.random.default_rng(2)
    tied, _ = zip(*(is_right(one_after_the_other(dice)) for _ in range(100)), strict=True)
    assert sum(tied) <= 5


@pytest.mark.parametrize("sides", range(2, 7))
def test_each_follows_each_other_equally_often(sides: int) -> None:
    rows = orders(sides)
    assert all(sorted(row) == list(range(sides)) for row in rows)
    follows = [pair for row in rows for pair in itertools.pairwise(row)]
    times = {follows.count(pair) for pair in itertools.permutations(range(sides), 2)}
    assert times == {len(follows) // sides // (sides - 1)}


def test_ties_share_a_rank() -> None:
    rounds = [[1.0 + 0.01 * (i % 3), 1.01 + 0.01 * ((i + 1) % 3), 2.0 + 0.01 * (i % 2)] for i in range(9)]
    pairs = compared(NAMES, rounds)
    assert ranks(NAMES, pairs) == {"one": 1, "two": 1, "slow": 3}
    assert pairs[1].change.value == pytest.approx(1.0, abs=0.05)


def test_a_side_that_fails_is_slower_than_any() -> None:
    rounds = finite([[1.0 + 0.01 * i, math.inf] for i in range(8)])
    assert compared(("good", "bad"), rounds)[0].order == "faster"
    assert finite([[math.inf, math.inf]]) == ((100.0, 100.0),)


def test_the_detectable_change_shrinks_with_rounds() -> None:
    dice = np.random.default_rng(3)
    rounds: NDArray[np.float64] = np.exp(dice.normal(0, 0.05, (40, 3)))
    few, many = detectable(rounds[:10].tolist()), detectable(rounds.tolist())
    assert few is not None
    assert many is not None
    assert 0 < many < few


def test_too_few_requests_are_called_so() -> None:
    """With the time that would be enough: four times as long sees half the difference."""
    pair = PairOfSides(first="a", second="b", change=Estimate(value=0.05), order="tied", p_value=0.3)
    found = Versus(by="p50", rounds=10, block_s=3.0, standings=(), pairs=(pair,), samples=((1.0, 1.0),), detectable=0.2)
    _, few = side_by_side.versus(found)
    assert few.note.startswith(f"all intervals hold in {100 * (1 - ALPHA):.0f} of 100 runs; a difference of +20.0 %")
    assert "would be seen in 4 of 5: too few requests to see +10.0 %" in few.note
    assert few.note.endswith("about 120 s for each")
    _, enough = side_by_side.versus(replace(found, detectable=0.08))
    assert "too few" not in enough.note


@pytest.mark.parametrize("spread", [0.1, 0.4, 1.0])
def test_an_interval_and_its_decision_agree(spread: float) -> None:
    dice = np.random.default_rng(4)
    for _ in range(100):
        rounds = np.exp(dice.normal([0, 0.2, 0.3], spread, (10, 3))).tolist()
        for pair in compared(NAMES, rounds):
            assert pair.change.low is not None
            assert pair.change.high is not None
            assert (pair.order == "tied") == (pair.change.low <= 0 <= pair.change.high)


def server(mean: float, asked: list[float]) -> Callable[[float], Awaitable[None]]:
    """Slower with time, as all of them."""
    dice = random.Random(mean)

    async def call(argument: float) -> None:
        asked.append(argument)
        await anyio.sleep(mean * dice.lognormvariate(0, 0.3) * (1 + anyio.current_time() / 600))

    return call


@pytest.mark.virtual_time
async def test_sides_take_turns_with_the_same_requests() -> None:
    asked: dict[str, list[float]] = {name: [] for name in NAMES}
    subjects = {
        name: bench.Subject(server(0.02 * share, asked[name]), requests=bench.integers(1, 10**9))
        for name, share in zip(NAMES, (1.0, 1.0, 1.5), strict=True)
    }
    whole, *sides = await bench.versus(
        subjects, arrivals=bench.poisson(20), duration=60, block_s=3, seed=5, slo="p95=10s"
    )
    assert asked["one"] == asked["two"] == asked["slow"]
    assert len(asked["one"]) == 21 * 60
    assert whole.versus is not None
    assert [(standing.name, standing.rank) for standing in whole.versus.standings][2] == ("slow", 3)
    assert {standing.rank for standing in whole.versus.standings[:2]} == {1}
    assert [side.traffic and side.traffic.offered for side in sides] == [20 * 60] * 3
    assert [side.objectives[0].state for side in sides] == ["kept"] * 3
    assert [made.name for made in (whole, *sides)] == ["one versus two versus slow", *NAMES]
    assert whole.verdict.state == "ok"
    assert "are tied by p50" in headlines.headline(whole)
    assert [table.title for table in sections.tables(whole)][:2] == ["Side by side", "Differences"]
    assert [chart.title for chart in charts(whole)] == ["Round by round", "Differences"]
    (again,) = bench.reports_from_json(bench.reports_to_json([whole]))
    assert again == whole
    (table,) = [table for table in sections.tables(whole) if table.title == "Side by side"]
    assert table.columns == ("rank", "what", "p50", "p95", "good", "errors")


@pytest.mark.virtual_time
async def test_progress_is_that_of_all_rounds_and_sides() -> None:
    """Six rounds and one to warm up, of two sides, each in blocks of three seconds."""
    seen: list[bench.Progress] = []
    subjects = {name: bench.Subject(lambda: anyio.sleep(0.01)) for name in ("one", "two")}
    await bench.versus(subjects, arrivals=bench.constant(10), duration=18, block_s=3, progress=seen.append)
    assert {now.seconds for now in seen} == {42.0}
    blocks = {now.elapsed // 3: now.part for now in seen}
    assert [blocks[number] for number in range(4)] == ["one", "two", "two", "one"]
    elapsed = [now.elapsed for now in seen]
    assert elapsed == sorted(elapsed)
    assert all(any(abs(each - whole) < 1.5 for each in elapsed) for whole in range(3, 42, 3))
    assert 39.0 < elapsed[-1] <= 43.0


@pytest.mark.virtual_time
async def test_nothing_is_decided_by_a_run_that_was_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return Verdict(state="invalid", reasons=("the machine stopped",)), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)
    subjects = {"fast": bench.Subject(lambda: anyio.sleep(0.01)), "slow": bench.Subject(lambda: anyio.sleep(0.1))}
    whole, *_ = await bench.versus(subjects, arrivals=bench.constant(10), duration=18, block_s=3)
    assert whole.versus is not None
    assert [standing.rank for standing in whole.versus.standings] == [1, 1]
    (table,) = [table for table in sections.tables(whole) if table.heading == "INVALID: Differences"]
    assert [row[2] for row in table.rows] == ["not judged"]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"duration": 5.0}, "5 s is too short for 6 blocks of 3 s per side; make it 18 s or longer"),
        ({"by": "mean"}, "by='mean' must be one of p50, p90, p95"),
    ],
)
async def test_sides_that_cannot_be_compared_are_named(given: dict[str, float | str], problem: str) -> None:
    subjects = {name: bench.Subject(lambda: anyio.sleep(0.01)) for name in NAMES}
    with pytest.raises(InputError, match=problem):
        await bench.versus(subjects, arrivals=bench.constant(10), **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="versus compares two subjects or more, got 1"):
        await bench.versus({"one": subjects["one"]}, arrivals=bench.constant(10))


@pytest.mark.virtual_time
@pytest.mark.parametrize(("seconds", "sides", "judged"), [(3, 0, False), (20, 2, False), (60, 2, True)])
async def test_the_blocks_measured_until_ctrl_c_are_reported(seconds: float, sides: int, judged: bool) -> None:
    """Too few rounds are no comparison, but the report shows each side as far as measured."""
    stop = asyncio.Event()
    subjects = {name: bench.Subject(server(0.02, []), requests=bench.integers(1, 9)) for name in ("one", "two")}
    asyncio.get_running_loop().call_later(seconds, stop.set)
    options: bench.RunOptions = {"stop": stop, "name": "mine"}
    whole, *measured = await bench.versus(subjects, arrivals=bench.poisson(20), duration=60, block_s=3, **options)
    assert (whole.interrupted, len(measured), whole.name) == (True, sides, "mine")
    assert (whole.versus is not None) == judged
    assert judged or whole.verdict.state == "inconclusive"
    assert judged or headlines.headline(whole) == "nothing was decided"


def test_a_comparison_is_invalid_where_a_side_is_and_names_each() -> None:
    bad = Verdict(state="invalid", reasons=("the machine stopped", "and more"))
    sides = [report("a"), report("b", verdict=bad), report("c", verdict=bad)]
    verdict = _verdict(sides)
    assert (verdict.state, verdict.reasons) == ("invalid", ("b: the machine stopped", "c: the machine stopped"))
    assert _verdict(sides[:1]).state == "ok"


def test_the_detectable_change_is_that_of_a_paired_t_test() -> None:
    """Seen in 80 of 100 runs, at a level that three pairs share."""
    logs = np.random.default_rng(3).normal(0, 0.1, (8, 3))
    spread = max(float(np.std(logs[:, b] - logs[:, a], ddof=1)) for a, b in itertools.combinations(range(3), 2))
    quantiles = student.ppf(1 - ALPHA / 2 / 3, 7) + student.ppf(0.8, 7)
    assert detectable(np.exp(logs).tolist()) == pytest.approx(math.expm1(quantiles * spread / math.sqrt(8)))
