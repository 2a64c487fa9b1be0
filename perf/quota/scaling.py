"""What admission costs: without waiting, and as one of very many who wait. Real time, on this machine."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from aembed import Limits, Reply
from aembed._gate import Gate, Permit

REPLY = Reply(np.ones((1, 2), np.float32), 10)
LIMITED = Limits(requests_per_minute=1e9, tokens_per_minute=1e12)


def main() -> None:
    print("microseconds for an admission and its end, best of 7")
    for name, limits in (("no limits known", Limits()), ("requests and tokens limited", LIMITED)):
        print(f"  without waiting, {name}: {asyncio.run(without_waiting(limits)):.1f}")
    for waiters in (1_000, 10_000, 100_000):
        print(f"  as one of {waiters:,} waiters: {asyncio.run(one_of(waiters)):.1f}")


async def without_waiting(limits: Limits, times: int = 20_000) -> float:
    gate = Gate(16, limits)
    texts = ["x" * 50]
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(times):
            permit = gate.permit("document", texts)
            assert gate.try_enter(permit)
            gate.leave(permit, REPLY)
        best = min(best, time.perf_counter() - started)
    return best / times * 1e6


async def one_of(waiters: int) -> float:
    """Everyone comes before the first leaves; includes the event loop's own cost of waking a task."""
    gate = Gate(4, LIMITED)

    async def visit() -> None:
        permit = Permit("document")
        if not gate.try_enter(permit):
            await gate.wait(permit)
        await asyncio.sleep(0)
        gate.leave(permit, REPLY)

    best = float("inf")
    for _ in range(3):
        tasks = [asyncio.create_task(visit()) for _ in range(waiters)]
        started = time.perf_counter()
        await asyncio.gather(*tasks)
        best = min(best, time.perf_counter() - started)
    return best / waiters * 1e6


if __name__ == "__main__":
    main()
