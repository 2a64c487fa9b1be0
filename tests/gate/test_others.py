"""Other programs draw on the quota: headers show their share, which is left to them."""

from __future__ import annotations

import asyncio
from random import Random

import anyio
import pytest

from aembed import Kind, Limits, QuotaHints, RateLimitError, Reply
from aembed._gate import Gate
from aembed.testing import Quota, QuotaKeeper
from tests.gate.visits import REPLY, enter

A_MINUTE, OTHERS = 600, 0.2
"""Requests, and the share of them that others take."""


class Job:
    """Documents and a query every two seconds, on a sliding window that others use too."""

    def __init__(self) -> None:
        self.gate = Gate(16, Limits())
        self.keeper = QuotaKeeper(Quota.per_minute(requests=A_MINUTE, algorithm="sliding"))
        self.random = Random(0)
        self.answered = self.rejected = 0
        self.waits: list[float] = []
        """Seconds that queries waited after the first minute; before, the others' number is unknown."""

    async def run(self, documents: int) -> None:
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._queries)
            beside.start_soon(self._others)
            async with anyio.create_task_group() as bulk:
                for _ in range(documents):
                    bulk.start_soon(self._one, "document")
            beside.cancel_scope.cancel()

    async def _queries(self) -> None:
        while True:
            started = anyio.current_time()
            await self._one("query")
            if started > 60:
                self.waits.append(anyio.current_time() - started)
            await anyio.sleep(2.0)

    async def _others(self) -> None:
        while True:
            await anyio.sleep(self.random.expovariate(A_MINUTE * OTHERS / 60))
            self.keeper.take(anyio.current_time())

    async def _one(self, kind: Kind) -> None:
        loop = asyncio.get_running_loop()
        rejected = False
        while True:
            reservation = self.gate.reservation(kind, ["text"])
            await enter(self.gate, reservation, first=rejected)
            await anyio.sleep(0.05)
            wait = self.keeper.take(loop.time())
            (level,) = self.keeper.levels(loop.time())
            await anyio.sleep(0.05)
            rejected = wait > 0
            if rejected:
                self.rejected += 1
                self.gate.leave(reservation, error=RateLimitError("too fast", retry_after=wait))
                continue
            hints = QuotaHints(
                limit_requests=level.limit, remaining_requests=int(level.remaining), reset_requests=level.reset
            )
            self.answered += 1
            self.gate.leave(reservation, Reply(REPLY.vectors, quota=hints))
            return


@pytest.mark.virtual_time
async def test_queries_hardly_wait_and_little_is_rejected_next_to_others() -> None:
    job = Job()
    await job.run(3000)
    assert job.rejected <= job.answered / 200
    assert sorted(job.waits)[int(0.95 * len(job.waits))] <= 0.2, "an answer takes 0.1 s"
    assert asyncio.get_running_loop().time() <= 1.07 * 3000 / (A_MINUTE * (1 - OTHERS)) * 60
