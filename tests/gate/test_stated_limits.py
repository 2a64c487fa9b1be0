"""A limit that the user states is never exceeded, for any headers of replies in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import ConnectError, InputError, Kind, Limits, ProviderError, QuotaHints, RateLimitError, Reply
from aembed._gate import Gate, Reservation
from tests.gate.test_clock import JumpingLoop
from tests.gate.visits import REPLY, enough, enter, succeed
from tests.loops import run

A_MINUTE = 60.0
REQUESTS, TOKENS = 30.0, 1000.0
EXACT = 1e-6


@dataclass
class World:
    """Requests of random sizes, answered after random times, by a server with arbitrary headers."""

    seed: int
    requests: int
    reports: float | None
    """Times the stated limit; ``None``: no headers."""
    as_bucket: bool
    abandons: float
    """Share of requests that are cancelled, and of those that fail:"""
    fails: float
    jumps: float = 0.0
    sent: list[tuple[float, float]] = field(default_factory=list)
    """When, and how many tokens."""
    buckets: set[int] = field(default_factory=set)
    """Places of the quotas of which headers have looked like a bucket's, and like a fixed window's:"""
    fixed: set[int] = field(default_factory=set)
    gate: Gate = field(
        default_factory=lambda: enough(Gate(16, Limits(requests_per_minute=REQUESTS, tokens_per_minute=TOKENS)))
    )

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        random = Random(self.seed)
        if self.jumps:
            assert isinstance(loop, JumpingLoop)
            for at in (20.0, 100.0):
                loop.call_at(at, loop.jump, self.jumps)
        async with anyio.create_task_group() as tasks:
            for _ in range(self.requests):
                tasks.start_soon(self._one, Random(random.random()))
                await anyio.sleep(random.choice([0.0, 0.0, 0.0, 0.5, 20.0]))
        assert (self.gate.in_flight, self.gate.waiting) == (0, 0)

    async def _one(self, random: Random) -> None:
        loop = asyncio.get_running_loop()
        kind: Kind = random.choice(["document", "document", "query"])
        reservation = Reservation(kind, 0, random.choice([0.0, 1.0, 30.0, 300.0]))
        patience = random.choice([0.2, 1.0, 30.0]) if random.random() < self.abandons else 1e9
        reply, error = None, None
        with anyio.move_on_after(patience), suppress(InputError):  # headers may report less than it needs
            await enter(self.gate, reservation)
            sent = loop.time(), reservation.tokens
            self.sent.append(sent)
            try:
                await anyio.sleep(random.choice([0.0, 0.01, 0.3, 5.0]))
                if random.random() < self.fails:
                    error = self._error(random)
                else:
                    reply = self._reply(loop.time(), random)
            finally:
                if isinstance(error, RateLimitError):
                    self.sent.remove(sent)  # no server counts it
                self.gate.leave(reservation, reply, error)
                self._note_rules()

    def _note_rules(self) -> None:
        quotas = self.gate.account.quotas
        for place, quota in enumerate((quotas.requests, quotas.tokens)):
            if quota.rule == "bucket":
                self.buckets.add(place)
            elif quota.rule == "fixed":
                self.fixed.add(place)

    def _error(self, random: Random) -> ProviderError:
        if random.random() < 0.5:
            return ConnectError("reset")
        return RateLimitError("too fast", retry_after=random.choice([None, 0.0, 0.5, 3.0]))

    def _reply(self, now: float, random: Random) -> Reply:
        if self.reports is None:
            return REPLY
        limit = REQUESTS * self.reports
        used = float(random.randint(0, int(limit)))
        reset = used * A_MINUTE / limit if self.as_bucket else random.random() * A_MINUTE
        hints = QuotaHints(
            limit_requests=limit,
            remaining_requests=limit - used,
            reset_requests=reset,
            limit_tokens=TOKENS * self.reports,
            remaining_tokens=TOKENS * self.reports * random.random(),
            reset_tokens=random.random() * A_MINUTE,
        )
        return Reply(REPLY.vectors, quota=hints)

    def most_above_a_bucket(self) -> tuple[float, float]:
        """The most that any interval saw beyond what a minute's bucket holds and gains meanwhile, of each resource.

        In a fixed window, one window more: the end of one, and the beginning of the next.
        """
        most = self._most(lambda start, end, limit: limit + (end - start) * limit / A_MINUTE)
        return most[0] - REQUESTS * (0 in self.fixed), most[1] - TOKENS * (1 in self.fixed)

    def most_above_a_window(self) -> tuple[float, float]:
        """The most that any sixty seconds saw beyond the limit."""
        return self._most(lambda start, end, limit: limit if end - start < A_MINUTE else float("inf"))

    def _most(self, allowed: Callable[[float, float, float], float]) -> tuple[float, float]:
        most = [float("-inf"), float("-inf")]
        for first, (start, _) in enumerate(self.sent):
            requests = tokens = 0.0
            for end, amount in self.sent[first:]:
                requests, tokens = requests + 1, tokens + amount
                most[0] = max(most[0], requests - allowed(start, end, REQUESTS))
                most[1] = max(most[1], tokens - allowed(start, end, TOKENS))
        return most[0], most[1]


worlds = st.builds(
    World,
    seed=st.integers(0, 10_000),
    requests=st.integers(1, 80),
    reports=st.none() | st.sampled_from([0.5, 1.0, 1.0, 2.0, 100.0]),
    as_bucket=st.booleans(),
    abandons=st.sampled_from([0.0, 0.0, 0.3]),
    fails=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
)


@given(worlds)
def test_no_interval_sees_more_than_a_bucket_of_the_stated_limit_gives(world: World) -> None:
    run(world.play())
    assert max(world.most_above_a_bucket()) <= EXACT


@given(worlds)
def test_no_minute_sees_more_than_the_stated_limit_while_no_header_has_shown_a_bucket(world: World) -> None:
    world.as_bucket = False
    run(world.play())
    for place, most in enumerate(world.most_above_a_window()):
        assert most <= EXACT or place in world.buckets


@given(worlds, st.sampled_from([1.0, 59.0, 3600.0]))
def test_fault_115_nor_when_the_clock_jumps_ahead(world: World, seconds: float) -> None:
    world.jumps = seconds
    run(world.play(), loop_factory=JumpingLoop)
    assert max(world.most_above_a_bucket()) <= EXACT


@given(worlds, st.sampled_from([-1.0, -59.0, -3600.0]))
def test_fault_115_a_clock_that_is_set_back_hangs_no_call(world: World, seconds: float) -> None:
    world.jumps = seconds
    world.requests = min(world.requests, 60)
    run(world.play(), loop_factory=JumpingLoop)


@pytest.mark.virtual_time
async def test_fault_113_a_day_sees_no_more_than_its_limit_and_the_next_day_continues() -> None:
    gate = enough(Gate(16, Limits(requests_per_day=100)))
    starts = [await succeed(gate) for _ in range(250)]
    assert starts[99] == 0.0
    assert starts[100] == pytest.approx(86_400.0, abs=1.0)
    assert starts[200] == pytest.approx(2 * 86_400.0, abs=2.0)


@pytest.mark.virtual_time
async def test_a_day_s_tokens_are_limited_too() -> None:
    gate = enough(Gate(16, Limits(tokens_per_day=1000)))
    starts = [await succeed(gate, reservation=Reservation("document", 0, 300.0)) for _ in range(4)]
    assert starts[:3] == [0.0] * 3
    assert starts[3] == pytest.approx(86_400.0, abs=1.0)


@pytest.mark.virtual_time
async def test_a_day_that_is_used_up_is_an_error_at_once_for_a_call_without_the_patience() -> None:
    gate = enough(Gate(16, Limits(requests_per_day=2)))
    await succeed(gate)
    await succeed(gate)
    with pytest.raises(RateLimitError, match=r"no request for 24\.0 h"):
        await enter(gate, Reservation("document", patience=120.0))
    assert asyncio.get_running_loop().time() == 0.0


@pytest.mark.virtual_time
async def test_documents_leave_queries_the_share_that_the_user_states() -> None:
    gate = enough(Gate(16, Limits(requests_per_minute=100, query_share=0.4)))
    documents = 0
    while gate.try_enter(each := Reservation("document")):
        gate.leave(each, REPLY)
        documents += 1
    assert documents == 60
    queries = 0
    while gate.try_enter(each := Reservation("query")):
        gate.leave(each, REPLY)
        queries += 1
    assert queries == 40
