"""Scenarios whose truth is known: what ``aembed bench selftest`` must find."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from aembed.bench.scenario import Case, scenario
from aembed.bench.subject import Subject

OVERHEAD = 3
"""Turns of a call in addition to the usual ones."""


@scenario(turns=[57, 1497, 29_997])
async def spin(case: Case) -> AsyncIterator[Subject]:
    """Computes for some 2 us, 50 us, 1 ms."""
    turns = range(case.turns)

    async def call() -> int:
        total = 0
        for i in turns:
            total += i * i
        return total

    yield Subject(call)


def slower(turns: int, slowdown: float) -> int:
    """The turns that make :func:`spin` slower by this share."""
    return turns + round(slowdown * (turns + OVERHEAD))


@scenario(every=[20])
async def leaky(case: Case) -> AsyncIterator[Subject]:
    """Keeps 100 bytes of every so many calls."""
    kept: list[bytes] = []
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        if calls % case.every == 0:
            kept.append(bytes(100))

    yield Subject(call)


def stalls(seconds: float, at: int, how: Callable[[float], None]) -> Subject:
    """Waits for 1 ms, but call number ``at`` holds the loop up for ``seconds``."""
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            how(seconds)
        else:
            await asyncio.sleep(0.001)

    return Subject(call)


def block(seconds: float) -> None:
    """Hold the thread without computing."""
    time.sleep(seconds)


def burn(seconds: float) -> None:
    """Use CPU for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
