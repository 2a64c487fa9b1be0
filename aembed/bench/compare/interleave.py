"""Two versions of an operation, measured in turns: fresh processes on the same core, blocks in the order A B B A.

Both processes of a pair are alive at once, so that the two versions meet the same machine within milliseconds, and its
disturbances fall on both. Differences between processes (memory layout, hash seed) do not go away with more blocks,
only with more pairs, so a pair gives one number.
"""

from __future__ import annotations

import math
import statistics
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from aembed.bench.micro.blocks import Runs, Timing, calibrated

WARM_UP_S = 0.15
"""Seconds for each side before anything counts."""
ROUNDS = 20
FEWEST_ROUNDS = 3
PAIR_SECONDS = 2.0
"""Seconds for the rounds of a pair; slow operations get fewer rounds."""
SELDOM = 0.1
"""Waits per block, at most, of operations that only compute: their CPU time is the better clock."""

PairClock: TypeAlias = Literal["wall", "cpu"]


class Side(Protocol):
    """One of the two versions."""

    @property
    def label(self) -> str:
        """Name in reports, such as "main" or "working tree"."""
        ...

    def open(self, seed: int) -> AbstractAsyncContextManager[Runs]:
        """Start it afresh; both sides of a pair get the same seed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One pair of processes: seconds per operation of both sides, and the logarithm of after / before by two clocks."""

    before: float
    after: float
    wall: float
    cpu: float
    busy: bool
    """Neither side waited for anything."""


async def measure_pair(before: Side, after: Side, seed: int) -> Pair:
    """One number from a pair of fresh processes: the median over rounds of log(after / before)."""
    order = (after, before) if seed % 2 else (before, after)
    async with AsyncExitStack() as stack:
        first, second = [await calibrated(await stack.enter_async_context(side.open(seed))) for side in order]
        for _ in range(math.ceil(2 * WARM_UP_S / (first.seconds + second.seconds))):
            await first.block()
            await second.block()
        blocks: list[list[Timing]] = []
        end = time.perf_counter() + PAIR_SECONDS
        while len(blocks) < FEWEST_ROUNDS or (len(blocks) < ROUNDS and time.perf_counter() < end):
            blocks.append([await side.block() for side in (first, second, second, first)])
    outer = [(a, d) for a, _, _, d in blocks]
    inner = [(b, c) for _, b, c, _ in blocks]
    return compare_rounds(inner, outer) if seed % 2 else compare_rounds(outer, inner)


Rounds: TypeAlias = list[tuple[Timing, Timing]]
"""Two blocks of one side for each round."""


def compare_rounds(before: Rounds, after: Rounds) -> Pair:
    """The result of a pair of processes."""
    busy = _only_computes(before) and _only_computes(after)
    return Pair(
        before=_median(before, "cpu" if busy else "wall"),
        after=_median(after, "cpu" if busy else "wall"),
        wall=_ratio(before, after, "wall"),
        cpu=_ratio(before, after, "cpu"),
        busy=busy,
    )


def _only_computes(rounds: Rounds) -> bool:
    waits = [block.waits for pair in rounds for block in pair]
    return None not in waits and sum(filter(None, waits)) <= SELDOM * len(waits)


def _median(rounds: Rounds, clock: PairClock) -> float:
    return float(statistics.median(getattr(block, clock) for pair in rounds for block in pair)) / 1e9


def _ratio(before: Rounds, after: Rounds, clock: PairClock) -> float:
    """Logarithms, so that twice as slow and twice as fast are equally far from no change."""

    def level(pair: tuple[Timing, Timing]) -> float:
        return sum(math.log(max(getattr(block, clock), 1e-3)) for block in pair) / 2

    return statistics.median(level(b) - level(a) for a, b in zip(before, after, strict=True))
