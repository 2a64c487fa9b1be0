"""Situations that stopped a gate or slowed it down, each against a strict server: nothing hangs, raises or is lost."""

from __future__ import annotations

import sys
from dataclasses import replace
from statistics import mean

import pytest

pytest.importorskip("perf.quota", reason="the sources' benchmarks are not part of the package")

from perf.quota.worlds.outcome import Outcome
from perf.quota.worlds.run import run
from perf.quota.worlds.situations import bulk, requests, tokens
from perf.quota.worlds.world import Algorithm, Headers, Outage, Queries, Stated, World

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the watchdog is a timer that Windows does not have")


def played(world: World) -> Outcome:
    """Every text has its vector."""
    outcome = run(world, "aembed")
    assert (outcome.exception, outcome.hung, outcome.lost) == (None, False, {})
    return outcome


@pytest.mark.parametrize(("algorithm", "headers"), [("sliding", "all"), ("sliding", "none"), ("bucket", "all")])
def test_fault_99_queries_stop_during_a_job_limited_by_tokens(algorithm: Algorithm, headers: Headers) -> None:
    """On average: of three windows the third is hardly used, so that a few batches more or less decide."""
    worlds = [
        World(
            seed,
            (tokens(160_000, algorithm),),
            headers=headers,
            stated=Stated(tokens=None if headers == "all" else 160_000),
            batches=2000,
            queries=Queries(4.0, 100.0, "stops", stop=60.0),
        )
        for seed in range(5)
    ]
    assert mean(played(world).efficiency for world in worlds) >= 0.8


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "told"])
@pytest.mark.parametrize(("span", "efficiency"), [(0.1, 0.7), (1.0, 0.93), (10.0, 0.8)])
def test_fault_103_windows_shorter_than_a_minute_are_used(span: float, efficiency: float, stated: bool) -> None:
    """3,000 requests a minute: five in a tenth of a second."""
    limits, headers = (Stated(requests=3000), "none") if stated else (Stated(), "all")
    world = bulk(requests(3000, "sliding", span), 1.0, latency=0.05, spread=0.05, stated=limits, headers=headers)
    outcome = played(world)
    assert outcome.efficiency >= efficiency
    assert outcome.rejections <= 0.1


@pytest.mark.parametrize("short", ["tokens", "requests"])
def test_fault_104_the_shorter_of_two_reported_resources_decides(short: str) -> None:
    rules = (
        tokens(160_000 if short == "tokens" else 16e6, "bucket"),
        requests(600 if short == "requests" else 60_000, "bucket"),
    )
    outcome = played(World(0, rules, headers="all", batches=1500, texts=1, batch_tokens=200.0))
    assert outcome.efficiency >= 0.9
    assert outcome.rejections <= 0.01


def test_fault_105_replies_that_overtake_each_other_lead_to_no_429() -> None:
    world = bulk(requests(1200), 2, headers="all", stated=Stated(requests=1200), latency=0.07, spread=0.4)
    outcome = played(world)
    assert (outcome.rejected, outcome.peak <= 1.0) == (0, True)


@pytest.mark.parametrize("headers", ["all", "none"])
def test_fault_106_abandoned_requests_count_on_a_sliding_window(headers: Headers) -> None:
    world = bulk(requests(1200), 2, headers=headers, stated=Stated(requests=1200), latency=0.07, spread=0.4)
    outcome = played(replace(world, abandoned=4.0))
    assert (outcome.rejected, outcome.peak <= 1.0) == (0, True)


def test_fault_107_an_entry_of_a_window_that_expires_now_leads_to_no_429() -> None:
    world = bulk(requests(15), 6, stated=Stated(requests=15), latency=0.1, spread=0.0, headers="none")
    outcome = played(world)
    assert (outcome.rejected, outcome.peak <= 1.0) == (0, True)


@pytest.mark.parametrize("retry_after", [2.0, 30.0, None])
def test_fault_102_minutes_of_429s_and_then_health(retry_after: float | None) -> None:
    """A server that names no time is given up after a minute and a half."""
    seconds = 60.0 if retry_after is None else 300.0
    outages = (Outage(60.0, 60.0 + seconds, "429", retry_after),)
    world = bulk(requests(1200, "bucket"), 3, headers="all", outages=outages)
    assert played(world).efficiency >= 0.7
