"""Cost of admission: without waiting, compared with other limiters, and as one of very many waiting calls.

Processor time on this machine. Candidates take turns, so that a slow moment is one for all; the best round counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import numpy as np
from aiolimiter import AsyncLimiter

from aembed import Limits, Reply
from aembed._gate import Gate, Reservation

TIMES, ROUNDS = 10_000, 9
TEXTS = ["x" * 50]
REPLY = Reply(np.ones((1, 2), np.float32), 10)
LIMITED = Limits(requests_per_minute=1e9, tokens_per_minute=1e12)

Candidate: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def main() -> None:
    costs = asyncio.run(without_waiting())
    floor = costs["asyncio.Semaphore"]
    print(f"admission and its end without waiting, best of {ROUNDS} rounds in turn")
    for name, microseconds in costs.items():
        print(f"  {name:45} {microseconds:5.2f} us {microseconds / floor:5.1f}x")
    print("as one of many who wait, with the event loop's own cost of waking a task")
    for waiters in (1_000, 10_000, 100_000):
        ours, floor = asyncio.run(one_of(waiters, enter_gate)), asyncio.run(one_of(waiters, enter_semaphore))
        print(f"  {waiters:7,} waiters: gate {ours:5.1f} us, asyncio.Semaphore {floor:5.1f} us, {ours / floor:.1f}x")


async def without_waiting() -> dict[str, float]:
    """Microseconds for each."""
    candidates = {
        "asyncio.Semaphore": in_turn(asyncio.Semaphore(16)),
        "aiolimiter, requests": limited(AsyncLimiter(1e9)),
        "semaphore, aiolimiter for requests and tokens": all_three(),
        "gate, no limits known": through(Gate(16, Limits())),
        "gate, requests and tokens limited": through(Gate(16, LIMITED)),
    }
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        for name, candidate in candidates.items():
            started = time.process_time()
            await candidate()
            best[name] = min(best[name], time.process_time() - started)
    return {name: seconds / TIMES * 1e6 for name, seconds in best.items()}


def in_turn(semaphore: asyncio.Semaphore) -> Candidate:
    async def run() -> None:
        for _ in range(TIMES):
            await semaphore.acquire()
            semaphore.release()

    return run


def limited(limiter: AsyncLimiter) -> Candidate:
    async def run() -> None:
        for _ in range(TIMES):
            await limiter.acquire()

    return run


def all_three() -> Candidate:
    """The work of the gate for a request, done by available parts."""
    semaphore, requests, tokens = asyncio.Semaphore(16), AsyncLimiter(1e9), AsyncLimiter(1e12)

    async def run() -> None:
        for _ in range(TIMES):
            await semaphore.acquire()
            await requests.acquire()
            await tokens.acquire(sum(map(len, TEXTS)) / 4)
            semaphore.release()

    return run


def through(gate: Gate) -> Candidate:
    async def run() -> None:
        for _ in range(TIMES):
            permit = gate.reservation("document", TEXTS)
            if not gate.try_enter(permit):
                await gate.wait(permit)
            gate.leave(permit, REPLY)

    return run


async def one_of(waiters: int, enter: Callable[[], Candidate]) -> float:
    """Microseconds for each when all have come before the first leaves."""
    best = float("inf")
    for _ in range(3):
        visit = enter()
        tasks = [asyncio.create_task(visit()) for _ in range(waiters)]
        started = time.process_time()
        await asyncio.gather(*tasks)
        best = min(best, time.process_time() - started)
    return best / waiters * 1e6


def enter_gate() -> Candidate:
    gate = Gate(4, LIMITED)

    async def visit() -> None:
        permit = Reservation("document")
        if not gate.try_enter(permit):
            await gate.wait(permit)
        await asyncio.sleep(0)
        gate.leave(permit, REPLY)

    return visit


def enter_semaphore() -> Candidate:
    semaphore = asyncio.Semaphore(4)

    async def visit() -> None:
        async with semaphore:
            await asyncio.sleep(0)

    return visit


if __name__ == "__main__":
    main()
