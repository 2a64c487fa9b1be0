"""One run of one scenario with one client, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

import anyio

from aembed.testing import VirtualTimeLoop
from perf.quota.bound import least_time
from perf.quota.rivals import CLIENTS, Client
from perf.quota.scenarios import Scenario
from perf.quota.server import StrictServer

UNLOADED_QUERIES = 200


@dataclass(frozen=True)
class Outcome:
    """``queries`` are seconds from question to answer; those under way when the job ends are waited for."""

    seconds: float
    bound: float
    failed: int
    rejected: int
    answered: int
    queries: tuple[float, ...]

    @property
    def efficiency(self) -> float:
        return self.bound / self.seconds


def run(scenario: Scenario, client: str, seed: int) -> Outcome:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_run(scenario, client, seed))


def unloaded(scenario: Scenario, seed: int) -> tuple[float, ...]:
    """Times of queries while nothing else is sent, with aembed."""
    quiet = replace(scenario.server, foreign=0.0, down=None)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_unloaded(replace(scenario, server=quiet), seed))


async def _run(scenario: Scenario, client_name: str, seed: int) -> Outcome:
    server = StrictServer(scenario.server, seed, scenario.texts)
    texts = documents(scenario, Random(seed + 1))
    waits: list[float] = []
    failed = 0

    async def ask(client: Client) -> None:
        nonlocal failed
        started = anyio.current_time()
        failed += await client.query("q" * 40)
        waits.append(anyio.current_time() - started)

    async def queries(client: Client, scope: anyio.CancelScope) -> None:
        random = Random(seed + 2)
        with scope:
            while True:
                await anyio.sleep(random.expovariate(scenario.queries))
                tasks.start_soon(ask, client)

    async with CLIENTS[client_name](scenario, server, seed + 3) as client, anyio.create_task_group() as tasks:
        asking, spending = anyio.CancelScope(), anyio.CancelScope()
        tasks.start_soon(queries, client, asking)
        if scenario.server.foreign:
            tasks.start_soon(_spend, server, spending)
        failed += await client.documents(texts)
        seconds = anyio.current_time()
        bound = least_time(scenario, server, seconds)
        asking.cancel()
        spending.cancel()
    return Outcome(seconds, bound, failed, server.rejected, server.answered, tuple(waits))


async def _spend(server: StrictServer, scope: anyio.CancelScope) -> None:
    with scope:
        await server.spend_as_others()


async def _unloaded(scenario: Scenario, seed: int) -> tuple[float, ...]:
    server = StrictServer(scenario.server, seed, scenario.texts)
    random = Random(seed + 2)
    waits: list[float] = []
    async with CLIENTS["aembed"](scenario, server, seed + 3) as client:
        for _ in range(UNLOADED_QUERIES):
            await anyio.sleep(random.expovariate(scenario.queries))
            started = anyio.current_time()
            await client.query("q" * 40)
            waits.append(anyio.current_time() - started)
    return tuple(waits)


def documents(scenario: Scenario, random: Random) -> list[str]:
    """Texts, no two alike, whose lengths follow a gamma distribution; no batch is longer than half the quota."""
    mean = scenario.tokens * 4 / scenario.texts
    shape = 1 / scenario.spread**2
    longest = int(scenario.server.tokens * 4 / scenario.texts / 2)
    total = scenario.batches * scenario.texts

    def length(number: int) -> int:
        drift = scenario.drift ** (1 - 6 * number // total % 3)
        return min(longest, int(random.gammavariate(shape, mean * drift / shape)))

    return [f"{number:x}".ljust(length(number), "x") for number in range(total)]
