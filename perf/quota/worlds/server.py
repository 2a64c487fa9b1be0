"""The server of a world, as a provider. A request that was sent arrives and counts, even if its caller has given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np

from aembed import ConnectError, Kind, ModelSpec, OverloadedError, ProviderError, RateLimitError, Reply
from perf.quota.worlds.clock import JumpingLoop
from perf.quota.worlds.demand import true_tokens
from perf.quota.worlds.meters import meter
from perf.quota.worlds.telling import Headers, retry_after
from perf.quota.worlds.workers import WorkerPool
from perf.quota.worlds.world import World

FOREIGN_PER_SECOND = 10.0
"""Requests of others, at most: where their share is larger, each counts for several."""


@dataclass(frozen=True)
class Taken:
    """The charge of one request, and its time."""

    at: float
    requests: float
    tokens: float
    inputs: float


class Ledger:
    """The server's record, for the bound."""

    def __init__(self) -> None:
        self.documents: list[Taken] = []
        self.others: list[Taken] = []
        """Queries, abandoned calls, and others who share the quota."""
        self.document_seconds = 0.0
        """Round trips of documents that were answered, without waiting for a worker."""
        self.document_work = self.expected_work = 0.0
        """Seconds of a worker of speed 1, with and without noise."""
        self.longest_work = 0.0
        self.other_work: list[tuple[float, float]] = []
        """(when it was done, seconds of a worker)."""
        self.least_back = float("inf")
        self.sent: list[float] = []
        """When a client sent a request."""
        self.answered = self.rejected = 0
        self.errors: Counter[str] = Counter()


class Request:
    """One request on its way."""

    __slots__ = ("back", "future", "sender", "texts", "there", "tokens")

    def __init__(self, texts: Sequence[str], tokens: float, there: float, back: float) -> None:
        self.texts, self.tokens, self.there, self.back = texts, tokens, there, back
        self.sender = texts[0][0]
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()


