"""aembed, and two rivals that people write without it. All talk to the same server through the provider interface."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Literal, Protocol, TypeAlias

import anyio
from aiolimiter import AsyncLimiter

from aembed import AembedError, Config, Embedder, EmbedderFactory, Kind, Limits, ProviderError, RetryPolicy
from perf.quota.worlds.server import WorldServer
from perf.quota.worlds.world import World

How: TypeAlias = Literal["cancel", "deadline"]
Lost: TypeAlias = Counter[str]
"""Texts without a vector, by the reason."""

BACKOFF_S, MAX_BACKOFF_S = 0.5, 30.0
MOST_ATTEMPTS = 1_000_000


class Client(Protocol):
    async def documents(self, texts: Sequence[str]) -> Lost: ...

    async def query(self, text: str) -> Lost: ...

    async def abandon(self, texts: Sequence[str], seconds: float, how: How) -> None:
        """Ask for ``texts``, and give up after so many seconds."""
        ...


class Aembed:
    """One embedder with its defaults, and the limits that the world states."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def documents(self, texts: Sequence[str]) -> Lost:
        try:
            result = await self._embedder.embed(texts, on_error="return")
        except AembedError as error:
            if error.partial is None:
                return Counter({_reason(error): len(texts)})
            result = error.partial
        lost = Counter(_reason(error) for error in result.failures.values())
        if result.not_attempted:
            lost["not attempted"] += len(result.not_attempted)
        return lost

    async def query(self, text: str) -> Lost:
        try:
            await self._embedder.embed_query(text, deadline=math.inf)
        except AembedError as error:
            return Counter({f"query: {_reason(error)}": 1})
        return Counter()

    async def abandon(self, texts: Sequence[str], seconds: float, how: How) -> None:
        if how == "deadline":
            try:
                await self._embedder.embed(texts, on_error="return", deadline=seconds)
            except AembedError:
                return  # it was to fail
        else:
            with anyio.move_on_after(seconds):
                await self._embedder.embed(texts, on_error="return")


class Retrying:
    """Tries for ever: after what the server says, else with exponential backoff and full jitter up to 30 s."""

    def __init__(self, server: WorldServer, seed: str) -> None:
        self._server, self._random = server, Random(seed)
        self._slots = anyio.Semaphore(server.world.slots)

    async def documents(self, texts: Sequence[str]) -> Lost:
        size = self._server.world.texts
        async with anyio.create_task_group() as tasks:
            for start in range(0, len(texts), size):
                await self._slots.acquire()
                tasks.start_soon(self._document, texts[start : start + size])
        return Counter()

    async def query(self, text: str) -> Lost:
        await self.send([text], "query")
        return Counter()

    async def abandon(self, texts: Sequence[str], seconds: float, how: How) -> None:
        with anyio.move_on_after(seconds):
            await self._slots.acquire()
            await self._document(texts)

    async def send(self, texts: Sequence[str], kind: Kind) -> None:
        ceiling = BACKOFF_S
        while True:
            try:
                await self._server.embed(texts, kind=kind)
            except ProviderError as error:
                wait = error.retry_after
                if wait is None or not (math.isfinite(wait) and wait > 0):
                    wait = self._random.random() * ceiling
                await anyio.sleep(wait)
                ceiling = min(MAX_BACKOFF_S, 2 * ceiling)
            else:
                return

    async def _document(self, batch: Sequence[str]) -> None:
        try:
            await self.send(batch, "document")
        finally:
            self._slots.release()


class WithSemaphore(Retrying):
    """One request at once per slot; a rejected one waits in its slot. Queries are sent straight."""


class WithAiolimiter(Retrying):
    """One limiter for each limit per minute of the server, hidden ones too. Queries go round the limiters."""

    def __init__(self, server: WorldServer, seed: str) -> None:
        super().__init__(server, seed)
        limits: dict[str, float] = {}
        for rule in server.world.minute_rules:
            limits[rule.resource] = min(rule.per_minute, limits.get(rule.resource, math.inf))
        self._limiters = {name: AsyncLimiter(limit, 60) for name, limit in limits.items()}

    async def _document(self, batch: Sequence[str]) -> None:
        amounts = {"requests": 1.0, "tokens": sum(map(len, batch)) / 4, "inputs": float(len(batch))}
        try:
            for name, limiter in self._limiters.items():
                await limiter.acquire(min(amounts[name], limiter.max_rate))
        except BaseException:
            self._slots.release()
            raise
        await super()._document(batch)


class Straight(Retrying):
    """A client of queries alone."""


@asynccontextmanager
async def open_aembed(server: WorldServer, seed: str) -> AsyncGenerator[Client]:
    async with EmbedderFactory(Config()) as factory:
        retry = RetryPolicy(max_attempts=MOST_ATTEMPTS) if server.world.patient else RetryPolicy()
        yield Aembed(await factory.new_embedder(server, limits=limits(server.world), retry=retry))


@asynccontextmanager
async def open_aiolimiter(server: WorldServer, seed: str) -> AsyncGenerator[Client]:
    yield WithAiolimiter(server, seed)


@asynccontextmanager
async def open_semaphore(server: WorldServer, seed: str) -> AsyncGenerator[Client]:
    yield WithSemaphore(server, seed)


Open: TypeAlias = Callable[[WorldServer, str], AbstractAsyncContextManager[Client]]
CLIENTS: dict[str, Open] = {"aembed": open_aembed, "aiolimiter": open_aiolimiter, "semaphore": open_semaphore}


def limits(world: World) -> Limits:
    return Limits(
        requests_per_minute=world.stated.requests,
        tokens_per_minute=world.stated.tokens,
        inputs_per_minute=world.stated.inputs,
    )


def _reason(error: AembedError) -> str:
    attempts = error.attempts if isinstance(error, ProviderError) else 0
    return f"{type(error).__name__}, {attempts} attempts" if attempts else type(error).__name__
