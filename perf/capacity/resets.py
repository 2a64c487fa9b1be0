"""A server that resets connections beyond a number it keeps to itself, simulated, and a client with too many slots."""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

from aembed import RetryPolicy
from aembed._engine.retry import next_delay
from aembed._errors import ConnectError
from aembed._gate.concurrency import AdaptiveConcurrency

SERVICE_S, SPREAD, RESET_S = 0.05, 0.3, 0.003


@dataclass(frozen=True)
class Server:
    """``limit``: requests at once. ``failing``: share of them that fail for no reason. ``down``: from when to when.

    ``slots``: of the client, at most.
    """

    name: str
    slots: int
    limit: float = math.inf
    failing: float = 0.0
    down: tuple[float, float] = (math.inf, math.inf)


@dataclass(frozen=True)
class Outcome:
    """``seconds`` until the last answer but 1 %, which may have waited to be tried again."""

    seconds: float
    lost: int
    requests_per_success: float
    slots: list[tuple[float, int]]


class Client:
    """Sends ``requests`` as fast as slots allow, and each again as the default policy says."""

    def __init__(self, server: Server, seed: int, *, requests: int, slow_start: bool = True) -> None:
        self.server, self.requests = server, requests
        self.control = AdaptiveConcurrency(server.slots, adaptive=False)
        self._random = Random(seed)
        self._now = self._bulk_done_at = 0.0
        self._started = 2 if slow_start else server.slots
        self._served = self._in_flight = self._sent = self._answered = self._lost = 0
        self._waiting = deque(range(requests))
        self._attempts: Counter[int] = Counter()
        self._slots: list[tuple[float, int]] = [(0.0, server.slots)]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def run(self) -> Outcome:
        self._send()
        while self._answered + self._lost < self.requests:
            self._now, _, event = heapq.heappop(self._events)
            event()
            if self._slots[-1][1] != self.control.slots:
                self._slots.append((self._now, self.control.slots))
            self._send()
        return Outcome(self._bulk_done_at, self._lost, self._sent / max(1, self._answered), self._slots)

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), event))

    def _send(self) -> None:
        while self._waiting and self._in_flight < min(self._started, self.control.slots):
            number = self._waiting.popleft()
            self._in_flight += 1
            self._sent += 1
            self._attempts[number] += 1
            self._arrive(number)

    def _arrive(self, number: int) -> None:
        server, sent = self.server, self._now
        begins, ends = server.down
        if begins <= sent < ends or self._served >= server.limit or self._random.random() < server.failing:
            self._at(sent + RESET_S * self._random.uniform(0.5, 1.5), partial(self._fail, number, sent))
            return
        self._served += 1
        answered_at = sent + SERVICE_S * math.exp(self._random.gauss(-(SPREAD**2) / 2, SPREAD))
        if sent < begins < answered_at:
            self._at(begins, partial(self._break, number, sent))
        else:
            self._at(answered_at, partial(self._answer, sent))

    def _answer(self, sent: float) -> None:
        self._served -= 1
        self._in_flight -= 1
        self._started += 1
        self._answered += 1
        if self._answered <= 0.99 * self.requests:
            self._bulk_done_at = self._now
        self.control.answered(self._now, self._now - sent, 1000)

    def _break(self, number: int, sent: float) -> None:
        self._served -= 1
        self._fail(number, sent)

    def _fail(self, number: int, sent: float) -> None:
        self._in_flight -= 1
        self.control.overloaded(self._now, sent, self._in_flight)
        delay = next_delay(RetryPolicy(), self._attempts[number], ConnectError("reset"), self._random.random())
        if delay is None:
            self._lost += 1
        else:
            self._at(self._now + delay, partial(self._waiting.appendleft, number))


def efficiency(server: Server, outcome: Outcome, requests: int) -> float:
    """Over a client that knows the limit."""
    at_once = min(server.limit, server.slots)
    return 0.99 * requests * SERVICE_S / at_once / outcome.seconds


LIMITED = Server("1,000 slots, resets beyond 100", 1000, limit=100)
FAILING = Server("64 slots, 503 to 20 %", 64, failing=0.2)
RESTARTED = Server("64 slots, restarted", 64, down=(5.0, 5.001))
SERVERS = (
    LIMITED,
    Server("1,000 slots, resets beyond 10", 1000, limit=10),
    Server("64 slots, 503 to 5 %", 64, failing=0.05),
    FAILING,
    RESTARTED,
    Server("1,000 slots, beyond 100, a second down", 1000, limit=100, down=(3.0, 4.0)),
)
