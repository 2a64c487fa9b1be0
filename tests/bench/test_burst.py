"""Bursts: how long they are felt, on virtual time against closed forms and in made-up rows."""

from __future__ import annotations

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import bench
from aembed.bench.load.burst import describe
from aembed.bench.model.under_load import Burst
from aembed.bench.rows.columns import FAILED, OK, Rows
from aembed.bench.stats.sample import percentiles
from tests.bench.subjects import CAPACITY, server

virtual = pytest.mark.virtual_time


@virtual
async def test_a_burst_drains_at_the_rate_that_is_left() -> None:
    report = await bench.burst(server(), base=50, spike=300, spike_s=1, at=4, duration=12)
    found = report.burst
    assert report.mode == "burst"
    assert found is not None
    assert found.drained == pytest.approx((300 - CAPACITY) * 1 / (CAPACITY - 50), abs=0.03)
    assert found.drain_rate == pytest.approx(CAPACITY, rel=0.02)
    assert found.recovery == pytest.approx(found.drained, abs=0.1)
    assert found.peak_backlog == pytest.approx(200, abs=2)
    assert found.peak_response == pytest.approx(2, abs=0.03)
    assert found.band is not None
    assert found.band == pytest.approx((0.009, 0.011), abs=1e-6)


@virtual
async def test_a_burst_that_is_never_over_has_no_recovery() -> None:
    found = (await bench.burst(server(), base=90, spike=500, spike_s=2, duration=8, drain=0)).burst
    assert found is not None
    assert (found.recovery, found.drained, found.drain_rate, found.peak_response) == (None, None, None, None)
    assert found.spike_start == 2


@virtual
async def test_a_burst_without_effect_is_over_at_once() -> None:
    found = (await bench.burst(lambda: anyio.sleep(0.01), base=50, spike=100, spike_s=1, duration=8)).burst
    assert found is not None
    assert (found.recovery, found.drained) == (0.0, 0.0)


def rows(intended: list[float], done: list[float], outcome: int = OK) -> Rows:
    came, went = np.array(intended) * 1e9, np.array(done) * 1e9
    whole = came.astype(np.int64)
    return Rows(
        intended=whole, started=whole, done=went.astype(np.int64), outcome=np.full(len(came), outcome, dtype=np.int64)
    )


def test_failures_before_the_spike_leave_no_band_to_come_back_to() -> None:
    times = [i / 10 for i in range(100)]
    found = describe(rows(times, times, FAILED), base=10, spike=20, start=5, end=6)
    assert (found.band, found.recovery, found.peak_response) == (None, None, None)
    assert found.recovery_unknown == "requests failed before it, so that the usual latency is unknown"


def came(*, base: float = 50, start: float = 10, end: float = 11, seconds: float = 25) -> NDArray[np.float64]:
    """A schedule with a spike of ten times the rate."""
    spans = ((0.0, start, base), (start, end, 10 * base), (end, seconds, base))
    return np.concatenate([np.arange(since, until, 1 / rate) for since, until, rate in spans])


def felt(times: NDArray[np.float64], took: NDArray[np.float64], *, start: float = 10, end: float = 11) -> Burst:
    made = rows(times.tolist(), (times + took).tolist())
    return describe(made, base=50, spike=500, start=start, end=end)


@pytest.mark.parametrize("base", [20, 50, 400])
def test_noise_alone_is_no_degradation(base: float) -> None:
    """Skewed, as response times are: the slowest of twenty is often twice as slow as that of the twenty before."""
    times, dice = came(base=base), np.random.default_rng(1)
    found = [felt(times, dice.lognormal(-7, 0.7, len(times))) for _ in range(200)]
    assert sum(each.recovery == 0.0 for each in found) >= 194
    assert sum(each.recovery_unknown is None and each.recovery is None for each in found) <= 2


@pytest.mark.parametrize("base", [20, 50, 400])
@pytest.mark.parametrize("slow_for", [1.0, 4.0])
def test_recovery_is_found_in_noise(base: float, slow_for: float) -> None:
    """Ten times as slow, to the end of a known time: found to within some requests, in nearly all runs."""
    times, dice = came(base=base), np.random.default_rng(2)
    slower = np.where((times >= 10) & (times < 11 + slow_for), 10, 1)
    found = [felt(times, slower * dice.lognormal(-7, 0.7, len(times))).recovery for _ in range(200)]
    near = [each is not None and abs(each - slow_for) <= 8 / base for each in found]
    assert sum(near) >= 190


