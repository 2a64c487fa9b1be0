"""A server whose throughput and latency are known exactly: a few lanes, each of which serves one request at a time.

A user always has the same lane. In a closed loop without pauses, a request then waits for one service of each other
user of its lane, and its response is the sum of as many independent gamma-distributed services: again gamma.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
from scipy.stats import gamma

from aembed import bench
from aembed.bench.rows.columns import Rows
from aembed.bench.subject import SubjectCall
from aembed.bench.sweep.blocks import Block, closed_block

LANES = 4
SHAPE = 10.0
"""Shape of the service times: their standard deviation is a third of their mean."""


@dataclass(frozen=True)
class Lanes:
    """A service takes ``setup`` and ``per_text`` for each text; each further busy lane makes all slower."""

    setup: float = 0.02
    per_text: float = 0.002
    contention: float = 0.1

    def mean(self, texts: int, users: int) -> float:
        return (self.setup + self.per_text * texts) * (1 + self.contention * (min(users, LANES) - 1))

    def true(self, texts: int, users: int, q: float = 0.95) -> tuple[float, float]:
        """Texts per second, and the percentile. ``users`` fill the lanes evenly."""
        mean, in_lane = self.mean(texts, users), max(1, users // LANES)
        return min(users, LANES) * texts / mean, float(gamma.ppf(q, SHAPE * in_lane, scale=mean / SHAPE))

    def block(self, texts: int, users: int, seconds: float, dice: np.random.Generator, drift: float = 1.0) -> Block:
        """A block of a closed loop, without an event loop."""
        mean, in_lane = self.mean(texts, users) * drift, max(1, users // LANES)
        starts, ends = [], []
        for _ in range(min(users, LANES)):
            done = np.cumsum(dice.gamma(SHAPE, mean / SHAPE, int(1.6 * seconds / mean) + 40 + in_lane))
            intended = np.concatenate([np.zeros(in_lane), done[:-in_lane]])
            starts.append(intended[intended < seconds])
            ends.append(done[intended < seconds])
        intended, done = np.concatenate(starts), np.concatenate(ends)
        order = np.argsort(intended, kind="stable")
        begun = (intended[order] * 1e9).astype(np.int64)
        ended = (done[order] * 1e9).astype(np.int64)
        rows = Rows(intended=begun, started=begun, done=ended, outcome=np.zeros(len(begun), dtype=np.int64))
        return closed_block(rows, users, seconds).times(texts)

    def subject(self, texts: int, users: Callable[[], int], seed: int = 0) -> bench.Subject:
        """The same server in an event loop. ``users`` says how many there are now."""
        dice, free = random.Random(seed), [0.0] * LANES

        async def session(number: int) -> AsyncGenerator[SubjectCall]:
            async def call() -> None:
                lane, loop = number % LANES, asyncio.get_running_loop()
                free[lane] = max(free[lane], loop.time()) + dice.gammavariate(SHAPE, self.mean(texts, users()) / SHAPE)
                await anyio.sleep_until(free[lane])

            yield call

        return bench.per_user(session)


def scenario(law: Lanes, **parameters: Sequence[Any]) -> bench.Scenario:
    """The law without contention, so that it need not know how many users there are."""

    @bench.scenario(name="lanes", **parameters)
    async def lanes(case: bench.Case) -> Any:
        yield law.subject(case.documents, lambda: 1, seed=case.documents)

    return lanes


FREE = Lanes(contention=0.0)
