"""A server without a quota, and a client with adaptive concurrency. Discrete events in virtual time.

The client has documents without end and a few queries, which overtake documents and have one slot more, as at the gate.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random

from aembed._gate.concurrency import AdaptiveConcurrency

Speeds = tuple[float, ...]
EIGHT: Speeds = (1.0,) * 8


@dataclass(frozen=True)
class World:
    """A server, the network before it, and its load."""

    name: str
    speeds: Speeds = EIGHT
    """One for each worker: how much faster than nominal."""
    sizes: tuple[int, ...] = (1000,)
    """Characters; one is drawn for each request."""
    fixed_s: float = 0.01
    character_s: float = 0.00004
    spread: float = 0.0
    """Sigma of the lognormal factor of a service time; its mean is 1."""
    network_s: tuple[float, float] = (0.0, 0.0)
    """Least and greatest time on the network, both ways together."""
    phases: tuple[tuple[float, Speeds], ...] = ()
    """Times at which the workers change, and to what."""
    one_queue: bool = True
    """False: each worker has a queue, and a request joins the shortest."""
    batch: int = 1
    """Requests that one worker serves together, for one fixed cost."""
    tick_s: float = 0.0
    """Resolution of the client's clock."""
    hiccups: float = 0.0
    """Share of requests that take 20 times as long."""
    duration_s: float = 60.0
    queries_per_s: float = 2.0
    most: int = 64


@dataclass
class Outcome:
    """``efficiency``: the share of the server's capacity that was used."""

    efficiency: float = 0.0
    query_s: list[float] = field(default_factory=list)
    slots: list[tuple[float, int]] = field(default_factory=list)
    """Each change, with its time."""

    def p95(self) -> float:
        return sorted(self.query_s)[math.ceil(0.95 * len(self.query_s)) - 1]

    def slots_after(self, when: float) -> list[int]:
        before = [slots for at, slots in self.slots if at <= when][-1:]
        return before + [slots for at, slots in self.slots if at > when]


@dataclass(slots=True)
class Request:
    arrived: float
    is_query: bool
    size: int
    factor: float
    network_s: float
    sent: float = 0.0


class Simulation:
    """One run of one world. ``slots``: a client with so many at all times, instead of adaptive ones."""

    def __init__(self, world: World, seed: int, *, documents: bool = True, slots: int | None = None) -> None:
        self.world, self.documents = world, documents
        self.control = AdaptiveConcurrency(slots or world.most, adaptive=slots is None)
        self.outcome = Outcome(slots=[(0.0, self.control.slots)])
        self._random = Random(seed)
        self._now = self._work_done = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._queries: deque[Request] = deque()
        self._in_flight = self._queries_in_flight = 0
        self._queues: list[deque[Request]] = []
        self._busy: list[bool] = []
        self._speeds: Speeds = ()

    def run(self) -> Outcome:
        world = self.world
        capacity, since, speeds = 0.0, 0.0, world.speeds
        for at, changed in world.phases:
            capacity += (at - since) * sum(speeds)
            since, speeds = at, changed
            self._at(at, partial(self._change, changed))
        capacity += (world.duration_s - since) * sum(speeds)
        self._change(world.speeds)
        self._at(self._random.expovariate(world.queries_per_s), self._query)
        self._send()
        while self._events[0][0] <= world.duration_s:
            self._now, _, event = heapq.heappop(self._events)
            event()
        self.outcome.efficiency = self._work_done / capacity
        return self.outcome

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), event))

    def _change(self, speeds: Speeds) -> None:
        """Workers that leave finish their request; those that remain serve the requests that waited for them."""
        waiting = [request for queue in self._queues for request in queue]
        self._speeds = speeds
        self._busy += [False] * (len(speeds) - len(self._busy))
        self._queues = [deque() for _ in range(1 if self.world.one_queue else len(speeds))]
        for request in waiting:
            self._arrive(request)

    def _draw(self, *, is_query: bool) -> Request:
        world, random = self.world, self._random
        size = random.choice(world.sizes)
        factor = math.exp(random.gauss(-(world.spread**2) / 2, world.spread))
        if random.random() < world.hiccups:
            factor *= 20.0
        return Request(self._now, is_query, size, factor, random.uniform(*world.network_s))

    def _query(self) -> None:
        self._queries.append(self._draw(is_query=True))
        self._at(self._now + self._random.expovariate(self.world.queries_per_s), self._query)
        self._send()

    def _send(self) -> None:
        slots = self.control.slots
        while self._queries and self._in_flight <= slots:
            self._dispatch(self._queries.popleft())
        while self.documents and self._in_flight - (self._queries_in_flight > 0) < slots:
            self._dispatch(self._draw(is_query=False))

    def _dispatch(self, request: Request) -> None:
        request.sent = self._now
        self._in_flight += 1
        self._queries_in_flight += request.is_query
        self._at(self._now + request.network_s / 2, partial(self._arrive, request))

    def _arrive(self, request: Request) -> None:
        loads = [len(queue) + self._busy[worker] for worker, queue in enumerate(self._queues)]
        least = min(loads)
        shortest = self._random.choice(
            [queue for queue, load in zip(self._queues, loads, strict=True) if load == least]
        )
        shortest.append(request)
        self._serve()

    def _serve(self) -> None:
        world = self.world
        for worker, speed in enumerate(self._speeds):
            queue = self._queues[0 if world.one_queue else worker]
            if not queue or self._busy[worker]:
                continue
            batch = [queue.popleft() for _ in range(min(len(queue), world.batch))]
            each = sum(request.size * world.character_s * request.factor for request in batch)
            self._busy[worker] = True
            took = (world.fixed_s * batch[0].factor + each) / speed
            self._at(self._now + took, partial(self._served, batch, worker))

    def _served(self, batch: Sequence[Request], worker: int) -> None:
        world = self.world
        self._busy[worker] = False
        for request in batch:
            self._work_done += (world.fixed_s / world.batch + request.size * world.character_s) * request.factor
            self._at(self._now + request.network_s / 2, partial(self._answered, request))
        self._serve()

    def _answered(self, request: Request) -> None:
        self._in_flight -= 1
        self._queries_in_flight -= request.is_query
        if request.is_query:
            self.outcome.query_s.append(self._now - request.arrived)
        if not request.is_query or self._in_flight == self._queries_in_flight:
            now = self._clock(self._now)
            self.control.answered(now, now - self._clock(request.sent), request.size)
        if self.outcome.slots[-1][1] != self.control.slots:
            self.outcome.slots.append((self._now, self.control.slots))
        self._send()

    def _clock(self, now: float) -> float:
        tick = self.world.tick_s
        return math.floor(now / tick) * tick if tick else now