def test_requests_that_queue_are_slow_in_clusters_before_the_spike_as_after_it() -> None:
    times, wrong = came(base=50, start=20, end=21, seconds=60), 0
    for seed in range(100):
        work = np.random.default_rng(seed).exponential(0.6 / 50, len(times))
        done = np.zeros(len(times))
        for i, time in enumerate(times):
            done[i] = max(time, done[i - 1] if i and not 20 <= time < 21 else 0.0) + work[i]
        found = felt(times, done - times, start=20, end=21)
        wrong += found.recovery_unknown is None and found.recovery != 0.0
    assert wrong <= 10


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [(1.0, 2.0, "50 requests before it say too little"), (5.0, 24.97, "2 requests after it are too few")],
)
def test_an_unknown_recovery_has_its_reason(start: float, end: float, told: str) -> None:
    times = came(start=start, end=end)
    found = felt(times, np.full(len(times), 0.01), start=start, end=end)
    assert found.recovery is None
    assert found.recovery_unknown is not None
    assert told in found.recovery_unknown


def test_more_requests_are_asked_for_than_there_were() -> None:
    """Requests that all depend on each other say little, however many."""
    times = came(start=20.0, end=22.0)
    response = np.where((times > 10) & (times < 20), times - 9, 0.01)  # one slow stretch before the spike
    found = felt(times, response, start=20.0, end=22.0)
    assert found.recovery_unknown is not None
    before = int(np.sum(times < 20.0))
    assert before > 150
    assert found.recovery_unknown.endswith(f"give it time for {2 * before} or more")


@virtual
async def test_an_unknown_recovery_is_inconclusive() -> None:
    report = await bench.burst(lambda: anyio.sleep(0.01), base=10, spike=100, spike_s=0.5, duration=4)
    assert report.burst is not None
    assert (report.burst.band, report.burst.recovery) == (None, None)
    assert (report.verdict.state, report.verdict.exit_code) == ("inconclusive", 3)
    assert "10 requests before it say too little about their p95" in report.verdict.reasons[0]
    assert report.burst.peak_response == pytest.approx(0.01, abs=1e-6)


def test_recovery_ends_with_the_first_request_that_is_not_slow() -> None:
    times = came(end=11, seconds=30)
    took = np.where((times >= 10) & (times < 14.99), 1.0, 0.01)
    found = felt(times, took)
    assert found.recovery == pytest.approx(4.0)
    assert found.peak_response == pytest.approx(1.0)
    assert found.band == pytest.approx((0.009, 0.011))


def test_the_usual_latency_is_that_of_requests_before_the_spike() -> None:
    """No two take equally long, and so each counts."""
    times = came()
    took = np.random.default_rng(3).permutation(np.linspace(0.01, 0.02, len(times)))
    (usual,) = percentiles(took[times < 10], (0.95,))
    assert usual.low is not None
    assert usual.high is not None
    assert felt(times, took).band == pytest.approx((0.9 * usual.low, 1.1 * usual.high), rel=1e-6)


@pytest.mark.parametrize(("after", "recovery"), [(2, None), (3, 0.0)])
def test_three_requests_after_the_spike_can_be_told_from_chance(after: int, recovery: float | None) -> None:
    end = 25 - (after - 0.5) / 50
    times = came(start=5.0, end=end)
    assert np.sum(times >= end) == after
    assert felt(times, np.full(len(times), 0.01), start=5.0, end=end).recovery == recovery


def test_what_takes_as_long_as_the_band_allows_is_not_slow() -> None:
    times = came()
    assert felt(times, np.where(times < 11, 0.5, 0.55)).recovery == 0.0
    assert felt(times, np.where(times < 11, 0.5, 0.551)).recovery is None


def test_a_backlog_is_gone_when_it_is_back_at_its_level() -> None:
    """At most three at a time before the spike, all of which ends in one moment; three are under way then."""
    times = came(base=50, end=11, seconds=30)
    took = np.where((times >= 10) & (times < 11), 16.005 - times, 0.05)
    found = felt(times, took)
    assert found.peak_backlog >= 500
    assert found.drained == pytest.approx(5.005, abs=1e-4)
    assert found.drain_rate == pytest.approx((500 + 50 * 5) / 5, rel=0.02)


@virtual
@pytest.mark.parametrize(
    ("spike_s", "duration", "options", "width"),
    [(2.0, 25.0, {}, 0.5), (8.0, 40.0, {}, 1.0), (0.04, 12.0, {}, 0.02), (1.0, 20.0, {"window": 4.0}, 4.0)],
)
async def test_windows_of_a_burst_are_a_quarter_of_the_spike(
    spike_s: float, duration: float, options: dict[str, float], width: float
) -> None:
    report = await bench.burst(
        lambda: anyio.sleep(0.001),
        base=2,
        spike=100,
        spike_s=spike_s,
        duration=duration,
        **options,  # type: ignore[arg-type]
    )
    assert report.windows[0].seconds == pytest.approx(width)
    assert report.burst is not None
    assert (report.burst.spike_start, report.burst.spike_end) == (duration / 4, duration / 4 + spike_s)
    assert (report.burst.base_rate, report.burst.spike_rate) == (2, 100)
