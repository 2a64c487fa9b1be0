"""Counted requests against the same requests kept one by one."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TypeAlias

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import bench
from aembed.bench.load import record
from aembed.bench.load.record import Record
from aembed.bench.load.summary import Tally, distribution, windows
from aembed.bench.load.windowed_histogram import ROUNDED, WindowedHistogram, WindowedTimes
from aembed.bench.model.estimates import Distribution
from aembed.bench.rows.columns import FAILED, NEVER, OK, UNFINISHED, OutcomeCode
from aembed.bench.stats.sample import percentiles

MS = 1_000_000
Row: TypeAlias = tuple[int, int, int, OutcomeCode]
WITHIN = 0.5 / 64 + 1e-9
"""The relative error that is stated."""


def near(value: float | None, truth: float | None) -> bool:
    if value is None or truth is None:
        return value is truth
    return abs(value - truth) <= WITHIN * truth + 1e-9


def folded(times: list[float], per_window: int = 7) -> Distribution:
    made = WindowedTimes(-(-len(times) // per_window))
    made.add(np.arange(len(times)) // per_window, np.array(times))
    return made.distribution()


@given(st.lists(st.one_of(st.floats(0, 4000), st.floats(1e-7, 1e-2), st.just(math.inf)), min_size=1, max_size=200))
def test_folded_percentiles_are_within_the_stated_error_of_exact_ones(times: list[float]) -> None:
    found, exact = folded(times), distribution(np.array(times))
    assert (found.count, found.censored, found.max) == (exact.count, exact.censored, exact.max)
    assert (found.mean is None) == (exact.mean is None)
    assert found.mean is None or found.mean == pytest.approx(exact.mean)
    assert found.histogram == exact.histogram
    assert all(near(f.value, e.value) for f, e in zip(found.percentiles, exact.percentiles, strict=True))


def test_intervals_are_those_of_the_order_statistics() -> None:
    times = np.random.default_rng(1).exponential(0.01, 20_000).tolist()
    found, exact = folded(times, 100), distribution(np.array(times))
    for p, truth in zip(found.percentiles, exact.percentiles, strict=True):
        assert p.low is not None
        assert p.high is not None
        assert truth.low is not None
        assert truth.high is not None
        assert p.low <= (p.value or 0) <= p.high
        assert p.high - p.low == pytest.approx(truth.high - truth.low, rel=0.3, abs=0.02 * p.high)


def test_windows_that_differ_make_intervals_wider() -> None:
    """A thousand equal requests in each of 200 windows narrow the interval no more than one request would."""
    dice = np.random.default_rng(2)
    level = np.repeat(dice.lognormal(-5, 1, 200), 1000)
    made = WindowedTimes(200)
    made.add(np.arange(len(level)) // 1000, level)
    median = made.distribution().at(0.5)
    (alone,) = percentiles(level[::1000], [0.5], independent=True)
    assert (median.low, median.high) == pytest.approx((alone.low, alone.high), rel=0.03)


@st.composite
def requests(draw: st.DrawFn) -> list[Row]:
    """In the order they ended, which is not that in which they began."""
    found: list[Row] = []
    for _ in range(draw(st.integers(1, 120))):
        came, late, took = (draw(st.integers(0, most)) * MS for most in (9_000, 50, 3_000))
        outcome = draw(st.sampled_from([OK, FAILED, UNFINISHED]))
        found.append((came, came + late, NEVER if outcome == UNFINISHED else came + late + took, outcome))
    return found


@given(requests(), st.floats(0.5, 5))
def test_a_record_forgets_nothing_that_counts(rows: list[Row], width: float) -> None:
    kept, counted = Record(), Record(4)
    fold = counted.fold = WindowedHistogram(9, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "MAX_ROWS", 16)
        patch.setattr(record, "ROWS_PER_GROWTH", 8)
        patch.setattr(record, "ROWS_AT_ONCE", 5)
        for number, row in enumerate(rows, 1):
            kept.add(*row)
            counted.add(*row)
            assert len(counted) == number
    every, left = kept.rows(), counted.rows()
    assert counted.folded == (len(rows) > 20)
    if not counted.folded:
        return
    assert len(left) == 0
    assert len(counted) == len(rows)
    assert fold.tally == Tally.of(every)
    for found, truth in zip(
        fold.windows([(0.0, 5)]), windows(every, seconds=9, width=width, rss=[(0.0, 5)]), strict=False
    ):
        exact, rounded = asdict(truth), asdict(found)
        if exact["seconds"] != rounded["seconds"]:
            continue
        for q in ("p50", "p95", "p99"):
            assert near(rounded.pop(q), exact.pop(q))
        exact["backlog_peak"] = None  # peaks of parts do not add up
        assert rounded == exact


@pytest.mark.virtual_time
async def test_a_long_run_says_the_same_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def report() -> bench.Report:
        times = iter(np.random.default_rng(3).lognormal(-5, 1, 5000).tolist())
        return await bench.load(lambda: anyio.sleep(next(times)), arrivals=bench.constant(100), duration=30)

    kept = await report()
    monkeypatch.setattr(record, "MAX_ROWS", 500)
    counted = await report()
    assert (kept.notes, counted.notes) == ((), (ROUNDED,))
    assert counted.traffic is not None
    assert kept.traffic is not None
    assert counted.traffic.good_rate == pytest.approx(kept.traffic.good_rate)
    assert replace(counted.traffic, good_rate=kept.traffic.good_rate) == kept.traffic
    assert len(counted.windows) == len(kept.windows)
    for ours, truth in ((counted.response, kept.response), (counted.lag, kept.lag), (counted.service, kept.service)):
        assert ours is not None
        assert truth is not None
        assert all(near(p.value, t.value) for p, t in zip(ours.percentiles, truth.percentiles, strict=True))


@pytest.mark.virtual_time
async def test_users_of_a_long_run_obey_littles_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_ROWS", 100)
    monkeypatch.setattr(record, "ROWS_PER_GROWTH", 50)
    report = await bench.closed(lambda: anyio.sleep(0.01), users=3, think=0.05, duration=100)
    assert report.notes == (ROUNDED,)
    assert report.closed is not None
    assert report.closed.little == pytest.approx(3, rel=1e-9)


def test_nothing_folded_is_nothing() -> None:
    fold = WindowedHistogram(1, 1)
    assert fold.windows(()) == ()
    assert fold.response.distribution().count == 0
    assert fold.response.distribution().at(0.99).value is None
