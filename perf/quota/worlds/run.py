"""One world with one client on virtual time. Whatever goes wrong is part of the outcome, and ends no other run."""

from __future__ import annotations

import asyncio
import random
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from random import Random
from types import FrameType
from typing import Any

import anyio
import numpy as np

from aembed.testing import VirtualTimeLoop
from perf.quota.worlds.bound import least_time, unserved
from perf.quota.worlds.clients import CLIENTS, Client, How, Lost, Retrying
from perf.quota.worlds.demand import abandoned, demand, query, query_times
from perf.quota.worlds.server import Ledger, WorldServer
from perf.quota.worlds.world import World

UNLOADED = "unloaded"
"""The client that sends queries alone, straight to the server."""
UNLOADED_QUERIES = 400
TIMES_THE_BOUND = 20.0
"""A run that takes longer hangs."""
GRACE_S = 600.0
"""Added to it, for what a short run may have to wait for."""
PROCESSOR_S = 120.0
"""Processor time of a run that turns in circles; the longest others take a few seconds."""


@dataclass
class Outcome:
    """What became of a run. ``lost`` counts texts by reason; ``queries`` are seconds from question to answer."""

    client: str
    seconds: float = 0.0
    bound: float = 0.0
    texts: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    answered: int = 0
    rejected: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    query_count: int = 0
    query_p50: float = 0.0
    query_p95: float = 0.0
    query_max: float = 0.0
    exception: str | None = None
    hung: bool = False

    @property
    def efficiency(self) -> float:
        return self.bound / self.seconds if self.seconds and not self.exception and not self.hung else 0.0

    @property
    def rejections(self) -> float:
        """429s for a success."""
        return self.rejected / max(1, self.answered)

    def __str__(self) -> str:
        text = (
            f"{self.client:10} {self.seconds:8.1f} s, least {self.bound:8.1f} s, efficiency {self.efficiency:5.3f}; "
            f"{self.sent} sent, {self.answered} answered, {self.rejections:.4f} 429s per success"
        )
        if self.query_count:
            p50, p95, longest = self.query_p50, self.query_p95, self.query_max
            text += f"; {self.query_count} queries, p50 {p50:.2f} s, p95 {p95:.2f} s, max {longest:.2f} s"
        if self.errors:
            text += f"; {self.errors}"
        if self.lost:
            text += f"; lost {self.lost}"
        if self.hung:
            text += "; HUNG"
        if self.exception:
            text += f"; {self.exception}"
        return text

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


class OutOfProcessorTime(KeyboardInterrupt):
    """Raised by a timer wherever the run is; a KeyboardInterrupt, so that no event loop keeps it."""


def run(world: World, client: str) -> Outcome:
    """The same world and client give the same outcome, on any machine and in any process."""
    outcome = Outcome(client)
    random.seed(f"client {world.seed}")  # what a client draws from the module's generator
    loop = VirtualTimeLoop()
    background: list[str] = []
    loop.set_exception_handler(lambda _, context: background.append(_context(context)))
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PROCESSOR_S)
    try:
        loop.run_until_complete(_watched(world, client, outcome))
    except OutOfProcessorTime:
        outcome.hung = True
    except Exception as error:  # noqa: BLE001  # whatever a client raises is its result
        outcome.exception = _describe(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        _abandon(loop)
    if background and outcome.exception is None:
        outcome.exception = f"in the background: {background[0]}"
    return outcome


async def _watched(world: World, client: str, outcome: Outcome) -> None:
    act = _unloaded if client == UNLOADED else _run
    task = asyncio.ensure_future(act(world, outcome))
    least = least_time(world, demand(world), unserved(demand(world)))
    done, _ = await asyncio.wait({task}, timeout=TIMES_THE_BOUND * least + GRACE_S)
    if done:
        await task
        return
    outcome.hung = True
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    outcome.seconds = TIMES_THE_BOUND * least + GRACE_S


async def _run(world: World, outcome: Outcome) -> None:
    need = demand(world)
    server = WorldServer(world)
    waits: list[float] = []
    lost: Lost = Counter()
    try:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(
                    CLIENTS[outcome.client](server, f"{outcome.client} {world.seed} {number}")
                )
                for number in range(world.processes)
            ]
            outcome.seconds = await _job(world, clients, need.texts, waits, lost)
    finally:
        outcome.texts = len(need.texts)
        outcome.bound = least_time(world, need, server.ledger)
        _note(outcome, server.ledger, waits, lost)


