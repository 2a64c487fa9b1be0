"""The blocks of a side as one run, and its row in the table of sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aembed.bench.compare.versus import PERCENTILES, _failures, _joined, _percentile, _standing
from aembed.bench.load.record import Record
from aembed.bench.load.run import RunResult
from aembed.bench.model.estimates import Percentile
from aembed.bench.model.under_load import Failure
from aembed.bench.rows.columns import FAILED, NEVER, OK, UNFINISHED, OutcomeCode
from tests.bench.reports import report, response
from tests.bench.test_tables_of_work import WORK
from tests.bench.test_tables_under_load import traffic

S = 1_000_000_000


def block(*rows: tuple[int, int, int, OutcomeCode], **parts: Any) -> RunResult:
    record = Record(len(rows))
    for row in rows:
        record.add(*row)
    given: dict[str, Any] = {
        "seconds": 3.0,
        "interrupted": False,
        "ignored_cancellation": 1,
        "peak_in_flight": 4,
        "peak_backlog": 5,
        "failures": (),
        **parts,
    }
    return RunResult(record=record, origin=0, **given)


def test_blocks_follow_each_other_as_if_nothing_had_been_between_them() -> None:
    timeout, other = Failure(kind="timeout", count=2, example="first"), Failure(kind="other", count=1, example="o")
    first = block((0, 1, 2, OK), (1 * S, NEVER, NEVER, UNFINISHED), failures=(timeout,))
    second = block(
        (1, 2, 3, OK),
        (2 * S, 2 * S, 2 * S + 7, FAILED),
        failures=(other, replace(timeout, count=3, example="second")),
        ignored_cancellation=2,
        peak_in_flight=3,
        peak_backlog=9,
    )
    whole = _joined([first, second], 3.0)
    rows = whole.rows
    assert rows.intended.tolist() == [0, 1 * S, 3 * S + 1, 5 * S]
    assert rows.started.tolist() == [1, NEVER, 3 * S + 2, 5 * S]
    assert rows.done.tolist() == [2, NEVER, 3 * S + 3, 5 * S + 7]
    assert rows.outcome.tolist() == [OK, UNFINISHED, OK, FAILED]
    assert (whole.seconds, whole.ignored_cancellation, whole.peak_in_flight, whole.peak_backlog) == (6.0, 3, 4, 9)
    assert whole.failures == (replace(timeout, count=5), other)
    assert whole.traces is None
    assert _failures([first]) == [timeout]


@pytest.mark.parametrize(("q", "seconds"), [(0.5, 2.0), (0.9, 10.0), (0.95, 10.0)])
def test_the_percentile_of_a_block_is_one_of_its_times(q: float, seconds: float) -> None:
    times = [10 * S, 1 * S, 2 * S, 3 * S] if q > 0.5 else [3 * S, 1 * S, 2 * S]
    assert _percentile(block(*((0, 0, took, OK) for took in times)).rows, q) == seconds


def test_a_percentile_is_the_share_that_its_name_says() -> None:
    assert {name: float(name[1:]) / 100 for name in ("p50", "p90", "p95")} == PERCENTILES


def test_a_side_stands_with_its_figures() -> None:
    felt = replace(response(0.3), percentiles=(Percentile(q=0.5, value=0.1), Percentile(q=0.95, value=0.2)))
    made = replace(report("side", response=felt), traffic=traffic(offered=1000, ok=990, good_rate=99.0))
    found = _standing(made, 2)
    assert (found.name, found.rank, found.p50, found.p95, found.good_rate) == ("side", 2, 0.1, 0.2, 99.0)
    assert found.errors == pytest.approx(0.01)
    assert (found.texts_rate, found.cost_per_million) == (None, None)
    working = _standing(replace(made, work=replace(WORK, price=0.02)), 1)
    assert (working.texts_rate, working.cost_per_million) == (100.0, 0.02)
    assert _standing(replace(made, traffic=traffic(offered=0, ok=0)), 1).errors == 1.0
