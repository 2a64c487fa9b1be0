"""Tables and headlines of sweeps and of sides in turns, from invented parts, word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import Goal
from aembed.bench.model.sweep import Sweep, SweepCell
from aembed.bench.model.versus import PairOfSides, Standing, Versus
from aembed.bench.report import headlines, sections
from tests.bench.reports import around, report
from tests.bench.tables import note, rows

TITLE = "Throughput against latency"


def cell(users: int, rate: float | None = None, p95: float | None = None, **parts: Any) -> SweepCell:
    latency = None if p95 is None else Percentile(q=0.95, value=p95, low=p95 / 2, high=p95 * 2)
    throughput = None if rate is None else around(rate)
    given: dict[str, Any] = {"state": "front", "blocks": 4, **parts}
    return SweepCell(parameters={"users": users}, throughput=throughput, latency=latency, **given)


def swept(*cells: SweepCell, goal: Goal | None = None, best: int | None = None) -> Any:
    found = Sweep(
        over={"users": (1, 2)}, items="texts", q=0.95, goal=goal, cells=cells, best=best, block_s=2.0, margin=0.05
    )
    return replace(report(), mode="sweep", sweep=found)


GOAL = Goal(metric="p95", limit=0.25)


def test_cells_say_why_they_are_on_the_front_or_not() -> None:
    made = swept(
        cell(1, 100.0, 0.1),
        cell(2, 200.0, 0.2, undecided=True),
        cell(3, 90.0, 0.3, state="beaten"),
        cell(4, 80.0, 0.4, state="beaten", beaten_by={"users": 1}),
        cell(5, state="failed", reason="no request"),
        cell(6, state="failed", errors=0.5),
        cell(7, state="invalid"),
        cell(8, state="not measured"),
    )
    assert rows(made, TITLE) == [
        ("1 user", "100/s (99.0 to 101/s)", "100 ms (50.0 to 200 ms)", "front"),
        ("2 users", "200/s (198 to 202/s)", "200 ms (100 to 400 ms)", "front?"),
        ("3 users", "90.0/s (89.1 to 90.9/s)", "300 ms (150 to 600 ms)", "beaten"),
        ("4 users", "80.0/s (79.2 to 80.8/s)", "400 ms (200 to 800 ms)", "beaten by 1 user"),
        ("5 users", "-", "-", "failed: no request"),
        ("6 users", "-", "-", "failed: 50.0 % errors"),
        ("7 users", "-", "-", "INVALID"),
        ("8 users", "-", "-", "not measured"),
    ]
    (table,) = [found for found in sections.tables(made) if found.title == TITLE]
    assert table.columns == ("cell", "texts (95 % interval)", "p95 (95 % interval)", "place")
    assert "surely better by more than 5.00 %" in table.note
    assert table.note.endswith("Blocks of 2.00 s in random order")


def test_objectives_of_cells_have_their_column() -> None:
    made = swept(
        cell(1, 100.0, 0.1, objective="kept"), cell(2, 200.0, 0.2, objective="inconclusive"), cell(3), goal=GOAL
    )
    (table,) = [found for found in sections.tables(made) if found.title == TITLE]
    assert table.columns == ("cell", "texts (95 % interval)", "p95 (95 % interval)", "objective", "place")
    assert [row[3] for row in table.rows] == ["kept", "open", "-"]


def test_a_recommendation_is_the_best_cell_and_those_that_may_be_better() -> None:
    kept = cell(1, 100.0, 0.1, objective="kept")
    faster, slower = cell(2, 200.0, 0.2, objective="inconclusive"), cell(3, 90.0, 0.2, objective="inconclusive")
    said = "1 user: 100 texts/s at p95 100 ms; nothing tested is surely better"
    assert headlines.headline(swept(faster, kept, slower, goal=GOAL, best=1)) == f"{said}; 2 users may be: run longer"
    assert headlines.headline(swept(kept, slower, goal=GOAL, best=0)) == said
    equal = cell(4, 100.0, 0.2, objective="inconclusive")
    beaten = replace(faster, state="beaten")
    assert headlines.headline(swept(kept, equal, beaten, goal=GOAL, best=0)) == said


def test_without_a_best_cell_the_lowest_is_named() -> None:
    broken = cell(1, 100.0, 0.5, objective="broken"), cell(2, 200.0, 0.4, objective="broken"), cell(3)
    lowest = "the lowest is 400 ms (200 to 800 ms), with 2 users"
    limit = "p95 at most 250 ms"
    assert headlines.headline(swept(*broken, goal=GOAL)) == f"nothing tested meets {limit}; {lowest}"
    unsure = swept(*broken, cell(4, 90.0, 0.6, objective="inconclusive"), goal=GOAL)
    assert headlines.headline(unsure) == f"nothing tested surely meets {limit}; {lowest}"
    failed = replace(broken[0], latency=Percentile(q=0.95, value=None))
    assert headlines.headline(swept(failed, goal=GOAL)) == f"nothing tested meets {limit}"
    assert headlines.headline(swept(cell(1), goal=GOAL)) == "no cell could be measured"


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (1, "1 user"),
        (2, "1 user and 2 users"),
        (3, "1 user; 2 users and 3 users"),
        (5, "1 user; 2 users; 3 users and 2 others"),
    ],
)
def test_without_an_objective_three_cells_of_the_front_are_named(cells: int, named: str) -> None:
    made = swept(*(cell(users, 100.0, 0.1) for users in range(1, cells + 1)), cell(9, 1.0, 9.0, state="beaten"))
    said = f"nothing tested is surely better than {named}; an objective such as p95=200ms chooses one of them"
    assert headlines.headline(made) == said


def standing(name: str, rank: int, **parts: Any) -> Standing:
    given: dict[str, Any] = {"p50": 0.01, "p95": 0.02, "texts_rate": None, "cost_per_million": None, **parts}
    return Standing(name=name, rank=rank, good_rate=20.0, errors=0.005, **given)


def against(*standings: Standing, detectable: float | None = 0.2) -> Any:
    change = Estimate(value=0.1, low=0.05, high=0.15)
    orders: tuple[Any, ...] = ("faster", "slower", "tied", "not judged")
    pairs = tuple(PairOfSides(first="a", second="b", change=change, order=order, p_value=0.1) for order in orders)
    found = Versus(
        by="p50",
        rounds=10,
        block_s=3.0,
        standings=standings,
        pairs=pairs,
        samples=((1.0, 1.0),),
        detectable=detectable,
    )
    return replace(report(), mode="versus", versus=found)


def test_sides_stand_beside_each_other_in_the_columns_that_are_known() -> None:
    plain = against(standing("a", 1), standing("b", 2, p50=None, p95=None))
    assert rows(plain, "Side by side") == [
        ("1", "a", "10.0 ms", "20.0 ms", "20.0/s", "0.500 %"),
        ("2", "b", "beyond what was measured", "beyond what was measured", "20.0/s", "0.500 %"),
    ]
    said = "ranks by p50; equal ranks are tied. 10 rounds of 3.00 s for each, in turns, with the same requests"
    assert note(plain, "Side by side") == said
    texts = against(standing("a", 1, texts_rate=50.0, cost_per_million=0.02), standing("b", 2))
    assert [row[6:] for row in rows(texts, "Side by side")] == [("50.0/s", "$0.0200"), ("-", "-")]
    assert [row[2] for row in rows(plain, "Differences")] == ["a is faster", "b is faster", "tied", "not judged"]
    assert rows(plain, "Differences")[0][:2] == ("b against a", "+10.0 % (+5.0 to +15.0 %)")


def test_what_a_comparison_would_see_is_said_with_the_time_that_is_missing() -> None:
    seen = "all intervals hold in 97 of 100 runs; a difference of +10.0 % would be seen in 4 of 5"
    assert note(against(standing("a", 1), detectable=0.1), "Differences") == seen
    few = note(against(standing("a", 1), detectable=0.3), "Differences")
    assert few.endswith("too few requests to see +10.0 %, which takes about 270 s for each")
    assert note(against(standing("a", 1), detectable=None), "Differences") == "not measured"


def test_the_first_of_the_sides_is_named_or_those_that_tie() -> None:
    alone = against(standing("a", 1), standing("b", 2), standing("c", 2))
    assert headlines.headline(alone) == "a is the fastest by p50: p50 10.0 ms"
    tied = against(standing("a", 1), standing("b", 1), standing("c", 3))
    assert headlines.headline(tied) == "a and b are tied by p50: p50 about 10.0 ms"
    assert headlines.headline(against(standing("a", 1, p50=None))).endswith("p50 beyond what was measured")
