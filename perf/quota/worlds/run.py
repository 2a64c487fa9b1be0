"""One world with one client on virtual time. A failure is part of the outcome, and ends no other run."""

from __future__ import annotations

import asyncio
import random
import signal
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice
from random import Random
from types import FrameType
from typing import Any

import anyio

from aembed.testing import VirtualTimeLoop
from perf.quota.worlds.bound import least_time, unserved
from perf.quota.worlds.clients import CLIENTS, Client, How, Retrying
from perf.quota.worlds.clock import JumpingLoop
from perf.quota.worlds.demand import abandoned, demand, query, query_times
from perf.quota.worlds.outcome import Noted, Outcome
from perf.quota.worlds.server import WorldServer
from perf.quota.worlds.world import DAY, World

UNLOADED = "unloaded"
"""The client that sends queries alone, straight to the server."""
UNLOADED_QUERIES = 400
TIMES_THE_BOUND, TIMES_THE_BOUND_RIVALS = 20.0, 6.0
"""A run that takes longer hangs. A rival so slow is not the better one."""
GRACE_S, GRACE_S_RIVALS = 600.0, 90.0
"""Added to it, for what a short run may have to wait for."""
PROCESSOR_S = 120.0
"""Processor time of a run that turns in circles; the longest others take a few seconds."""


class OutOfProcessorTime(KeyboardInterrupt):
    """Raised by a timer wherever the run is; a KeyboardInterrupt, so that no event loop keeps it."""


def run(world: World, client: str) -> Outcome:
    """The same world and client give the same outcome, on any machine and in any process."""
    outcome = Outcome(client)
    random.seed(f"client {world.seed}")  # what a client draws from the module's generator
    loop = JumpingLoop(*world.clock_jump) if any(world.clock_jump) else VirtualTimeLoop()
    background: list[str] = []
    loop.set_exception_handler(lambda _, context: background.append(_context(context)))
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PROCESSOR_S)
    try:
        loop.run_until_complete(_watched(world, client, outcome))
    except OutOfProcessorTime:
        outcome.hung = True
    except Exception as error:  # noqa: BLE001  # any error of a client is its result
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
    longest = _longest(world, client)
    done, _ = await asyncio.wait({task}, timeout=longest)
    if done:
        await task
        return
    outcome.hung = True
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    outcome.seconds = longest


def _longest(world: World, client: str) -> float:
    """Seconds after which a run hangs."""
    if client == UNLOADED:
        return DAY
    times, grace = (TIMES_THE_BOUND, GRACE_S) if client == "aembed" else (TIMES_THE_BOUND_RIVALS, GRACE_S_RIVALS)
    return times * least_time(world, demand(world), unserved(world, demand(world))) + grace + world.clock_jump[1]


async def _run(world: World, outcome: Outcome) -> None:
    need = demand(world)
    noted = Noted(WorldServer(world))
    try:
        async with AsyncExitStack() as stack:
            seeds = [f"{outcome.client} {world.seed} {number}" for number in range(world.processes)]
            opened = [CLIENTS[outcome.client](noted.server, seed) for seed in seeds]
            clients = [await stack.enter_async_context(client) for client in opened]
            await _job(world, clients, need.texts, noted)
    finally:
        outcome.texts = len(need.texts)
        outcome.bound = least_time(world, need, noted.server.ledger)
        noted.write(outcome)


async def _job(world: World, clients: Sequence[Client], texts: Sequence[str], noted: Noted) -> None:
    """Queries that are under way when the documents are done are waited for."""

    async def ask() -> None:
        asked = noted.server.now()
        noted.lost.update(await clients[0].query(query(world)))
        noted.waits.append((asked, noted.server.now() - asked))

    async def documents(client: Client, part: Sequence[str]) -> None:
        noted.lost.update(await client.documents(part))

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as beside:
        beside.start_soon(_ask_all, world, ask, tasks)
        beside.start_soon(_abandon_calls, world, clients[0], tasks)
        async with anyio.create_task_group() as jobs:
            size = -(-len(texts) // (len(clients) * world.texts)) * world.texts
            for number, client in enumerate(clients):
                jobs.start_soon(documents, client, texts[number * size : (number + 1) * size])
        noted.seconds = noted.server.now()
        beside.cancel_scope.cancel()


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
    """Time the queries of a world while nothing else is sent."""
    asked = replace(world.queries, start=0.0, stop=float("inf"))
    quiet = replace(world, rules=world.minute_rules, foreign=0.0, outages=(), changes=(), queries=asked)
    noted = Noted(WorldServer(quiet))
    client = Retrying(noted.server, f"unloaded {world.seed}")

    async def ask() -> None:
        started = noted.server.now()
        await client.query(query(quiet))
        noted.waits.append((started, noted.server.now() - started))

    async with anyio.create_task_group() as tasks:
        for at in islice(query_times(quiet), UNLOADED_QUERIES):
            await anyio.sleep_until(at)
            tasks.start_soon(ask)
    noted.write(outcome)


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
