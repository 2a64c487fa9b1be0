"""Visits to a gate: when requests come, how much they need, how long they stay, and their outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import anyio
import numpy as np
from hypothesis import strategies as st

from aembed import Kind, Limits, ProviderError, Reply
from aembed._gate import Gate, Reservation

EXACT = 1e-6
REPLY = Reply(np.ones((1, 2), np.float32))


@dataclass(frozen=True)
class Visit:
    """Someone who comes to the gate, and goes away if the wait is longer than their patience."""

    arrives: float
    kind: Kind = "document"
    stays: float = 0.0
    tokens: float = 1.0
    inputs: int = 1
    patience: float | None = None


@dataclass(frozen=True)
class Stay:
    visit: int
    kind: Kind
    start: float
    others: int
    """Requests already inside; ``queries`` of them were queries."""
    queries: int


@dataclass
class Log:
    queue: list[int] = field(default_factory=list)
    """Visits in the order they came."""
    stays: list[Stay] = field(default_factory=list)

    ends: dict[int, float] = field(default_factory=dict)

    def starts(self) -> dict[int, float]:
        return {stay.visit: stay.start for stay in self.stays}


def amounts(visit: Visit, limits: Limits) -> list[tuple[float, float]]:
    """A visit's amount of each quota, and the quota."""
    quotas = (limits.requests_per_minute, limits.tokens_per_minute, limits.inputs_per_minute)
    needed = (1.0, visit.tokens, visit.inputs)
    return [(amount, quota or float("inf")) for amount, quota in zip(needed, quotas, strict=True)]


def within_every_bucket(log: Log, visits: Sequence[Visit], limits: Limits) -> bool:
    """True if no interval saw more than a minute's quota and what a bucket of it gains meanwhile."""
    starts = sorted(log.starts().items(), key=lambda start: start[1])
    for (i, (_, first)), (j, (_, last)) in combinations(enumerate(starts), 2):
        taken = [amounts(visits[number], limits) for number, _ in starts[i : j + 1]]
        for which in range(3):
            quota = taken[0][which][1]
            if sum(amount[which][0] for amount in taken) > quota * (1 + (last - first) / 60) + EXACT:
                return False
    return True


def enough(gate: Gate) -> Gate:
    """Past its slow start."""
    gate.account.slow_start.requests = 1000
    return gate


def limited(requests: float | None = None, tokens: float | None = None, inputs: float | None = None) -> Limits:
    return Limits(requests_per_minute=requests, tokens_per_minute=tokens, inputs_per_minute=inputs)


async def enter(gate: Gate, reservation: Reservation, *, first: bool = False) -> float:
    """The time of admission."""
    if first or not gate.try_enter(reservation):
        await gate.wait(reservation, first=first)
    return reservation.sent_at


async def play(gate: Gate, visits: Sequence[Visit], reply: Reply | None = REPLY) -> Log:
    loop = asyncio.get_running_loop()
    log = Log()

    async def come(number: int, visit: Visit) -> None:
        log.queue.append(number)
        reservation = Reservation(visit.kind, 0, visit.tokens, visit.inputs)
        await enter(gate, reservation)
        log.stays.append(
            Stay(number, visit.kind, loop.time(), gate.in_flight - 1, gate.slots.queries - (visit.kind == "query"))
        )
        try:
            await anyio.sleep(visit.stays)
        finally:
            log.ends[number] = loop.time()
            gate.leave(reservation, reply)

    tasks = []
    for number, visit in sorted(enumerate(visits), key=lambda numbered: numbered[1].arrives):
        await anyio.sleep_until(visit.arrives)
        tasks.append(asyncio.create_task(come(number, visit)))
        if visit.patience is not None:
            loop.call_at(visit.arrives + visit.patience, tasks[-1].cancel)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    assert (gate.in_flight, gate.waiting, gate._timer) == (0, 0, None)
    assert [resource.window.under_way for _, resource, _ in gate.account.quotas.named(Reservation("document"))] == [
        0,
        0,
        0,
    ]
    return log


async def fail(gate: Gate, error: ProviderError, *, kind: Kind = "document", takes: float = 0.0) -> float:
    """One request that fails; the time of its admission."""
    reservation = Reservation(kind)
    await enter(gate, reservation)
    await anyio.sleep(takes)
    gate.leave(reservation, error=error)
    return reservation.sent_at


async def succeed(
    gate: Gate, reply: Reply = REPLY, *, reservation: Reservation | None = None, takes: float = 0.0
) -> float:
    """One request that is answered; the time of its admission."""
    reservation = reservation or Reservation("document")
    await enter(gate, reservation)
    await anyio.sleep(takes)
    gate.leave(reservation, reply)
    return reservation.sent_at


def apart(visits: list[Visit]) -> list[Visit]:
    """The same, with no two things in one moment, so that there is one right answer."""
    return [replace(visit, arrives=visit.arrives + number / 997) for number, visit in enumerate(visits)]


# Times on a coarse grid, so that arrivals, ends, admissions and cancellations often fall into the same moment.
moments = st.integers(0, 12).map(lambda tick: tick * 0.25)
rests = st.sampled_from([0.0, 0.0, 0.0, 30.0, 59.0, 61.0, 3600.0, 1e5])
"""Now and then nothing happens for long, or the clock jumps."""


@st.composite
def histories(draw: st.DrawFn, most: int = 20) -> list[Visit]:
    visits: list[Visit] = []
    later = 0.0
    for _ in range(draw(st.integers(1, most))):
        later += draw(rests)
        visit = st.builds(
            Visit,
            arrives=moments,
            kind=st.sampled_from(["document", "document", "query"]),
            stays=moments,
            tokens=st.sampled_from([0.0, 1.0, 3.0, 10.0, 50.0]),
            inputs=st.integers(1, 8),
            patience=st.none() | moments,
        )
        drawn = draw(visit)
        visits.append(replace(drawn, arrives=later + drawn.arrives))
    return visits


slots_ = st.integers(1, 4)
limits_ = st.builds(
    limited,
    requests=st.none() | st.sampled_from([3.0, 10.0, 60.0, 240.0]),
    tokens=st.none() | st.sampled_from([50.0, 200.0]),
    inputs=st.none() | st.sampled_from([8.0, 30.0]),
)
