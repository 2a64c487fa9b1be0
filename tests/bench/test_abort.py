"""Runs that are stopped early, and how seldom that is wrong."""

from __future__ import annotations

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed.bench import Goal, constant, load
from aembed.bench.load.abort import SequentialTest, dispersion, evidence
from aembed.bench.slo import advice
from tests.bench.queues import behind_one_server

P95 = Goal(metric="p95", limit=0.05)


@pytest.mark.virtual_time
async def test_a_broken_run_is_stopped_early() -> None:
    found = await load(lambda: anyio.sleep(0.1), arrivals=constant(100), duration=600, slo="p95=50ms", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds == pytest.approx(30, abs=0.1)
    assert (found.verdict.state, found.interrupted) == ("over budget", False)
    assert "stopped after 30 s by the sequential test" in advice(found.objectives[0])


@pytest.mark.virtual_time
async def test_a_run_without_any_answer_is_stopped_early() -> None:
    found = await load(lambda: anyio.sleep(3600), arrivals=constant(100), duration=600, slo="p95=50ms", abort=True)
    assert found.traffic is not None
    assert found.traffic.seconds < 35


def test_truth_a_kept_objective_is_not_aborted() -> None:
    """Exactly at its limit, 300 seconds long, looked at every second: stopped in 1 % of the runs by design."""
    dice = np.random.default_rng(11)
    stopped = 0
    for _ in range(200):
        stopped += _ever_broken(P95, dice.binomial(100, 0.05, 300))
    assert stopped <= 4


def test_truth_clusters_do_not_abort() -> None:
    """Bad requests in clusters of five."""
    dice = np.random.default_rng(12)
    assert sum(_ever_broken(P95, 5 * dice.binomial(20, 0.05, 300)) for _ in range(200)) <= 8


@pytest.mark.parametrize(("p95", "least", "most"), [(0.05, 0, 3), (0.09, 15, 20)])
def test_truth_queues_are_aborted_when_they_break_it_beyond_doubt(p95: float, least: int, most: int) -> None:
    """A server that is busy for 80 % of the time, at 20 requests a second: a slow stretch may last for many seconds."""
    dice = np.random.default_rng(13)
    runs = 20 if least else 60
    took = (behind_one_server(dice, 6000, p95, q=0.95, busy=0.8) for _ in range(runs))
    stopped = sum(_ever_broken(P95, (each > 0.05).reshape(300, 20).sum(axis=1), 20) for each in took)
    assert least <= stopped <= most


def _ever_broken(goal: Goal, counts: NDArray[np.int64], each: int = 100) -> bool:
    test = SequentialTest(goal, 0.01)
    for bad in counts:
        test.add(int(bad), each)
        if test.is_broken():
            return True
    return False


def test_evidence_grows_with_bad_requests() -> None:
    assert evidence(0, 0, 0.05) == 0
    assert evidence(0, 100, 0.05) < 0 < evidence(20, 100, 0.05) < evidence(40, 100, 0.05)
    assert evidence(1, 10, 0.0) == float("inf")
    assert dispersion([(1, 10), (1, 10)]) == 1
    assert dispersion([(10, 10), (0, 10)] * 5) > 5
