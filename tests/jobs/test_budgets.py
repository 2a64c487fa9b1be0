"""``max_cost`` counts costs reported, costs of requests in flight, and estimates that usage corrects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aembed import ModelSpec
from aembed.jobs.budget import Budget
from aembed.jobs.chunks import RowChunk

SPEC = ModelSpec(name="m", price=1e6)
"""A dollar a token."""


def chunk(tokens: int) -> RowChunk:
    """Estimated to have so many: four characters each, and one more."""
    return RowChunk(0, 1, ["x" * (4 * (tokens - 1))], [0])


def budget(most: float | None, reported: int | None = 0) -> tuple[Budget, Any]:
    ledger: Any = SimpleNamespace(tokens=reported)
    return Budget(most, SPEC, ledger), ledger


def test_the_limit_may_be_reached_and_not_passed() -> None:
    made, _ = budget(10)
    assert [made.allows(chunk(tokens)) for tokens in (1, 10, 11)] == [True, True, False]


def test_chunks_under_way_count_until_they_end() -> None:
    made, ledger = budget(10)
    made.begin(chunk(6))
    assert [made.allows(chunk(tokens)) for tokens in (4, 5)] == [True, False]
    ledger.tokens = 6
    made.end(chunk(6))
    assert [made.allows(chunk(tokens)) for tokens in (4, 5)] == [True, False]


@pytest.mark.parametrize(("reported", "most"), [(3, 17), (6, 7), (12, 1)])
def test_estimates_are_corrected_by_what_was_reported(reported: int, most: int) -> None:
    """A budget of 20 dollars: reported costs are spent; further texts cost in proportion, estimated as 8."""
    made, ledger = budget(20)
    made.begin(chunk(8))
    ledger.tokens = reported
    made.end(chunk(8))
    left = (20 - reported) * 8 // reported
    assert [made.allows(chunk(tokens)) for tokens in (left, left + 1)] == [True, False]
    made.begin(chunk(4))
    left -= 4
    assert left <= 0 or [made.allows(chunk(tokens)) for tokens in (left, left + 1)] == [True, False]


def test_what_earlier_runs_reported_is_spent_and_says_nothing_about_estimates() -> None:
    made, ledger = budget(100, reported=50)
    assert [made.allows(chunk(tokens)) for tokens in (50, 51)] == [True, False]
    made.begin(chunk(10))
    ledger.tokens = 55
    made.end(chunk(10))
    assert [made.allows(chunk(tokens)) for tokens in (90, 91)] == [True, False]


def test_where_nothing_is_reported_estimates_are_spent() -> None:
    made, ledger = budget(10, reported=None)
    made.begin(chunk(4))
    made.end(chunk(4))
    assert [made.allows(chunk(tokens)) for tokens in (6, 7)] == [True, False]
    known, ledger = budget(10, reported=2)
    known.begin(chunk(4))
    ledger.tokens = None
    known.end(chunk(4))
    assert [known.allows(chunk(tokens)) for tokens in (4, 5)] == [True, False], "two before, and four since"


def test_without_a_limit_all_is_allowed() -> None:
    made, _ = budget(None)
    made.begin(chunk(10**6))
    assert made.allows(chunk(10**6))


def test_the_error_says_what_is_spent() -> None:
    made, ledger = budget(1000)
    ledger.tokens = 999
    assert str(made.passed()) == "the next request would pass max_cost=$1000 ($999.0000 are spent)"
    fraction, ledger = budget(0.5)
    ledger.tokens = 0
    assert str(fraction.passed()) == "the next request would pass max_cost=$0.5 ($0.0000 are spent)"
