"""Decisions of a sweep from invented blocks: who gets the next one, who beats whom, and what the verdict says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from aembed import InputError
from aembed.bench.model.estimates import Percentile
from aembed.bench.model.objectives import Goal
from aembed.bench.model.sweep import SweepCell
from aembed.bench.settings import RunSettings
from aembed.bench.sweep.blocks import Block, slower
from aembed.bench.sweep.front import Point, ValueRange, beats, best, unsettled
from aembed.bench.sweep.grid import Cell, grid
from aembed.bench.sweep.rounds import has_had_its_share, next_round
from aembed.bench.sweep.sweep import _notes, sweep_seconds
from aembed.bench.sweep.verdict import MeasuredCell, Question, found_in, verdict_on
from tests.bench.lanes import FREE, scenario
from tests.bench.test_tables_of_sides import cell, swept

GOAL = Goal(metric="p95", limit=0.25)


def exact(value: float) -> ValueRange:
    return ValueRange(value, value, value)


@pytest.mark.parametrize(
    ("rate", "latency", "than_rate", "than_latency", "found"),
    [
        (100, 1.0, 150, 2.0, True),
        (100, 1.0, 151, 2.0, False),
        (300, 1.5, 100, 1.0, True),
        (300, 1.6, 100, 1.0, False),
        (150, 1.0, 100, 1.0, False),
        (151, 1.0, 100, 1.0, True),
        (100, 1.0, 100, 1.5, False),
        (100, 1.0, 100, 1.6, True),
    ],
)
def test_a_margin_of_one_half_is_half_as_much_again(
    rate: float, latency: float, than_rate: float, than_latency: float, found: bool
) -> None:
    assert beats(rate, latency, than_rate, than_latency, 0.5) is found


def test_an_open_objective_matters_only_beyond_the_best_and_on_the_front() -> None:
    kept = Point(exact(100), exact(1.0), "kept")
    as_fast, faster = Point(exact(100), exact(0.9), "inconclusive"), Point(exact(101), exact(1.0), "inconclusive")
    assert unsettled([kept, as_fast], 0.05) == set()
    assert unsettled([kept, faster], 0.05) == {1}
    assert unsettled([faster, Point(exact(200), exact(0.5), "broken")], 0.05) == set(), "the first is surely beaten"
    assert best([Point(exact(50), exact(3.0), "kept"), Point(exact(200), exact(0.5), "broken")], 0.05) == 0


def measured(*blocks: Block, spoilt: Sequence[str] = (), which: int = 0) -> MeasuredCell:
    _, cells = grid(scenario(FREE, documents=[4, 8]), {})
    return MeasuredCell(cells[which], list(blocks), list(spoilt))


def block(rate: float, seconds: float, *, late: int = 0, failed: int = 0, count: int = 100) -> Block:
    response = np.full(count, seconds)
    response[:late] = 10.0
    response[late : late + failed] = np.inf
    return Block(rate, response)


def question(goal: Goal | None = GOAL, items: str | None = None) -> Question:
    return Question(q=0.95, goal=goal, most_errors=0.01, margin=0.05, items=items)


def test_every_cell_has_four_blocks_first_and_then_only_those_that_are_open() -> None:
    steady, slow = [block(100.0, 0.1)] * 4, [block(50.0, 0.2)] * 4
    new = measured(*steady[:3], which=1)
    assert next_round([measured(*steady), new], question(), random.Random(1)) == [new]
    decided = [measured(*steady), measured(*slow, which=1)]
    assert next_round(decided, question(), random.Random(1)) == []
    spoilt = measured(*steady[:3], spoilt=["stop"] * 4)
    assert next_round([spoilt, decided[0]], question(), random.Random(1)) == []
    fewer = measured(*steady[:3], spoilt=["stop"] * 3)
    assert next_round([fewer, decided[0]], question(), random.Random(1)) == [fewer]
    assert [has_had_its_share(each) for each in (measured(*steady[:3]), measured(*steady[:3], spoilt=["a"]))] == [
        False,
        True,
    ]


@pytest.mark.parametrize(("cells", "block_s", "found"), [(3, 2.0, (24.0, 60.0)), (2, 0.5, (4.0, 10.0))])
def test_a_cell_has_ten_blocks_on_average_unless_said(cells: int, block_s: float, found: tuple[float, float]) -> None:
    assert sweep_seconds(cells, block_s, None) == found
    assert sweep_seconds(cells, block_s, found[0]) == (found[0], found[0])
    with pytest.raises(InputError, match=f"make it {found[0]:g} s or longer"):
        sweep_seconds(cells, block_s, found[0] - 0.1)


def test_blocks_that_were_disturbed_are_a_note() -> None:
    assert _notes([measured(), measured()]) == ()
    assert _notes([measured(), measured(spoilt=["a stop"])]) == ("a block was disturbed and does not count: a stop",)
    many = _notes([measured(spoilt=["a stop"]), measured(spoilt=["b", "c"])])
    assert many == ("3 blocks were disturbed and do not count: a stop",)


def test_answers_count_in_the_items_that_are_asked_for() -> None:
    found = measured()
    found.add(block(10.0, 0.1), good=50, texts=200)
    assert (found.texts, found.blocks[0].rate, found.requests) == (True, 40.0, 100)
    found.add(block(10.0, 0.1, failed=3), good=0, texts=0)
    assert (found.blocks[1].rate, found.errors) == (0.0, 3 / 200)
    assert [each.rate for each in found.scaled(question(items="documents"))] == [160.0, 0.0]
    assert found.scaled(question()) is found.blocks
    assert measured().errors == 0.0


def asked(**options: Any) -> Question:
    margin, items = options.pop("margin", 0.05), options.pop("items", None)
    _, cells = grid(scenario(FREE, documents=[4, 8]), {})
    return Question.of(RunSettings(**options), margin, items, cells)


def test_what_is_asked_follows_from_the_objectives() -> None:
    assert asked() == Question(0.95, None, asked().most_errors, 0.05, None)
    assert asked().most_errors == pytest.approx(0.01)
    goal = Goal(metric="p99", limit=1.0)
    found = asked(slo="p99=1s", margin=0.0, items="documents")
    assert found == Question(0.99, goal, asked().most_errors, 0.0, "documents")
    assert asked(slo="errors=5%").most_errors == pytest.approx(0.05)
    for margin in (-0.1, 1.0):
        with pytest.raises(InputError, match="must be a share from 0 to below 1"):
            asked(margin=margin)


def swept_cells(*cells: MeasuredCell, goal: Goal | None = GOAL) -> tuple[Any, list[SweepCell]]:
    found = found_in(cells, question(goal), {"documents": (4, 8)}, 2.0)
    return found, list(found.cells)


def test_cells_are_ranked_the_fastest_first() -> None:
    slow, fast = [block(50.0, 0.2)] * 4, [block(100.0, 0.1, count=200)] * 3
    found, (first, second) = swept_cells(measured(*slow), measured(*fast, which=1))
    assert (found.best, found.items, found.block_s, found.margin) == (0, "requests", 2.0, 0.05)
    assert (first.parameters["documents"], first.state, first.blocks, first.requests) == (8, "front", 3, 600)
    assert (first.objective, first.undecided, first.reason) == ("kept", False, "")
    assert (second.state, second.beaten_by) == ("beaten", first.parameters)
    found, cells = swept_cells(measured(*fast), measured(*fast[:1], which=1), goal=None)
    assert [each.state for each in cells] == ["front", "not measured"]
    assert (cells[1].reason, cells[1].blocks, cells[1].requests) == (
        "interrupted before two of its blocks were measured",
        1,
        200,
    )
    assert (found.best, cells[0].objective) == (None, None)
    _, (spoilt,) = swept_cells(measured(*fast[:1], spoilt=["a stop", "another"]))
    assert (spoilt.state, spoilt.reason) == ("invalid", "a stop")


def test_texts_are_the_unit_where_every_subject_counts_them() -> None:
    fast = [block(100.0, 0.1)] * 4
    both = measured(*fast), measured(*fast, which=1)
    both[0].texts = True
    assert swept_cells(*both)[0].items == "requests"
    both[1].texts = True
    assert swept_cells(*both)[0].items == "texts"
    assert swept_cells(measured())[0].items == "requests"


def test_late_requests_are_those_beyond_the_limit() -> None:
    found = slower([block(1.0, 0.25, late=3, failed=2), block(1.0, 0.25)], 0.25)
    assert (found.bad, found.count) == (5, 200)


def verdict(*cells: SweepCell, goal: Goal | None = GOAL, best: int | None = None) -> tuple[str, tuple[str, ...]]:
    found, _ = verdict_on(swept(*cells, goal=goal, best=best).sweep)
    return found.state, found.reasons


def test_the_verdict_is_that_of_the_cell_that_decides() -> None:
    kept, broken = cell(1, 100.0, 0.1, objective="kept"), cell(2, 200.0, 0.5, objective="broken")
    found, (judgement,) = verdict_on(swept(broken, kept, goal=GOAL, best=1).sweep)
    assert (found.state, judgement.state, judgement.value) == ("ok", "kept", 0.1)
    assert (judgement.low, judgement.high) == (0.05, 0.2)
    closest = "p95 at most 250 ms"
    lower = cell(3, 90.0, 0.4, objective="broken", state="beaten")
    failed = cell(4, 80.0, 0.3, objective="broken", state="failed")
    found, (judgement,) = verdict_on(swept(broken, lower, failed, goal=GOAL).sweep)
    assert (found.state, judgement.state, judgement.value) == ("over budget", "broken", 0.4)
    assert (judgement.low, judgement.high) == (0.25, 0.8)
    assert found.reasons == (
        f"no cell meets the objective: 400 ms (200 to 800 ms) at users=3 is the closest to {closest}",
    )
    unsure = cell(5, 70.0, 0.6, objective="inconclusive")
    state, (reason,) = verdict(broken, lower, unsure, goal=GOAL)
    assert state == "inconclusive"
    assert reason.startswith("no cell surely meets the objective: 600 ms (300 ms to 1.20 s) at users=5 is the closest")
    assert verdict(broken, goal=None) == ("ok", ())


@pytest.mark.parametrize(
    ("cells", "state", "reasons"),
    [
        ([cell(1, state="not measured", reason="early")], "inconclusive", ("no cell had two blocks: run longer",)),
        (
            [
                cell(1, state="not measured"),
                cell(2, state="failed", reason="why"),
                cell(3, state="invalid", reason="b"),
            ],
            "failed",
            ("too many requests failed in every cell that was measured", "why"),
        ),
        ([cell(1, state="not measured"), cell(2, state="invalid", reason="a stop")], "invalid", ("a stop",)),
        ([], "inconclusive", ()),
    ],
)
def test_without_a_cell_there_is_a_reason(cells: list[SweepCell], state: str, reasons: tuple[str, ...]) -> None:
    assert verdict(*cells) == (state, reasons)


def test_a_value_that_was_not_measured_is_beyond_all() -> None:
    unknown = ValueRange.of(Percentile(q=0.95, value=None))
    assert (unknown.low, unknown.value, unknown.high) == (0.0, float("inf"), float("inf"))


def test_the_subject_of_a_cell_is_its_parameters_without_the_load() -> None:
    target = scenario(FREE, documents=[4])
    assert Cell(target, {"documents": 4, "users": 2, "rate": 3.0}, 2, None).subject == (4,)
