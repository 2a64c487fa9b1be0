"""Rows into figures: against sums made by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aembed.bench.load.record import Record
from aembed.bench.load.summary import Tally, distribution, histogram, traffic, windows
from aembed.bench.model.under_load import RunWindow
from aembed.bench.rows.columns import FAILED, NEVER, OK, TIMED_OUT, UNFINISHED, WRONG
from aembed.bench.settings import MAX_WINDOWS, RunSettings

MS = 1_000_000
ORIGIN = 5_000 * MS


def record() -> Record:
    """Out of order, as requests end."""
    made = Record(2)
    made.origin = ORIGIN
    made.add(ORIGIN + 200 * MS, ORIGIN + 210 * MS, ORIGIN + 250 * MS, OK)
    made.add(ORIGIN, ORIGIN + MS, ORIGIN + 11 * MS, OK)
    made.add(ORIGIN + 100 * MS, ORIGIN + 100 * MS, ORIGIN + 101 * MS, FAILED)
    made.add(ORIGIN + 300 * MS, ORIGIN + 300 * MS, NEVER, UNFINISHED)
    made.add(ORIGIN + 400 * MS, NEVER, NEVER, UNFINISHED)
    return made


def test_rows_are_in_the_order_of_intention() -> None:
    rows = record().rows()
    assert len(rows) == len(record()) == 5
    assert rows.intended.tolist() == [0, 100 * MS, 200 * MS, 300 * MS, 400 * MS]
    assert rows.response.tolist() == [0.011, math.inf, 0.05, math.inf, math.inf]
    assert rows.service.tolist() == [0.01, math.inf, 0.04, math.inf]
    assert rows.lag.tolist() == [0.001, 0, 0.01, 0, math.inf]


def test_traffic_counts_every_request_once() -> None:
    made = record()
    made.add(ORIGIN, ORIGIN, ORIGIN, WRONG)
    made.add(ORIGIN, ORIGIN, ORIGIN, TIMED_OUT)
    counts = traffic(Tally.of(made.rows()), seconds=0.5, peak_in_flight=3, peak_backlog=1, failures=())
    assert (counts.offered, counts.ok, counts.failed, counts.wrong) == (7, 2, 1, 1)
    assert (counts.timed_out, counts.unfinished) == (1, 2)
    assert (counts.offered_rate, counts.achieved_rate, counts.good_rate) == (14, 12, 4)


def test_rates_are_over_the_time_it_took() -> None:
    made = Record()
    for second in range(4):
        made.add(0, second * 1000 * MS, second * 1000 * MS, OK)
    counts = traffic(Tally.of(made.rows()), seconds=1, peak_in_flight=1, peak_backlog=3, failures=())
    assert (counts.offered_rate, counts.achieved_rate, counts.good_rate) == (4, 4 / 3, 4 / 3)


def test_a_distribution_with_failures_has_no_mean() -> None:
    found = distribution(np.array([1.0, 2.0, math.inf]))
    assert (found.count, found.censored, found.mean, found.max) == (3, 1, None, 2)
    assert found.at(0.5).value == 2
    assert found.at(0.9).value is None
    assert distribution(np.array([1.0, 2.0])).mean == 1.5


def test_no_requests_have_no_figures() -> None:
    found = distribution(np.array([]))
    assert (found.count, found.mean, found.max, found.histogram.counts) == (0, None, None, ())
    assert windows(Record().rows(), seconds=1, width=1) == ()
    counts = traffic(Tally.of(Record().rows()), seconds=1, peak_in_flight=0, peak_backlog=0, failures=())
    assert (counts.offered, counts.good_rate) == (0, 0)
    assert Tally.of(Record().rows()) == Tally()


@given(st.lists(st.floats(0, 1e4), min_size=1))
def test_histograms_hold_all_in_narrow_bins(times: list[float]) -> None:
    found = histogram(np.array(times))
    edges = np.array(found.edges)
    assert sum(found.counts) == len(times)
    assert len(edges) == len(found.counts) + 1
    assert (np.diff(edges) <= edges[:-1] / 8 * 1.0000001).all()
    assert max(times) < edges[-1]
    assert max(min(times), 1e-9) >= edges[0]


@given(
    st.lists(
        st.tuples(st.integers(0, 9_000), st.integers(0, 3_000), st.sampled_from([OK, FAILED, UNFINISHED])), min_size=1
    ),
    st.floats(0.1, 5),
)
@example([(9_000, 0, UNFINISHED)], 1.0)  # comes in the last moment, which belongs to the last window
def test_windows_lose_nothing(requests: list[tuple[int, int, int]], width: float) -> None:
    made = Record()
    for came, took, outcome in requests:
        done = NEVER if outcome == UNFINISHED else (came + took) * MS
        made.add(came * MS, came * MS, done, OK if outcome == OK else FAILED if outcome == FAILED else UNFINISHED)
    found = windows(made.rows(), seconds=9, width=width, rss=[(0.0, 5), (4.0, 7)])
    kinds = [outcome for _, _, outcome in requests]
    assert sum(window.offered for window in found) == sum(window.started for window in found) == len(requests)
    assert sum(window.good for window in found) == kinds.count(OK)
    assert sum(window.errors for window in found) == kinds.count(FAILED)
    assert found[-1].backlog == kinds.count(UNFINISHED)
    assert found[-1].rss == 7
    peaks = [most_waiting(requests, window, is_last=window is found[-1]) for window in found]
    assert [window.backlog_peak for window in found] == peaks
    assert all(window.seconds > 0 for window in found)
    assert all(a.start + a.seconds == pytest.approx(b.start) for a, b in pairwise(found))


def most_waiting(requests: list[tuple[int, int, int]], window: RunWindow, *, is_last: bool) -> int:
    """At its begin, or when one of its requests comes."""
    spans = [(came / 1000, math.inf if kind == UNFINISHED else (came + took) / 1000) for came, took, kind in requests]
    begin, end = window.start, window.start + window.seconds
    at_begin = sum(came < begin - 1e-9 and done >= begin - 1e-9 for came, done in spans)
    within = [at for at, _ in spans if begin - 1e-9 <= at and (is_last or at < end - 1e-9)]
    return max([at_begin, *(sum(came <= at < done for came, done in spans) for at in within)])


def test_long_runs_have_wider_windows() -> None:
    assert RunSettings().width(10) == 1
    assert RunSettings().width(86400) == 86400 / MAX_WINDOWS
    assert RunSettings(window=0.1).width(86400) == 0.1


def test_each_window_has_its_percentiles() -> None:
    made = Record()
    for window in range(2):
        for i in range(1, 101):
            made.add(window * 1000 * MS, window * 1000 * MS, (window * 1000 + i * (window + 1)) * MS, OK)
    first, second = windows(made.rows(), seconds=2, width=1)[:2]
    assert (first.p50, first.p95, first.p99) == pytest.approx((0.05, 0.095, 0.099))
    assert (second.p50, second.p95, second.p99) == pytest.approx((0.1, 0.19, 0.198))


def test_windows_count_requests_begun_ended_and_waiting() -> None:
    made = Record()
    made.add(0, 100 * MS, 900 * MS, OK)
    made.add(500 * MS, 700 * MS, 1500 * MS, FAILED)
    made.add(1200 * MS, NEVER, NEVER, UNFINISHED)
    first, second = windows(made.rows(), seconds=2, width=1, rss=[(0.0, 5), (0.9, 7), (1.5, 9), (9.0, 11)])
    assert (first.offered, first.started, first.done, first.good, first.errors) == (2, 2, 1, 1, 0)
    assert (second.offered, second.started, second.done, second.good, second.errors) == (1, 0, 1, 0, 1)
    assert (first.backlog, second.backlog) == (1, 1)
    assert (first.backlog_peak, second.backlog_peak) == (2, 2)
    assert (first.lag_max, second.lag_max) == pytest.approx((0.2, 0))
    assert (first.rss, second.rss) == (7, 9)
    assert (first.start, first.seconds, second.start, second.seconds) == (0, 1, 1, 1)


@pytest.mark.parametrize(("seconds", "width"), [(0.5, 1), (600, 1), (601, 2), (1200, 2), (1201, 3)])
def test_a_run_has_at_most_600_windows(seconds: float, width: float) -> None:
    assert RunSettings().width(seconds) == width
    assert RunSettings(window=7).width(seconds) == 7
