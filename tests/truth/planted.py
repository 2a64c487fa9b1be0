"""Operations of a known length, and the same ones a known share slower. Loaded by the processes that are compared."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aembed import bench

TURNS = {"2 us": 57, "50 us": 1497, "1 ms": 29_997}
OVERHEAD = 3
"""Turns that a call takes beside its own."""


@bench.scenario(turns=[TURNS["2 us"]])
async def spin(case: bench.Case) -> AsyncIterator[bench.Subject]:
    """Counts so many turns."""
    turns = range(case.turns)

    async def call() -> int:
        total = 0
        for i in turns:
            total += i * i
        return total

    yield bench.Subject(call)


def slower(operation: str, slowdown: float) -> int:
    """Turns of the operation, made slower by this share."""
    turns = TURNS[operation]
    return turns + round(slowdown * (turns + OVERHEAD))
