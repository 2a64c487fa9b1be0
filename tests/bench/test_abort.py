"""Runs that are stopped early, and how seldom that is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from aembed.bench import Goal, constant, load
from aembed.bench.load.abort import AbortOfProcesses, BadCounts
from aembed.bench.slo import advice
from aembed.bench.stats.shares import ShareSample
from tests.bench.decided import ABORT_SECONDS, is_stopped
from tests.bench.queues import behind_one_server

P95 = Goal(metric="p95", limit=0.05)


@pytest.mark.virtual_time
async def test_a_broken_run_is_stopped_early() -> None:
    found = await load(lambda: anyio.sleep(0.1), arrivals=constant(100), duration=600, slo="p95=50ms", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds == pytest.approx(60, abs=0.1)
    assert (found.verdict.state, found.interrupted) == ("over budget", False)
    assert "stopped after 60 s by the sequential test" in advice(found.objectives[0])


@pytest.mark.virtual_time
async def test_a_run_without_any_answer_is_stopped_early() -> None:
    found = await load(lambda: anyio.sleep(3600), arrivals=constant(100), duration=600, slo="p95=50ms", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds < 65


@pytest.mark.virtual_time
async def test_requests_that_never_end_count_from_when_they_are_late() -> None:
    """One in five hangs: each belongs to the second in which it became too late, not to the last."""
    numbers = itertools.count()

    async def hangs() -> None:
        await anyio.sleep(3600 if next(numbers) % 5 == 0 else 0.01)

    found = await load(hangs, arrivals=constant(50), duration=600, slo="p95=50ms", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds == pytest.approx(60, abs=0.1)


@pytest.mark.virtual_time
async def test_errors_stop_a_run() -> None:
    async def fails() -> None:
        await anyio.sleep(0.01)
        raise LookupError

    found = await load(fails, arrivals=constant(20), duration=600, slo="errors=1%", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds == pytest.approx(60, abs=0.1)
    assert found.verdict.state == "failed"


def independent(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    return p95 * np.exp(0.5 * (dice.normal(0, 1, count) - 1.6448536))


def clustered(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    """Ten requests at a time are as slow as each other."""
    return np.repeat(independent(dice, count // 10, p95), 10)


def correlated(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    series = lfilter([(1 - 0.95**2) ** 0.5], [1, -0.95], dice.normal(0, 1, count + 300))[300:]
    return p95 * np.exp(0.5 * (series - 1.6448536))


def busy(dice: np.random.Generator, count: int, p95: float) -> NDArray[np.float64]:
    """A slow stretch may last for many seconds."""
    return behind_one_server(dice, count, p95, q=0.95, busy=0.8)


@pytest.mark.parametrize("world", [independent, clustered, correlated, busy])
def test_truth_a_kept_objective_is_not_aborted(
    world: Callable[[np.random.Generator, int, float], NDArray[np.float64]],
) -> None:
    """Exactly at its limit, for five minutes at 20 requests a second: stopped in 1 % of the runs by design."""
    dice = np.random.default_rng(777)
    assert sum(is_stopped(world(dice, 20 * ABORT_SECONDS, 0.05), P95) for _ in range(200)) <= 2


@pytest.mark.parametrize(("world", "p95"), [(independent, 0.06), (clustered, 0.07), (correlated, 0.075), (busy, 0.1)])
def test_truth_an_objective_that_is_broken_beyond_doubt_ends_the_run(
    world: Callable[[np.random.Generator, int, float], NDArray[np.float64]], p95: float
) -> None:
    dice = np.random.default_rng(778)
    assert sum(is_stopped(world(dice, 20 * ABORT_SECONDS, p95), P95) for _ in range(20)) >= 14


def test_parts_that_depend_on_their_neighbours_say_less() -> None:
    apart = ShareSample.of_series([10, 0] * 10, [100] * 20, 0.001)
    together = ShareSample.of_series([10] * 10 + [0] * 10, [100] * 20, 0.001)
    assert together.size < apart.size / 4
    assert ShareSample.of_series([5] * 20, [100] * 20, 0.001).size == 2000


def test_processes_are_added_up_once_all_have_reported_a_second() -> None:
    abort = AbortOfProcesses([P95])
    for second in range(1, 61):
        bad = BadCounts((10 * second,), (5 * second,))
        abort.add([bad, None], 0)
        abort.add([bad, bad], second)
        abort.add([bad, bad], second)
        assert abort.tests.broken.is_set() == (second == 60)
    assert abort.tests.goal == P95
