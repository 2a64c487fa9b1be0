"""A quota that is neither stated nor reported is found by its 429s, used nearly up, and found again if it grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import pytest

from aembed import Limits, RateLimitError, Reply
from aembed._gate import Gate, Reservation
from aembed.testing.quotas import Quota, QuotaKeeper
from tests.gate.visits import REPLY, enter

FIVE_MINUTES_S = 300.0

Rules = Callable[[float], Quota]
"""The quota of a server, of so many requests a minute."""


def bucket(a_minute: float, span: float = 60.0) -> Quota:
    return Quota.per_minute(requests=a_minute, algorithm="bucket", span=span)


def sliding(a_minute: float) -> Quota:
    return Quota.per_minute(requests=a_minute, algorithm="sliding")


def short_bucket(a_minute: float) -> Quota:
    return bucket(a_minute, 10.0)


@dataclass
class Job:
    """Documents without end, from so many callers, to a server that answers in so many seconds."""

    quota: Quota
    announced: bool
    """A 429 says when to come back."""
    callers: int = 32
    takes: float = 0.2
    admitted: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = Gate(self.callers, Limits())
        self.keeper = QuotaKeeper(self.quota)

    async def run(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as callers:
                for _ in range(self.callers):
                    callers.start_soon(self._caller)

    def grow(self, quota: Quota) -> None:
        """Requests admitted in the last minute count in the new quota."""
        now = anyio.current_time()
        self.keeper = QuotaKeeper(quota)
        for at in self.admitted:
            if at > now - 60.0:
                self.keeper.take(at)

    def between(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.admitted)

    async def _caller(self) -> None:
        rejected = False
        while True:
            reservation = Reservation("document", 0, 100.0)
            await enter(self.gate, reservation, first=rejected)
            reply: Reply | None = None
            error: RateLimitError | None = None
            try:
                await anyio.sleep(self.takes / 2)
                now = anyio.current_time()
                wait = self.keeper.take(now)
                await anyio.sleep(self.takes / 2)
                rejected = wait > 0
                if rejected:
                    error = RateLimitError("too fast", retry_after=wait if self.announced else None)
                else:
                    self.admitted.append(now)
                    reply = REPLY
            finally:
                self.gate.leave(reservation, reply, error)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("span", "announced"), [(1.0, False), (10.0, True), (10.0, False), (60.0, True), (60.0, False)]
)
@pytest.mark.parametrize("a_minute", [120.0, 600.0])
async def test_a_hidden_bucket_is_used_nearly_up(a_minute: float, span: float, announced: bool) -> None:
    job = Job(bucket(a_minute, span), announced)
    await job.run(FIVE_MINUTES_S)
    assert len(job.admitted) >= 0.95 * a_minute * (5 + span / 60)


@pytest.mark.virtual_time
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("a_minute", "callers"), [(120.0, 32), (300.0, 32), (600.0, 8)])
async def test_a_hidden_sliding_minute_is_used_nearly_up(a_minute: float, callers: int, announced: bool) -> None:
    job = Job(sliding(a_minute), announced, callers)
    await job.run(FIVE_MINUTES_S)
    assert len(job.admitted) >= 0.93 * a_minute * 5, [job.between(60 * n, 60 * n + 60) for n in range(5)]


@pytest.mark.virtual_time
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("rules", [short_bucket, sliding])
@pytest.mark.parametrize("a_minute", [120.0, 600.0])
async def test_a_quota_that_doubles_is_found_within_two_minutes(rules: Rules, a_minute: float, announced: bool) -> None:
    job = Job(rules(a_minute), announced)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(job.run, FIVE_MINUTES_S)
        await anyio.sleep(120.0)
        job.grow(rules(2 * a_minute))
    assert job.between(60.0, 120.0) <= 1.05 * a_minute
    assert job.between(240.0, 300.0) >= 0.9 * 2 * a_minute
