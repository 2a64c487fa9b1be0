"""Objectives decided on intervals, and how seldom the decision is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as oracle
from scipy.signal import lfilter

from aembed import InputError
from aembed.bench import Estimate, Goal, constant, load
from aembed.bench.load.burst import recovery_judged
from aembed.bench.load.knee import with_rate
from aembed.bench.load.objectives import FALLS_BEHIND, falls_behind
from aembed.bench.load.summary import windows
from aembed.bench.micro.timing import judged as decide_micro
from aembed.bench.micro.timing import weighed
from aembed.bench.model.result import Verdict
from aembed.bench.settings import RunSettings
from aembed.bench.slo import goals
from aembed.bench.stats.sample import TAIL
from aembed.bench.stats.shares import ShareSample, as_decided
from tests.bench.decided import decided, rows
from tests.bench.queues import Times, behind_one_server, responses
from tests.bench.reports import micro, report
from tests.bench.samples import samples


@pytest.mark.parametrize(("bad", "count"), [(0, 100), (3, 100), (100, 100), (250, 5000)])
def test_bounds_of_a_share_are_exact(bad: int, count: int) -> None:
    found = oracle.binomtest(bad, count).proportion_ci(0.95, method="exact")
    assert ShareSample(bad, count, count).interval(0.025) == pytest.approx((found.low, found.high), abs=1e-9)


@pytest.mark.parametrize(("bad", "limit"), [(30, 0.05), (60, 0.05), (70, 0.05), (0, 0.001)])
def test_the_run_that_is_advised_decides(bad: int, limit: float) -> None:
    sample = ShareSample(bad, 1000, 500)
    assert sample.is_within(limit, 0.025) is (True if bad == 30 else None)
    times = sample.times_to_decide(limit, 0.025)
    assert times is not None
    longer = ShareSample(round(bad * times), round(1000 * times), 500 * times)
    assert longer.is_within(limit, 0.025) is not None
    if bad != 30:
        shorter = ShareSample(round(bad * times * 0.9), round(900 * times), 450 * times)
        assert shorter.is_within(limit, 0.025) is None


def test_no_run_is_advised_at_the_limit() -> None:
    assert ShareSample(50, 1000, 1000).times_to_decide(0.05, 0.025) is None


def scripted(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    """Log-normal times with this 95th percentile."""
    return np.exp(dice.normal(0, 0.5, count) - 0.5 * 1.6448536) * p95


def queued(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    """The same distribution, but slow requests come together, as in a queue: an autoregressive series."""
    series = lfilter([(1 - 0.8**2) ** 0.5], [1, -0.8], dice.normal(0, 1, count + 100))[100:]
    return np.exp(0.5 * series - 0.5 * 1.6448536) * p95


def half_busy(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    return behind_one_server(dice, count, p95, q=0.95, busy=0.5)


@pytest.mark.parametrize("times", [scripted, queued, half_busy])
@pytest.mark.parametrize(("p95", "right"), [(0.045, "kept"), (0.05, "inconclusive"), (0.055, "broken")])
def test_truth_wrong_decisions_are_rare(
    times: Callable[[np.random.Generator, int, float], NDArray[np.float64]], p95: float, right: str
) -> None:
    """A p95 of 0.9, 1 and 1.1 times the objective: at most 5 % of the decisions are wrong, of 200 runs each."""
    dice = np.random.default_rng(7)
    states = [decided(times(dice, 4000, p95), "p95=50ms")[0].state for _ in range(200)]
    assert sum(state not in {right, "inconclusive"} for state in states) <= 10


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("busy", [0.8, 0.9])
def test_truth_queues_of_busy_servers_are_decided_as_seldom_wrongly(busy: float, q: float) -> None:
    """At the limit exactly, where any decision is wrong, with slow stretches of hundreds of requests."""
    dice = np.random.default_rng(round(1000 * busy + 100 * q))
    runs = [behind_one_server(dice, 4000, 0.05, q, busy) for _ in range(100)]
    decisions = [decided(times, f"p{100 * q:g}=50ms")[0].state for times in runs]
    assert sum(state != "inconclusive" for state in decisions) <= 0.05 * len(runs)


@pytest.mark.parametrize(
    ("low", "high", "within", "shown"),
    [
        (0.02, 0.03, True, (0.02, 0.03)),
        (0.02, 0.06, True, (0.02, 0.05)),
        (0.02, None, True, (0.02, 0.05)),
        (0.04, 0.06, False, (0.05, 0.06)),
        (None, None, False, (0.05, None)),
        (0.02, 0.03, None, (0.02, 0.05)),
        (0.06, 0.07, None, (0.05, 0.07)),
        (None, 0.03, None, (None, 0.05)),
    ],
)
def test_an_interval_lies_where_the_decision_says(
    low: float | None, high: float | None, within: bool | None, shown: tuple[float | None, float | None]
) -> None:
    assert as_decided(low, high, 0.05, within) == shown


def test_a_decision_and_its_interval_agree() -> None:
    dice = np.random.default_rng(21)
    for _ in range(40):
        found = decided(behind_one_server(dice, 2000, dice.uniform(0.02, 0.09), 0.95, 0.7), "p95=50ms")[0]
        assert found.low is None or found.low <= 0.05 or found.state == "broken"
        assert found.high is None or found.high >= 0.05 or found.state == "kept"


@pytest.mark.parametrize("times", [queued, half_busy])
def test_dependent_requests_are_decided_in_a_longer_run(
    times: Callable[[np.random.Generator, int, float], NDArray[np.float64]],
) -> None:
    """Caution costs time, not the decision."""
    dice = np.random.default_rng(8)
    assert [decided(times(dice, 40_000, p95), "p95=50ms")[0].state for p95 in (0.043, 0.057)] == ["kept", "broken"]


def test_a_run_of_one_slow_stretch_decides_nothing() -> None:
    """That it has no second one says little."""
    latencies = np.full(1000, 0.01)
    latencies[300:345] = 0.2
    assert decided(latencies, "p95=50ms")[0].state == "inconclusive"


def test_a_rate_is_judged_without_the_noise_of_arrivals() -> None:
    answered = np.full(3000, 0.002)
    (kept,) = decided(answered, "rate=100/s")
    assert kept.state == "kept"
    falling_behind: NDArray[np.float64] = np.linspace(0, 9, 3000)
    (broken,) = decided(falling_behind, "rate=100/s")
    assert broken.state == "broken"
    (short,) = decided(answered[:200], "rate=100/s")
    assert (short.state, short.seconds_longer) == ("inconclusive", 4.0)


def test_several_objectives_share_the_error() -> None:
    latencies = scripted(np.random.default_rng(3), 2000, 0.046)
    one, (first, *_) = decided(latencies, "p95=50ms"), decided(latencies, "p95=50ms,errors=1%,rate=90/s")
    assert one[0].low is not None
    assert first.low is not None
    assert first.low < one[0].low


def test_errors_decide_and_replace_the_share_that_must_be_good() -> None:
    latencies = scripted(np.random.default_rng(3), 1000, 0.01)
    latencies[::25] = np.inf
    assert decided(latencies, "errors=10%")[0].state == "kept"
    assert decided(latencies, "errors=1%")[0].state == "broken"
    assert decided(latencies, "errors=4%")[0].state == "inconclusive"
    assert (RunSettings(slo="errors=10%").floor, RunSettings().floor, RunSettings(min_good=0.5).floor) == (
        0.0,
        0.99,
        0.5,
    )
    with pytest.raises(InputError, match="say the same"):
        RunSettings(slo="errors=10%", min_good=0.9)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("failing", "state", "code"), [(0.0, "ok", 0), (0.05, "failed", 1), (1.0, "failed", 1)])
async def test_a_run_reports_its_objectives(failing: float, state: str, code: int) -> None:
    dice = random.Random(1)

    async def call() -> None:
        await anyio.sleep(0.02)
        if dice.random() < failing:
            raise LookupError

    found = await load(call, arrivals=constant(100), duration=20, slo="p95=50ms,errors=1%")
    assert (found.verdict.state, found.verdict.exit_code) == (state, code)
    assert found.objectives[1].state == ("broken" if failing else "kept")


@pytest.mark.virtual_time
async def test_an_undecided_objective_asks_for_a_longer_run() -> None:
    found = await load(lambda: anyio.sleep(0.02), arrivals=constant(10), duration=5, slo="p95=50ms")
    assert (found.verdict.state, found.verdict.exit_code, found.is_measured) == ("inconclusive", 3, True)
    (open_,) = found.objectives
    assert open_.seconds_longer == 3
    assert "run 3 s longer" in found.verdict.reasons[0]


def test_the_worse_verdict_counts() -> None:
    broken, unsure = Verdict(state="over budget", reasons=("a",)), Verdict(state="inconclusive", reasons=("b",))
    assert broken.joined(unsure) == unsure.joined(broken) == broken
    assert broken.joined(Verdict(state="over budget", reasons=("c",))).reasons == ("a", "c")
    assert not report(verdict=unsure).is_measured


def test_a_recovery_is_judged() -> None:
    burst = samples()["burst"].burst
    assert burst is not None
    goal = Goal(metric="recovery", limit=5.0)
    for recovery, recovery_unknown, state in [(4.0, None, "kept"), (6.0, None, "broken"), (None, None, "broken")]:
        assert (
            recovery_judged(goal, replace(burst, recovery=recovery, recovery_unknown=recovery_unknown)).state == state
        )
    assert recovery_judged(goal, replace(burst, recovery=None, recovery_unknown="too few")).state == "inconclusive"


@pytest.mark.parametrize(
    ("limit", "knee", "state"),
    [
        (100, Estimate(value=150, low=120, high=180), "kept"),
        (150, Estimate(value=150, low=120, high=180), "inconclusive"),
        (200, Estimate(value=150, low=120, high=180), "broken"),
        (200, Estimate(value=150, low=150), "inconclusive"),
        (100, Estimate(value=150), "inconclusive"),
        (10, None, "broken"),
    ],
)
def test_the_knee_must_reach_a_rate(limit: float, knee: Estimate | None, state: str) -> None:
    made = samples()["steps"]
    assert made.steps is not None
    verdict = Verdict(state="over budget", reasons=("met at no rate",)) if knee is None else Verdict()
    made = replace(made, verdict=verdict, steps=replace(made.steps, knee=knee))
    found = with_rate(made, Goal(metric="rate", limit=limit)).objectives[-1]
    assert found.state == state
    assert found.note == ("longer steps would narrow the interval" if state == "inconclusive" else "")


@pytest.mark.parametrize(
    ("spread", "lost", "state"), [(0.05, 0.64, "ok"), (0.18, 0.002, "ok"), (0.18, 0.64, "invalid")]
)
def test_noise_is_weighed_where_the_interval_shows_it(spread: float, lost: float, state: str) -> None:
    made = report(micro=micro(1e-6, spread))
    assert made.before is not None
    made = weighed(replace(made, before=replace(made.before, lost=lost)))
    assert made.verdict.state == state
    (found,) = decide_micro(made, goals("time=2us")).objectives
    assert found.state == ("kept" if state == "ok" else "not judged")


def one_by_one(dice: np.random.Generator, rate: float, seconds: float) -> tuple[Times, Times]:
    """Random times of requests, and their response times at a server that does 100/s one after another."""
    gaps = dice.exponential(1 / rate, round(rate * seconds))
    return np.cumsum(gaps), responses(gaps, np.full(len(gaps), 0.01))


@pytest.mark.parametrize("slo", ["p50=50ms", "p95=50ms", "p99=1s"])
def test_beyond_capacity_a_percentile_above_its_limit_is_broken(slo: str) -> None:
    """No interval decides: each answer waits for the one before, so that all are hardly more than one observation."""
    times, latencies = one_by_one(np.random.default_rng(3), rate=150, seconds=20)
    (judgement,) = decided(latencies, slo, times=times)
    assert (judgement.state, judgement.note) == ("broken", FALLS_BEHIND)
    assert judgement.seconds_longer is None
    assert judgement.low == judgement.goal.limit


def test_a_percentile_that_is_within_as_measured_is_not_broken_there() -> None:
    times, latencies = one_by_one(np.random.default_rng(3), rate=150, seconds=20)
    assert decided(latencies, "p95=30s", times=times)[0].state != "broken"


@pytest.mark.parametrize("took", [0.1, 3.0, 9.0])
def test_slow_answers_that_keep_pace_are_not_beyond_capacity(took: float) -> None:
    """The first ones are missing for as long as one answer takes."""
    chosen = rows(np.full(2000, took))
    assert not falls_behind(windows(chosen, seconds=20, width=1.0), 20, TAIL)


def test_failures_are_answers() -> None:
    chosen = rows(np.where(np.arange(2000) % 3 == 0, np.inf, 0.01))
    assert not falls_behind(windows(chosen, seconds=20, width=1.0), 20, TAIL)


def test_few_windows_say_nothing() -> None:
    times, latencies = one_by_one(np.random.default_rng(3), rate=200, seconds=20)
    found = windows(rows(latencies, times=times), seconds=20, width=1.0)
    assert [falls_behind(found[:count], count, TAIL) for count in (6, 7, 20)] == [False, True, True]
