"""Clients: aembed, and two that people write without it. All talk to the same provider."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random
from typing import Protocol, TypeAlias

import anyio
from aiolimiter import AsyncLimiter

from aembed import AembedError, Config, Embedder, EmbedderFactory, Kind, ProviderError
from perf.quota.scenarios import Scenario
from perf.quota.server import StrictServer


class Client(Protocol):
    """Both methods give the number of texts that failed."""

    async def documents(self, texts: Sequence[str]) -> int: ...

    async def query(self, text: str) -> int: ...


Open: TypeAlias = Callable[[Scenario, StrictServer, int], AbstractAsyncContextManager[Client]]


class Aembed:
    """One embedder with its defaults, and the limits that the scenario states."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def documents(self, texts: Sequence[str]) -> int:
        result = await self._embedder.embed(texts, on_error="return")
        return len(result.failures) + len(result.not_attempted)

    async def query(self, text: str) -> int:
        try:
            await self._embedder.embed_query(text, deadline=math.inf)
        except AembedError:
            return 1
        return 0


class Retrying:
    """Tries for ever: after what the server says, else with exponential backoff and full jitter up to 30 s."""

    def __init__(self, scenario: Scenario, server: StrictServer, seed: int) -> None:
        self._scenario, self._server, self._random = scenario, server, Random(seed)

    def batches(self, texts: Sequence[str]) -> list[Sequence[str]]:
        size = self._scenario.texts
        return [texts[start : start + size] for start in range(0, len(texts), size)]

    async def send(self, texts: Sequence[str], kind: Kind) -> None:
        ceiling = 0.5
        while True:
            try:
                await self._server.embed(texts, kind=kind)
            except ProviderError as error:
                wait = error.retry_after
                await anyio.sleep(self._random.random() * ceiling if wait is None else max(wait, 0.001))
                ceiling = min(30.0, 2 * ceiling)
            else:
                return


class WithAiolimiter(Retrying):
    """A limiter for requests and one for tokens, at the true limits (hidden ones too), for bulk; queries go round."""

    def __init__(self, scenario: Scenario, server: StrictServer, seed: int) -> None:
        super().__init__(scenario, server, seed)
        self._requests = AsyncLimiter(server.config.requests, 60)
        self._tokens = AsyncLimiter(server.config.tokens, 60)
        self._slots = anyio.Semaphore(32)

    async def documents(self, texts: Sequence[str]) -> int:
        async with anyio.create_task_group() as tasks:
            for batch in self.batches(texts):
                await self._slots.acquire()
                tasks.start_soon(self._document, batch)
        return 0

    async def query(self, text: str) -> int:
        await self.send([text], "query")
        return 0

    async def _document(self, batch: Sequence[str]) -> None:
        try:
            if self._server.config.algorithm is not None:
                await self._requests.acquire()
                await self._tokens.acquire(min(sum(map(len, batch)) / 4, self._tokens.max_rate))
            await self.send(batch, "document")
        finally:
            self._slots.release()


class WithSemaphore(Retrying):
    """Thirty-two requests at once, of either kind; a rejected one waits in its slot."""

    def __init__(self, scenario: Scenario, server: StrictServer, seed: int) -> None:
        super().__init__(scenario, server, seed)
        self._slots = anyio.Semaphore(32)

    async def documents(self, texts: Sequence[str]) -> int:
        async with anyio.create_task_group() as tasks:
            for batch in self.batches(texts):
                tasks.start_soon(self._one, batch, "document")
        return 0

    async def query(self, text: str) -> int:
        await self._one([text], "query")
        return 0

    async def _one(self, batch: Sequence[str], kind: Kind) -> None:
        async with self._slots:
            await self.send(batch, kind)


@asynccontextmanager
async def open_aembed(scenario: Scenario, server: StrictServer, seed: int) -> AsyncGenerator[Client]:
    async with EmbedderFactory(Config()) as factory:
        yield Aembed(await factory.new_embedder(server, limits=scenario.limits))


@asynccontextmanager
async def open_aiolimiter(scenario: Scenario, server: StrictServer, seed: int) -> AsyncGenerator[Client]:
    yield WithAiolimiter(scenario, server, seed)


@asynccontextmanager
async def open_semaphore(scenario: Scenario, server: StrictServer, seed: int) -> AsyncGenerator[Client]:
    yield WithSemaphore(scenario, server, seed)


CLIENTS: dict[str, Open] = {"aembed": open_aembed, "aiolimiter": open_aiolimiter, "semaphore": open_semaphore}
