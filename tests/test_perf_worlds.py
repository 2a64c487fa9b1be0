"""The generator of servers: the same seed is the same world, no run beats its bound, and nothing ends the session."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio.lowlevel
import pytest

pytest.importorskip("perf.quota", reason="the sources' benchmarks are not part of the package")
pytest.importorskip("aiolimiter")

from perf.quota.worlds import clients, store
from perf.quota.worlds.bound import least_time, unserved
from perf.quota.worlds.clients import Lost, Retrying, WithSemaphore
from perf.quota.worlds.demand import demand, query_times
from perf.quota.worlds.draw import draw
from perf.quota.worlds.draw_plain import draw_plain
from perf.quota.worlds.judge import judge
from perf.quota.worlds.meters import meter
from perf.quota.worlds.outcome import Outcome
from perf.quota.worlds.report import report
from perf.quota.worlds.run import UNLOADED, run
from perf.quota.worlds.scripts import SCRIPTS, Script
from perf.quota.worlds.server import WorldServer
from perf.quota.worlds.situations import SITUATIONS, Situation, Target
from perf.quota.worlds.world import Algorithm, Outage, Queries, Rule, Workers, World

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the watchdog is a timer that Windows does not have")

BUCKET = World(1, (Rule("requests", 600),), batches=1200, texts=1, length_spread=0.0, latency=0.1, slots=4)
RULES = [
    Rule("requests", 60, "bucket", 10.0),
    Rule("requests", 60, "sliding", 10.0),
    Rule("requests", 60, "fixed", 10.0, 3.0),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.algorithm)
def test_a_meter_allows_its_capacity_and_says_when_there_is_more(rule: Rule) -> None:
    each = meter(rule)
    for _ in range(10):
        assert each.wait(20.0, 1) == 0
        each.add(20.0, 1)
    wait = each.wait(20.0, 1)
    assert wait == pytest.approx({"bucket": 1.0, "sliding": 10.0, "fixed": 3.0}[rule.algorithm])
    assert each.wait(20.0 + wait * 0.99, 1) > 0
    assert each.wait(20.0 + wait, 1) == 0
    assert each.wait(20.0 + wait, 11) == float("inf")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.algorithm)
def test_half_the_quota_is_half_the_capacity(rule: Rule) -> None:
    each = meter(rule)
    each.scale(0.0, 0.5)
    assert each.left(100.0) == pytest.approx(5)


def test_a_seed_is_one_world_in_every_process() -> None:
    program = "from perf.quota.worlds.draw import draw; from perf.quota.worlds.run import run\n"
    program += "print(hash('a'), [draw(seed) for seed in range(9)], run(draw(9), 'aembed'))"
    environments = [os.environ | {"PYTHONHASHSEED": seed} for seed in "12"]
    command = [sys.executable, "-c", program]
    lines = [
        subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout for env in environments
    ]
    hashes, rest = zip(*(line.split(" ", 1) for line in lines), strict=True)
    assert hashes[0] != hashes[1]
    assert rest[0] == rest[1]


def test_worlds_are_of_every_kind() -> None:
    worlds = [draw(seed) for seed in range(100)]
    algorithms = Counter(rule.algorithm for world in worlds for rule in world.rules)
    assert set(algorithms) == {"bucket", "sliding", "fixed"}
    for kind in (
        [world for world in worlds if world.workers],
        [world for world in worlds if world.most_in_flight],
        [world for world in worlds if world.outages],
        [world for world in worlds if world.changes],
        [world for world in worlds if world.abandoned],
        [world for world in worlds if world.foreign],
        [world for world in worlds if world.queries.rate],
        [world for world in worlds if not world.known],
    ):
        assert 1 < len(kind) < 90
    for world in worlds[:30]:
        need = demand(world)
        for rule in world.rules:
            assert getattr(need, rule.resource) / need.requests <= rule.capacity, "a batch must fit"


def test_the_second_generator_draws_every_kind_and_nothing_impossible() -> None:
    worlds = [draw_plain(seed) for seed in range(200)]
    assert {(world.rules[0].algorithm, world.rules[0].span) for world in worlds} == {
        (algorithm, span) for algorithm in ("bucket", "sliding", "fixed") for span in (1.0, 10.0, 60.0)
    }
    assert {world.headers for world in worlds} == {"all", "requests", "none"}
    for chosen in (
        [world for world in worlds if not world.known],
        [world for world in worlds if world.stated.requests],
        [world for world in worlds if world.queries.rate],
        [world for world in worlds if world.outages],
        [world for world in worlds if world.errors],
    ):
        assert 20 < len(chosen) < 180
    for world in worlds:
        need = demand(replace(world, batches=20))
        for rule in world.rules:
            assert getattr(need, rule.resource) / need.requests <= rule.capacity, "a batch must fit"
    assert not {world.seed for world in worlds} & set(range(10_000)), "cached outcomes must not be mixed up"


@pytest.mark.parametrize("seed", range(20, 28))
def test_no_run_is_faster_than_the_least_time(seed: int) -> None:
    world = draw(seed)
    world = replace(world, batches=min(world.batches, 200))
    for client in ("aiolimiter", "semaphore"):
        outcome = run(world, client)
        assert not outcome.exception
        assert 0 < outcome.efficiency <= 1.0001


@pytest.mark.parametrize("algorithm", ["bucket", "sliding", "fixed"])
def test_the_least_time_is_reached_by_asking_at_the_right_moment(algorithm: Algorithm) -> None:
    rule = Rule("requests", 600, algorithm, 20.0, 7.0 if algorithm == "fixed" else 0.0)
    assert run(replace(BUCKET, rules=(rule,), spread=0.0), "semaphore").efficiency > 0.97


def test_an_outage_and_a_change_of_the_quota_are_part_of_the_least_time() -> None:
    down = replace(BUCKET, outages=(Outage(30.0, 60.0, "pause"),), changes=((80.0, 0.5),))
    usual, longer = run(BUCKET, "semaphore"), run(replace(down, batches=1500), "semaphore")
    assert usual.bound == pytest.approx(60, abs=1)
    assert longer.bound == pytest.approx(100, abs=1), "600 at once, 300, 300 when it is back, 200; then half speed"
    assert longer.efficiency > 0.97


def test_workers_are_busy_all_the_time_with_enough_at_once() -> None:
    workers = Workers(((0.0, 4), (20.0, 1), (40.0, 8)), per_request=0.2, spread=0.3, speeds=(1.0, 0.5))
    world = World(3, workers=workers, batches=800, latency=0.02, queries=Queries(0.5))
    assert 0.95 < run(world, "semaphore").efficiency <= 1.0001
    assert least_time(world, demand(world), unserved(world, demand(world))) > 30, "or the watchdog ends it too early"


def test_queries_without_a_load_are_all_timed() -> None:
    world = replace(
        BUCKET, batches=10, queries=Queries(0.1, pattern="stops", stop=20.0), outages=(Outage(1, 9, "503"),)
    )
    unloaded = run(world, UNLOADED)
    assert (unloaded.query_count, unloaded.hung) == (400, False)
    assert unloaded.query_max < 0.4


def test_queries_stop_when_they_should() -> None:
    assert list(query_times(replace(BUCKET, queries=Queries(5.0, stop=10.0))))[-1] < 10
    times = query_times(replace(BUCKET, queries=Queries(5.0, start=7.0, burst=3)))
    assert next(times) == next(times) == next(times) > 7


class Hanging(WithSemaphore):
    async def documents(self, texts: Sequence[str]) -> Lost:
        await asyncio.Event().wait()
        return Counter()


class Raising(WithSemaphore):
    async def documents(self, texts: Sequence[str]) -> Lost:
        raise ValueError("math domain error")


class RaisingInATimer(WithSemaphore):
    async def documents(self, texts: Sequence[str]) -> Lost:
        asyncio.get_running_loop().call_later(0.1, divmod, 1, 0)
        return await super().documents(texts)


def outcome_of(client: type[Retrying], monkeypatch: pytest.MonkeyPatch) -> Outcome:
    @asynccontextmanager
    async def opened(server: WorldServer, seed: str) -> AsyncGenerator[Retrying]:
        yield client(server, seed)

    monkeypatch.setitem(clients.CLIENTS, "semaphore", opened)
    return run(replace(BUCKET, batches=50), "semaphore")


def test_a_client_that_hangs_or_raises_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome_of(Hanging, monkeypatch).hung
    assert "math domain error" in str(outcome_of(Raising, monkeypatch).exception)
    assert "ZeroDivisionError" in str(outcome_of(RaisingInATimer, monkeypatch).exception)


def test_a_client_that_turns_in_circles_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Turning(WithSemaphore):
        async def documents(self, texts: Sequence[str]) -> Lost:
            while texts:
                await anyio.lowlevel.checkpoint()
            return Counter()

    monkeypatch.setattr("perf.quota.worlds.run.PROCESSOR_S", 0.05)
    assert outcome_of(Turning, monkeypatch).hung


def test_outcomes_of_rivals_are_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    world = replace(BUCKET, batches=20)
    first = store.outcome_of(world, "aiolimiter")
    monkeypatch.setattr(store, "run", None)
    assert store.outcome_of(world, "aiolimiter") == first
    with pytest.raises(TypeError):
        store.outcome_of(replace(world, seed=2), "aiolimiter")


def test_a_jump_of_the_clock_is_one_of_the_clients() -> None:
    jumped = run(replace(BUCKET, clock_jump=(30.0, 3600.0)), "semaphore")
    assert jumped.efficiency > 0.97
    assert jumped.seconds < 100


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
def test_a_situation_is_a_world_that_can_be_judged(situation: Situation) -> None:
    worlds = situation.worlds()
    assert len({world.seed for world in worlds}) == len(worlds)
    outcome = Outcome("aembed", seconds=1, bound=1)
    assert situation.target.missed(outcome, Outcome("unloaded", query_p95=1.0)) == []
    assert "ValueError" in situation.target.missed(replace(outcome, exception="ValueError"), None)
    assert situation.target.missed(replace(outcome, lost={"ConnectError, 2 attempts": 1}), None)


def test_a_missed_target_is_named() -> None:
    target = Target(efficiency=0.9, query_ratio=2.0, query_s=1.0, rejections=0.1, requests=1.3, peak=1.0, attempts=5)
    bad = Outcome("aembed", seconds=9, bound=1, sent=9, answered=3, rejected=1, query_p95=3.0, query_count=9, peak=2.0)
    missed = ["efficiency", "queries", "queries in time", "429s", "requests", "above the limit"]
    assert target.missed(bad, Outcome("unloaded", query_p95=1.0)) == missed
    good = Outcome("aembed", seconds=1, bound=1, sent=9, answered=9, lost={"OverloadedError, 5 attempts": 1})
    assert target.missed(good, None) == []


def test_scripts_come_to_a_result() -> None:
    texts = {script.name: script.run() for script in SCRIPTS if "7200" in script.name}
    assert [is_right for _, is_right in texts.values()] == [True], texts


def test_a_script_that_raises_or_hangs_has_failed() -> None:
    async def raises() -> tuple[str, bool]:
        raise ValueError("no")

    async def hangs() -> tuple[str, bool]:
        await anyio.sleep_forever()
        return "never", True

    assert Script("raises", raises).run() == ("ValueError: no", False)
    assert Script("hangs", hangs).run() == ("not done after 8 hours", False)


def test_the_rule_says_why_a_world_fails() -> None:
    good = Outcome("aembed", seconds=100, bound=99, answered=100)
    rivals = {"aiolimiter": replace(good, seconds=101), "semaphore": replace(good, seconds=120)}
    unloaded = Outcome("unloaded", query_p95=0.6)
    cases = {
        (): good,
        ("slow, known",): replace(good, seconds=109),
        ("lost",): replace(good, lost={"ConnectError": 1}),
        ("hang",): replace(good, hung=True),
        ("exception",): replace(good, exception="ValueError"),
        ("429s",): replace(good, rejected=11),
        ("queries, known",): replace(good, query_p95=1.4, query_count=99),
    }
    judged = {failures: judge(BUCKET, outcome, rivals, unloaded) for failures, outcome in cases.items()}
    assert {failures: each.failures for failures, each in judged.items()} == {each: each for each in cases}
    assert judge(replace(BUCKET, known=False), cases["slow, known",], rivals, unloaded).failures == ()
    assert judged["429s",].slower == pytest.approx(-0.01, abs=0.002)
    assert judged["hang",].slower == math.inf
    assert "1 of 7 worlds pass" in report(list(judged.values()))
