"""Burst, sustained load and steps, on virtual time against closed forms."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import InputError, bench
from aembed.bench.load.burst import describe
from aembed.bench.load.sustained import _steady, drift_of, judge
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Verdict
from aembed.bench.model.under_load import Burst, Drift, RunWindow
from aembed.bench.rows.columns import FAILED, OK, Rows
from aembed.bench.stats.sample import envelope_slope

virtual = pytest.mark.virtual_time
CAPACITY = 100.0


def server(*, growth: float = 0.0) -> Callable[[], Awaitable[None]]:
    """One request at a time, 10 ms each; ``growth`` is by how much each takes longer than the one before."""
    free = [0.0, 1 / CAPACITY]

    async def call() -> None:
        free[0] = max(free[0], asyncio.get_running_loop().time()) + free[1]
        free[1] += growth
        await anyio.sleep_until(free[0])

    return call


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


@virtual
async def test_an_unknown_recovery_is_inconclusive() -> None:
    report = await bench.burst(lambda: anyio.sleep(0.01), base=10, spike=100, spike_s=0.5, duration=4)
    assert report.burst is not None
    assert (report.burst.band, report.burst.recovery) == (None, None)
    assert (report.verdict.state, report.verdict.exit_code) == ("inconclusive", 3)
    assert "10 requests before it say too little about their p95" in report.verdict.reasons[0]
    assert report.burst.peak_response == pytest.approx(0.01, abs=1e-6)


@virtual
async def test_steady_load_is_steady() -> None:
    report = await bench.sustained(server(), arrivals=bench.constant(50), duration=30)
    assert report.mode == "sustained"
    assert report.drift is not None
    assert report.drift.steady is True
    assert report.verdict.state == "ok"
    assert len(report.windows) >= 60


@virtual
async def test_random_arrivals_are_no_drift_of_the_rate() -> None:
    async def call() -> None:
        await anyio.sleep(0.005)

    report = await bench.sustained(call, arrivals=bench.poisson(200), duration=16)
    assert report.drift is not None
    assert report.drift.rate.value == pytest.approx(0, abs=0.01)
    assert report.drift.steady is True


@virtual
async def test_a_drift_is_found_and_is_over_budget() -> None:
    """From 10 to 16 ms: 6 ms of a median of 13."""
    report = await bench.sustained(server(growth=0.006 / 3000), arrivals=bench.constant(50), duration=60)
    assert report.drift is not None
    assert report.drift.response.value == pytest.approx(6 / 13, rel=0.05)
    assert report.drift.steady is False
    assert (report.verdict.state, report.verdict.exit_code) == ("over budget", 1)
    assert "p50 changed by +46" in report.verdict.reasons[0]


def window(start: int, p50: float | None, *, good: int = 10, rss: int | None = None) -> RunWindow:
    return RunWindow(
        start=float(start),
        seconds=1,
        offered=10,
        started=10,
        done=10,
        good=good,
        errors=0,
        p50=p50,
        p95=p50,
        p99=p50,
        backlog=0,
        lag_max=0,
        rss=rss,
    )


def test_noise_that_hides_a_drift_is_inconclusive() -> None:
    noisy = [window(i, 1 + (i * 7 % 11 - 5) / 10, rss=1000 + 10 * i) for i in range(12)]
    found = drift_of(noisy, seconds=12, tolerance=0.1)
    assert found is not None
    assert found.steady is None
    assert found.rss == Estimate(value=10, low=10, high=10)
    assert drift_of(noisy[:5], seconds=12, tolerance=0.1) is None
    assert drift_of([replace(w, p50=None) for w in noisy], seconds=12, tolerance=0.1) is None


def test_a_drift_that_may_be_the_machines_is_inconclusive() -> None:
    worse, same = Estimate(value=0.5, low=0.4, high=0.6), Estimate(value=0.0, low=0.0, high=0.0)
    drift = Drift(response=worse, rate=same, rss=None, tolerance=0.1, steady=False)
    assert judge(drift).state == "over budget"
    found = judge(drift, "the machine itself took +45% for the same calculation")
    assert found.state == "inconclusive"
    assert found.reasons[0].endswith("but the machine itself took +45% for the same calculation")


def test_an_improvement_is_no_drift() -> None:
    faster = [window(i, 2 - i / 10) for i in range(12)]
    found = drift_of(faster, seconds=12, tolerance=0.1)
    assert found is not None
    assert found.response.value < -0.5
    assert found.steady is True


def test_a_sawtooth_has_a_flat_envelope() -> None:
    x = np.arange(400, dtype=np.float64)
    assert envelope_slope(x, 100 + x % 5).value == 0
    assert envelope_slope(x, 100 + x % 5 + 2 * x).value == pytest.approx(2, rel=0.05)


@virtual
async def test_too_few_windows_are_rejected() -> None:
    with pytest.raises(InputError, match=r"window=2 s gives fewer than 6 windows in 10 s"):
        await bench.sustained(server(), arrivals=bench.constant(1), duration=10, window=2)


EVEN = bench.Objective(q=0.95, seconds=0.05)


@virtual
@pytest.mark.parametrize("start", [30, 150])
async def test_the_knee_of_an_even_schedule_is_the_capacity(start: float) -> None:
    report = await bench.steps(server(), objective=EVEN, start=start, step_s=10, cv=0.001, precision=0.02)
    assert report.steps is not None
    knee = report.steps.knee
    assert report.mode == "steps"
    assert knee is not None
    assert knee.value == pytest.approx(CAPACITY, rel=0.03)
    assert [step.rate for step in report.steps.steps] == sorted(step.rate for step in report.steps.steps)
    assert report.verdict.state == "ok"
    assert report.response is not None
    assert (report.response.at(0.95).value or 1) <= 0.05  # the figures are those of a rate that is fine


@virtual
async def test_the_highest_rate_asked_for_may_be_within() -> None:
    report = await bench.steps(server(), objective=EVEN, start=10, highest=30, step_s=5)
    assert report.steps is not None
    assert [step.rate for step in report.steps.steps] == [10, 20, 30]
    assert report.steps.knee is not None
    assert report.steps.knee.high is None


@virtual
async def test_a_stop_ends_the_stairs() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(7, stop.set)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=5, stop=stop)
    assert report.steps is not None
    assert report.interrupted
    assert [step.rate for step in report.steps.steps] == [10, 20]


@virtual
async def test_a_step_the_machine_made_invalid_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([Verdict(state="invalid", reasons=("others ran",)), Verdict()] * 20)

    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return next(verdicts), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=5, highest=20)
    assert report.steps is not None
    assert [(step.rate, step.valid) for step in report.steps.steps] == [(10, True), (20, True)]


@virtual
async def test_the_limit_of_the_generator_ends_the_stairs(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([Verdict(), Verdict(state="invalid", reasons=("beyond what can be offered",), possible_rate=15)])

    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return next(verdicts), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=5)
    assert report.steps is not None
    assert [(step.rate, step.valid) for step in report.steps.steps] == [(10, True), (20, False)]
    assert (report.verdict.state, report.verdict.exit_code) == ("inconclusive", 3)
    assert report.verdict.reasons == (
        "at least 10/s: the knee lies beyond what could be offered, for beyond what can be offered",
    )
    assert report.verdict.possible_rate == 15
    assert report.notes == ("a step was not valid and says nothing: beyond what can be offered",)
    assert report.steps.knee is not None
    assert report.steps.knee.high is None


@virtual
async def test_a_server_that_is_never_within_has_no_knee() -> None:
    report = await bench.steps(lambda: anyio.sleep(1), objective=EVEN, start=16, step_s=30)
    assert report.steps is not None
    assert report.steps.knee is None
    assert not any(step.within for step in report.steps.steps)


@virtual
async def test_fast_errors_do_not_make_a_rate_sustainable() -> None:
    calls = iter(range(10**6))

    async def call() -> None:
        if next(calls) % 10 == 0:
            raise ValueError("no")

    report = await bench.steps(call, objective=EVEN, start=16, step_s=30)
    assert report.steps is not None
    assert report.steps.knee is None


@virtual
@pytest.mark.parametrize(
    ("objective", "options", "told"),
    [
        (bench.Objective(q=95, seconds=0.1), {}, "objective.q=95 must lie between 0 and 1"),
        (bench.Objective(seconds=0), {}, "objective.seconds=0 must be"),
        (EVEN, {"start": -1}, "start=-1 must be .*requests/s"),
        (EVEN, {"precision": 0}, "precision=0 must be"),
        (EVEN, {"highest": 0.5}, "highest=0.5 must not be below start=1 requests/s"),
    ],
)
async def test_bad_objectives_are_named(objective: bench.Objective, options: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        await bench.steps(server(), objective=objective, **{"start": 1.0, **options})  # type: ignore[arg-type]


def test_recovery_ends_with_the_first_request_that_is_not_slow() -> None:
    times = came(end=11, seconds=30)
    took = np.where((times >= 10) & (times < 14.99), 1.0, 0.01)
    found = felt(times, took)
    assert found.recovery == pytest.approx(4.0)
    assert found.peak_response == pytest.approx(1.0)
    assert found.band == pytest.approx((0.009, 0.011))


def test_a_backlog_is_gone_when_it_is_back_at_its_level() -> None:
    """At most three at a time before the spike, all of which ends in one moment; three are under way then."""
    times = came(base=50, end=11, seconds=30)
    took = np.where((times >= 10) & (times < 11), 16.005 - times, 0.05)
    found = felt(times, took)
    assert found.peak_backlog >= 500
    assert found.drained == pytest.approx(5.005, abs=1e-4)
    assert found.drain_rate == pytest.approx((500 + 50 * 5) / 5, rel=0.02)


@pytest.mark.parametrize(
    ("response", "rate", "steady"),
    [
        ((0.1, 0.2), (0.0, 0.0), None),
        ((0.1000001, 0.2), (0.0, 0.0), False),
        ((-0.5, 0.1), (-0.1, 0.3), True),
        ((-0.5, 0.1000001), (0.0, 0.0), None),
        ((0.0, 0.0), (-0.2, -0.1), None),
        ((0.0, 0.0), (-0.2, -0.1000001), False),
        ((0.0, 0.0), (-0.1000001, 0.0), None),
        ((-0.9, -0.8), (0.5, 0.9), True),
    ],
)
def test_steady_is_within_the_tolerance_at_both_ends(
    response: tuple[float, float], rate: tuple[float, float], steady: bool | None
) -> None:
    ends = [Estimate(value=sum(each) / 2, low=each[0], high=each[1]) for each in (response, rate)]
    assert _steady(ends[0], ends[1], 0.1) is steady


@virtual
async def test_a_closed_loop_of_one_request_has_its_figures() -> None:
    report = await bench.closed(lambda: anyio.sleep(0.5), users=1, think=lambda _: 0.25, duration=1)
    assert report.closed is not None
    assert report.traffic is not None
    assert report.traffic.offered == 1
    assert (report.closed.users, report.closed.rate) == (1, 1)
    assert report.closed.think == pytest.approx(0.5)  # before the request, and after it until the end
    assert report.closed.response == pytest.approx(0.5)
    assert report.closed.little == pytest.approx(1)


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
