"""Sweeps: the front keeps every cell that no other surely beats, and the recommendation surely meets its objective."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aembed import bench
from aembed.bench.model.objectives import Goal
from aembed.bench.model.result import Report
from aembed.bench.model.sweep import SweepCell
from aembed.bench.report import charts, headlines, html, sections
from aembed.bench.rows.columns import FAILED, NEVER, OK, UNFINISHED, Rows
from aembed.bench.sweep.blocks import Block, closed_block, open_block, percentile, throughput
from aembed.bench.sweep.front import Point, ValueRange, beaten, beats, best, may_beat, surely_beats, unsettled
from aembed.bench.sweep.grid import grid
from aembed.bench.sweep.verdict import MeasuredCell, Question, found_in
from tests.bench.lanes import FREE, Lanes, scenario
from tests.bench.sweeps import BLOCK_S, random_law, score, swept, true_front

SPANS = st.tuples(*[st.floats(0.1, 100)] * 3).map(lambda ends: ValueRange(*sorted(ends)))
POINTS = st.builds(Point, SPANS, SPANS)


def exact(rate: float, latency: float, objective: Any = None) -> Point:
    return Point(ValueRange(rate, rate, rate), ValueRange(latency, latency, latency), objective)


def test_truth_the_front_contains_the_true_one() -> None:
    """Servers at random, blocks that drift by 2 %. ``nox -s truth`` has many more of them."""
    found = score(range(12))
    assert found.contained == 1.0
    assert found.broken == 0.0
    assert found.optimal >= 0.9


def test_truth_intervals_cover() -> None:
    law, dice, cell = Lanes(), np.random.default_rng(6), (8, 16)
    rate, latency = law.true(*cell)
    of_rate = of_latency = 0
    for _ in range(300):
        blocks = [law.block(*cell, BLOCK_S, dice) for _ in range(6)]
        found, p95 = throughput(blocks), percentile(blocks, 0.95)
        of_rate += (found.low or 0) <= rate <= (found.high or 0)
        of_latency += (p95.low or 0) <= latency <= (p95.high or math.inf)
    assert min(of_rate, of_latency) >= 0.93 * 300


def test_all_the_time_is_used_only_where_the_front_is_open() -> None:
    laws = [random_law(seed) for seed in range(8)]
    for number, (law, limit) in enumerate(laws):
        found, used = swept(law, limit, number)
        undecided = any(cell.undecided or cell.objective == "inconclusive" for cell in found.cells)
        assert used <= 1
        assert undecided or used < 1
        assert min(cell.blocks for cell in found.cells) >= 4
        if not undecided:
            assert {tuple(cell.parameters.values()) for cell in found.cells if cell.state == "front"} == true_front(law)


@given(st.lists(POINTS, min_size=1, max_size=8), st.sampled_from([0.0, 0.05, 0.5]))
def test_a_front_is_never_empty_and_sure_is_possible(points: Sequence[Point], margin: float) -> None:
    found = beaten(points, margin)
    assert None in found
    assert unsettled(points, margin) <= set(range(len(points)))
    for one in points:
        for other in points:
            assert not surely_beats(one, other, margin) or may_beat(one, other, margin)
    leader = best(points, margin)
    assert leader is None


def test_points_that_beat_others() -> None:
    assert beats(100, 1.0, 100, 2.0, 0.05), "as fast, and quicker"
    assert beats(98, 1.0, 100, 2.0, 0.05), "two percent fewer do not count"
    assert not beats(90, 1.0, 100, 2.0, 0.05), "a trade"
    assert not beats(100, 1.0, 101, 1.01, 0.05), "equal, as far as it counts"
    points = [exact(100, 1.0, "kept"), exact(200, 2.0, "kept"), exact(150, 3.0, "kept"), exact(400, 9.0, "broken")]
    assert beaten(points, 0.05) == [None, None, 1, None]
    assert best(points, 0.05) == 1
    assert unsettled(points, 0.05) == set()


def test_an_open_objective_needs_blocks_if_it_could_be_the_best() -> None:
    slow, fast = exact(100, 1.0, "kept"), Point(ValueRange(300, 320, 340), ValueRange(1.5, 2.0, 2.5), "inconclusive")
    assert unsettled([slow, fast], 0.05) == {1}
    assert unsettled([exact(400, 1.4, "kept"), fast], 0.05) == set()


def rows(*served: tuple[float, float, int]) -> Rows:
    """Rows of (intended, done, outcome)."""
    intended = np.array([round(a * 1e9) for a, _, _ in served])
    done = np.array([NEVER if b < 0 else round(b * 1e9) for _, b, _ in served])
    return Rows(intended=intended, started=intended, done=done, outcome=np.array([o for _, _, o in served]))


def test_a_closed_block_counts_the_time_of_its_users() -> None:
    """Two users of 0.4 s each: five answers per second, wherever the block of 1 s ends."""
    served = [(0.4 * i, 0.4 * (i + 1), OK) for i in range(3) for _ in range(2)]
    block = closed_block(rows(*served), 2, 1.0)
    assert block.rate == pytest.approx(2 / 0.4)
    assert block.response.tolist() == pytest.approx([0.4] * 4)
    failed = closed_block(rows((0, 0.4, OK), (0.4, 0.8, FAILED), (0.8, -1, UNFINISHED)), 1, 1.0)
    assert failed.rate == 0
    assert failed.failed == 2


def test_an_open_block_counts_requests_that_leave_it() -> None:
    served = [(0.1 * i, 0.1 * i + 0.25, OK) for i in range(10)]
    block = open_block(rows(*served), 1.0)
    assert len(block.response) == 8
    assert block.rate == pytest.approx(8 / 0.8), "those done after 0.2 s and within the second"


def test_a_percentile_among_the_failed_has_no_value() -> None:
    blocks = [Block(1.0, np.array([0.1, 0.2, math.inf]))] * 3
    assert percentile(blocks, 0.95).value is None
    assert percentile(blocks, 0.5).value == 0.2
    assert percentile([Block(0.0, np.empty(0))], 0.5).value is None


@pytest.mark.virtual_time
async def test_a_sweep_finds_the_best_cell() -> None:
    report = await bench.sweep(
        scenario(FREE, documents=[1, 32]), over={"users": (1, 4, 16)}, items="documents", slo="p95=250ms", duration=100
    )
    assert report.sweep is not None
    assert report.verdict.state == "ok"
    front = {tuple(cell.parameters.values()): cell for cell in report.sweep.cells if cell.state == "front"}
    true = {(32, 4), (1, 4)}
    assert true <= set(front)
    assert all(cell.undecided for place, cell in front.items() if place not in true)
    chosen = report.sweep.cells[report.sweep.best or 0]
    assert chosen.parameters == {"documents": 32, "users": 4}
    assert chosen.throughput is not None
    assert chosen.throughput.value == pytest.approx(FREE.true(32, 4)[0], rel=0.05)
    said = headlines.headline(report)
    assert said.startswith("32 texts, 4 users: 1,5")
    assert said.endswith("nothing tested is surely better")
    assert report.objectives[0].state == "kept"
    assert bench.reports_from_json(bench.reports_to_json([report])) == (report,)
    _shown(report)


def _shown(report: Report) -> None:
    assert report.sweep is not None
    (table,) = [table for table in sections.tables(report) if table.title == "Throughput against latency"]
    assert len(table.rows) == len(report.sweep.cells)
    (chart,) = charts.charts(report)
    assert "objective" in chart.svg
    assert headlines.headline(report) in html([report])


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("slo", "state", "said"),
    [
        ("p95=1ms", "over budget", "nothing tested meets p95 at most 1.00 ms; the lowest is "),
        ((), "ok", "nothing tested is surely better than "),
    ],
)
async def test_the_recommendation_says_when_there_is_none(slo: Any, state: str, said: str) -> None:
    report = await bench.sweep(scenario(FREE, documents=[1]), over={"users": (1, 4)}, duration=40, slo=slo)
    assert report.verdict.state == state
    assert headlines.headline(report).startswith(said)


@pytest.mark.virtual_time
async def test_a_sweep_that_ends_before_two_blocks_of_a_cell_recommends_nothing() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(3, stop.set)
    cells = {"users": (1, 4)}
    report = await bench.sweep(scenario(FREE, documents=[1]), over=cells, duration=40, slo="p95=1s", stop=stop)
    assert report.verdict.reasons == ("no cell had two blocks: run longer",)
    assert headlines.headline(report) == "no cell could be measured"


@pytest.mark.virtual_time
async def test_a_seed_repeats_a_sweep() -> None:
    over = {"users": (1, 2)}
    first, again = [
        await bench.sweep(scenario(FREE, documents=[1]), over=over, block_s=0.5, duration=5, seed=4) for _ in "12"
    ]
    assert first.sweep is not None
    assert again.sweep is not None
    for one, other in zip(first.sweep.cells, again.sweep.cells, strict=True):
        assert (one.parameters, one.blocks, one.requests) == (other.parameters, other.blocks, other.requests)


@pytest.mark.virtual_time
async def test_progress_names_the_cell_and_is_that_of_the_whole() -> None:
    seen: list[bench.Progress] = []
    subject = scenario(FREE, documents=[1, 8])
    await bench.sweep(subject, over={"users": (1, 4)}, block_s=2, duration=40, progress=seen.append)
    assert {now.part for now in seen} == {"1 text, 1 user", "1 text, 4 users", "8 texts, 1 user", "8 texts, 4 users"}
    assert {now.seconds for now in seen} == {40.0}
    assert [now.elapsed for now in seen] == sorted(now.elapsed for now in seen)


@pytest.mark.virtual_time
async def test_rates_are_swept_in_an_open_loop() -> None:
    async def call() -> None:
        await anyio.sleep(0.01)

    report = await bench.sweep(call, over={"rate": (20, 50.0)}, block_s=1, slo="p95=50ms")
    assert report.sweep is not None
    assert [cell.state for cell in report.sweep.cells] == ["front", "beaten"], "equally quick, and 20/s is less"
    assert headlines.headline(report).startswith("50.0/s: 49.8 requests/s at p95 10.0 ms")
    assert report.sweep.items == "requests"


@pytest.mark.virtual_time
async def test_a_cell_that_fails_is_on_no_front() -> None:
    dice = random.Random(1)

    @bench.scenario(failing=[0.0, 0.5])
    async def flaky(case: bench.Case) -> None:
        await anyio.sleep(0.01)
        if dice.random() < case.failing:
            raise OSError

    report = await bench.sweep(flaky, over={"users": (2,)}, block_s=1, slo="p95=1s")
    assert report.sweep is not None
    assert [cell.state for cell in report.sweep.cells] == ["front", "failed"]
    assert report.sweep.cells[1].errors == pytest.approx(0.5, abs=0.1)
    only = await bench.sweep(flaky, over={"failing": (0.5, 0.6)}, block_s=1)
    assert only.verdict.state == "failed"


@pytest.mark.virtual_time
async def test_ctrl_c_reports_the_finished_cells() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(19, stop.set)
    report = await bench.sweep(scenario(FREE, documents=[1, 8, 32]), over={"users": (1, 4)}, stop=stop, seed=1)
    assert report.interrupted
    assert report.sweep is not None
    states = {cell.state for cell in report.sweep.cells}
    assert "not measured" in states
    assert {"front", "beaten"} & states


@pytest.mark.virtual_time
async def test_a_cell_too_slow_for_its_blocks_says_so() -> None:
    async def call() -> None:
        await anyio.sleep(3)

    report = await bench.sweep(call, over={"users": (1, 2)}, block_s=1)
    assert report.sweep is not None
    assert {cell.state for cell in report.sweep.cells} == {"failed"}
    assert "no request but the first of each user" in report.sweep.cells[0].reason


def _cell(responses: Sequence[NDArray[np.float64]], goal: Goal | None) -> SweepCell:
    _, (cell, _) = grid(_at_once, {"users": [1, 2]})
    measured = MeasuredCell(cell, [Block(100.0, response) for response in responses])
    question = Question(q=0.95, goal=goal, most_errors=0.01, margin=0.05, items=None)
    (found,) = found_in([measured], question, {"users": (1,)}, 2.0).cells
    return found


async def _at_once() -> None: ...


def test_a_cell_whose_interval_has_no_upper_end_is_not_kept() -> None:
    """Two blocks, as after Ctrl-C, none of whose many requests is late: their spread reaches beyond all of them."""
    blocks = [np.linspace(0.001, 0.02, 5000), np.linspace(0.001, 0.01, 5000)]
    found = _cell(blocks, Goal(metric="p95", limit=0.05))
    assert found.latency is not None
    assert found.latency.high is None
    assert found.objective == "inconclusive"


def test_a_cell_fails_only_if_too_many_requests_surely_do() -> None:
    block = np.full(100, 0.01)
    unlucky = [np.where(np.arange(100) < failed, np.inf, block) for failed in (2, 2, 2, 0)]
    goal = Goal(metric="p95", limit=0.05)
    assert (_cell(unlucky, goal).state, _cell(unlucky, goal).objective) == ("front", "inconclusive")
    failing = [np.where(np.arange(100) < 20, np.inf, block)] * 4
    assert (_cell(failing, goal).state, _cell(failing, goal).objective) == ("failed", "broken")