async def _job(world: World, clients: Sequence[Client], texts: Sequence[str], waits: list[float], lost: Lost) -> float:
    """When the documents were done. Queries that are under way then are waited for."""

    async def ask() -> None:
        started = anyio.current_time()
        lost.update(await clients[0].query(query(world)))
        waits.append(anyio.current_time() - started)

    async def documents(client: Client, part: Sequence[str]) -> None:
        lost.update(await client.documents(part))

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as beside:
        beside.start_soon(_ask_all, world, ask, tasks)
        beside.start_soon(_abandon_calls, world, clients[0], tasks)
        async with anyio.create_task_group() as jobs:
            size = -(-len(texts) // (len(clients) * world.texts)) * world.texts
            for number, client in enumerate(clients):
                jobs.start_soon(documents, client, texts[number * size : (number + 1) * size])
        seconds = anyio.current_time()
        beside.cancel_scope.cancel()
    return seconds


async def _ask_all(world: World, ask: Callable[[], Coroutine[Any, Any, None]], tasks: anyio.abc.TaskGroup) -> None:
    for at in query_times(world):
        await anyio.sleep_until(at)
        tasks.start_soon(ask)


async def _abandon_calls(world: World, client: Client, tasks: anyio.abc.TaskGroup) -> None:
    dice = Random(f"abandoned {world.seed}")
    while world.abandoned:
        await anyio.sleep(dice.expovariate(world.abandoned))
        how: How = "cancel" if dice.random() < 0.5 else "deadline"
        tasks.start_soon(client.abandon, abandoned(world), dice.uniform(0.01, 2) * world.latency, how)


async def _unloaded(world: World, outcome: Outcome) -> None:
    """What the queries of a world take while nothing else is sent."""
    asked = replace(world.queries, start=0.0, stop=float("inf"))
    quiet = replace(world, rules=world.minute_rules, foreign=0.0, outages=(), changes=(), queries=asked)
    server = WorldServer(quiet)
    client = Retrying(server, f"unloaded {world.seed}")
    waits: list[float] = []

    async def ask() -> None:
        started = anyio.current_time()
        await client.query(query(quiet))
        waits.append(anyio.current_time() - started)

    times = (at for _, at in zip(range(UNLOADED_QUERIES), query_times(quiet), strict=False))
    async with anyio.create_task_group() as tasks:
        for at in times:
            await anyio.sleep_until(at)
            tasks.start_soon(ask)
    outcome.seconds = anyio.current_time()
    _note(outcome, server.ledger, waits, Counter())


def _note(outcome: Outcome, ledger: Ledger, waits: Sequence[float], lost: Lost) -> None:
    outcome.lost = dict(sorted(lost.items()))
    outcome.sent, outcome.answered, outcome.rejected = ledger.sent, ledger.answered, ledger.rejected
    outcome.errors = dict(sorted(ledger.errors.items()))
    outcome.query_count = len(waits)
    if waits:
        outcome.query_p50, outcome.query_p95 = (float(np.percentile(waits, p)) for p in (50, 95))
        outcome.query_max = max(waits)


def _stop(_: int, __: FrameType | None) -> None:
    raise OutOfProcessorTime


def _abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop whose tasks may never end."""
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # they are meant to be left
    loop.set_exception_handler(lambda _, __: None)
    loop.close()


def _context(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return _describe(error) if isinstance(error, BaseException) else str(context["message"])


def _describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