class WorldServer:
    """A request is counted when it arrives, and its reply reports the quota left at that time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.spec = ModelSpec(
            name="world",
            provider="world",
            dim=2,
            max_batch_texts=world.texts,
            timeout=None,
            max_concurrency=world.slots,
            adaptive=world.workers is not None,
        )
        self.ledger = Ledger()
        self._random = Random(f"server {world.seed}")
        self._meters = {rule: meter(rule) for rule in world.rules}
        self._headers = Headers(world, self._meters)
        self._workers = WorkerPool(world.workers, self._random) if world.workers else None
        self._in_flight = 0
        self._last_arrival = self._last_reply = 0.0
        self._loop = asyncio.get_running_loop()
        for at, factor in world.changes:
            self._later(at, self._change, factor)
        if world.foreign and world.rules:
            self._begin_foreign()

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        slow = 5.0 if self._random.random() < self.world.slow_replies else 1.0
        there, back = self._half() * slow, self._half() * slow
        request = Request(texts, true_tokens(self.world, texts), there, back)
        now = self.now()
        arrival = now + there
        if not self.world.reorders:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        self.ledger.sent.append(now)
        self._in_flight += 1
        self._later(arrival, self._arrive, request)
        try:
            return await request.future
        finally:
            self._in_flight -= 1

    async def aclose(self) -> None: ...

    def now(self) -> float:
        """By the clock of the server, which runs on where that of the clients jumps."""
        loop = self._loop
        return loop.time() - loop.jumped if isinstance(loop, JumpingLoop) else loop.time()

    def _later(self, at: float, act: Callable[..., None], *values: object) -> None:
        self._loop.call_later(at - self.now(), act, *values)

    def _half(self) -> float:
        return self.world.latency / 2 * self._random.lognormvariate(0, self.world.spread)

    def _arrive(self, request: Request) -> None:
        now = self.now()
        error = self._trouble(now) or self._over_quota(now, request)
        if error is not None:
            self._reply(request, error)
            return
        self._count(now, request)
        hints = self._headers.hints(now)
        usage = int(request.tokens) if self.world.tells_usage else None
        reply = Reply(np.ones((len(request.texts), 2), np.float32), usage, hints)
        if self._workers is None:
            self._reply(request, reply)
            return
        config = self.world.workers
        assert config is not None, "there is a pool"
        expected = config.per_request + config.per_token * request.tokens
        work = expected * self._workers.noise()
        if request.sender == "x":
            self.ledger.expected_work += expected
            self.ledger.document_work += work
            self.ledger.longest_work = max(self.ledger.longest_work, work)
        self._workers.submit(work, partial(self._worked, request, reply, work))

    def _worked(self, request: Request, reply: Reply, work: float) -> None:
        if request.sender != "x":
            self.ledger.other_work.append((self.now(), work))
        self._reply(request, reply)

    def _reply(self, request: Request, answer: Reply | ProviderError) -> None:
        at = self.now() + request.back
        if not self.world.reorders:
            at = self._last_reply = max(at, self._last_reply)
        self._later(at, self._deliver, request, answer)

    def _deliver(self, request: Request, answer: Reply | ProviderError) -> None:
        ledger = self.ledger
        if isinstance(answer, RateLimitError):
            ledger.rejected += 1
        elif isinstance(answer, Reply):
            ledger.answered += 1
            ledger.least_back = min(ledger.least_back, request.back)
            if request.sender == "x":
                ledger.document_seconds += request.there + request.back
        else:
            ledger.errors[str(answer)] += 1
        if request.future.done():
            return
        if isinstance(answer, Reply):
            request.future.set_result(answer)
        else:
            request.future.set_exception(answer)

    def _trouble(self, now: float) -> ProviderError | None:
        """Anything but a quota that keeps the server from answering."""
        world = self.world
        outage = world.is_down(now)
        if outage is not None:
            if outage.kind in {"429", "pause"}:
                wait = outage.stop - now if outage.kind == "pause" else outage.retry_after
                return RateLimitError("paused", status=429, retry_after=wait)
            return _failure("reset" if outage.kind == "connect" else "503")
        if world.errors and self._random.random() < world.errors:
            return _failure("503")
        if world.most_in_flight is not None and self._in_flight > world.most_in_flight:
            return _failure(world.beyond)
        return _failure("503") if self._workers is not None and self._workers.is_full else None

    def _over_quota(self, now: float, request: Request) -> ProviderError | None:
        amounts = {"requests": 1.0, "tokens": request.tokens, "inputs": float(len(request.texts))}
        wait = self._take(now, amounts)
        if not wait:
            return None
        if self.world.counts_rejected:
            for rule, each in self._meters.items():
                if rule.resource == "requests":
                    each.add(now, 1)
        return RateLimitError("too fast", status=429, retry_after=retry_after(self.world, wait))

    def _take(self, now: float, amounts: dict[str, float]) -> float:
        """Take all and return 0, or take nothing and return the seconds until all are allowed."""
        wait = max((each.wait(now, amounts[rule.resource]) for rule, each in self._meters.items()), default=0.0)
        if wait == 0:
            for rule, each in self._meters.items():
                each.add(now, amounts[rule.resource])
        return wait

    def _count(self, now: float, request: Request) -> None:
        taken = Taken(now, 1, request.tokens, len(request.texts))
        (self.ledger.documents if request.sender == "x" else self.ledger.others).append(taken)

    def _change(self, factor: float) -> None:
        for each in self._meters.values():
            each.scale(self.now(), factor)

    def _begin_foreign(self) -> None:
        """Others use their share of every minute rule, in a random stream; rejected requests are not repeated."""
        world = self.world
        rates = {rule.resource: rule.per_minute / 60 * world.foreign for rule in world.minute_rules}
        rate = min(FOREIGN_PER_SECOND, rates.get("requests", FOREIGN_PER_SECOND))
        amounts = {name: rates.get(name, 0.0) / rate for name in ("requests", "tokens", "inputs")}
        random = Random(f"foreign {world.seed}")

        def ask() -> None:
            now = self.now()
            period = world.foreign_period
            is_active = not period or now // period % 2 == 0
            if is_active and world.is_down(now) is None and self._take(now, amounts) == 0:
                self.ledger.others.append(Taken(now, amounts["requests"], amounts["tokens"], amounts["inputs"]))
            self._loop.call_later(random.expovariate(rate), ask)

        self._loop.call_later(random.expovariate(rate), ask)


def _failure(kind: str) -> ProviderError:
    if kind == "reset":
        return ConnectError("connection reset")
    if kind == "429":
        return RateLimitError("too many at once", status=429)
    return OverloadedError("busy", status=503)
