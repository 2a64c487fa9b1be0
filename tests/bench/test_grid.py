"""Grids that a sweep measures, and those that it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import InputError, bench
from aembed.bench.sweep.grid import grid
from tests.bench.lanes import FREE, scenario


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"over": {"users": (1, 2), "rate": (5,)}}, "give one of them"),
        ({"over": {"batch": (1, 2)}}, "there is no parameter 'batch' to sweep over; there are documents, users, rate"),
        ({"over": {"users": (0, 1)}}, "users=0 must be a whole number, 1 or more"),
        ({"over": {"rate": (-1, 1)}}, "rate=-1.0 must be a finite number above 0"),
        ({"over": {"users": ()}}, "must be a list of values"),
        ({"over": {"users": (1,)}}, "needs two cells or more"),
        (
            {"over": {"users": (1, 2)}, "duration": 5},
            r"too short for 4 blocks of 2 s for each of 2 cells; make it 16 s",
        ),
        ({"over": {"users": (1, 2)}, "slo": "p95=1s,p99=2s"}, "compares one percentile; slo has p95 and p99"),
        ({"over": {"users": (1, 2)}, "slo": "rate=5/s"}, "sweep does not measure rate"),
        ({"over": {"users": (1, 2)}, "items": "texts"}, "items='texts' must name a parameter"),
        ({"over": {"users": (1, 2)}, "margin": 1.5}, "margin=1.5 must be a share"),
        ({"over": {"users": (1, 2)}, "abort": True}, "a sweep has no abort"),
        ({"over": {"rate": (1, 2)}}, "sweep over users, not over a rate"),
    ],
)
async def test_a_grid_that_cannot_be_swept_is_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        await bench.sweep(scenario(FREE, documents=[1]), **given)


def test_the_values_of_a_scenario_are_part_of_the_grid() -> None:
    over, cells = grid(scenario(FREE, documents=[1, 8], words=[3]), {})
    assert over == {"documents": (1, 8), "users": (1,)}, "words do not vary"
    assert [cell.parameters for cell in cells] == [{"documents": 1, "users": 1}, {"documents": 8, "users": 1}]
    assert [(cell.users, cell.rate, cell.subject) for cell in cells] == [(1, None, (1,)), (1, None, (8,))]
    cases = [cell.target for cell in cells if isinstance(cell.target, bench.Case)]
    assert [case.parameters for case in cases] == [{"documents": 1, "words": 3}, {"documents": 8, "words": 3}]


def test_a_load_is_a_number_of_users_or_a_rate() -> None:
    over, cells = grid(scenario(FREE, documents=[1]), {"rate": [5, 5, 7.5]})
    assert over == {"rate": (5, 7.5)}, "each value once"
    assert [(cell.users, cell.rate, cell.subject) for cell in cells] == [(None, 5.0, ()), (None, 7.5, ())]
