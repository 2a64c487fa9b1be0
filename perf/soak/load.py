"""Callers who embed, stream, lose patience, leave and come back, on servers that fail at random."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import anyio
import numpy as np

from aembed import AembedError, Config, Embedder, EmbedderFactory, Limits, RetryPolicy, Vectors
from aembed.providers.mock import MockOptions, MockProvider

DIM = 256
TEXTS = [f"text number {number} of those that are embedded again and again" for number in range(3000)]
CALLERS = 12
LIFE = 300
"""Operations after which a caller closes its factory and makes another."""
PATIENCE = 0.05
"""Seconds, at most, of those who leave early."""

OPTIONS: list[dict[str, Any]] = [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}]
RETRY = RetryPolicy(max_attempts=4, initial_delay=0.001, max_delay=0.01)


class Load:
    """``outcomes`` counts what operations came to; a wrong vector ends it all."""

    def __init__(self, base_url: str, seed: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._base_url = base_url
        self._seed = seed
        self._expected: Vectors

    async def run(self, minutes: float) -> None:
        self._expected = (await MockProvider(MockOptions(dim=DIM)).embed(TEXTS, kind="document")).vectors
        end = asyncio.get_running_loop().time() + 60.0 * minutes
        async with anyio.create_task_group() as tasks:
            for number in range(CALLERS):
                tasks.start_soon(self._call, Random(f"{self._seed} {number}"), end)

    async def _call(self, random: Random, end: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            async with AsyncExitStack() as stack:
                factory = await stack.enter_async_context(EmbedderFactory(Config()))
                embedder = await factory.new_embedder(
                    "openai:soak",
                    base_url=self._base_url,
                    api_key="any",
                    batch_size=50,
                    limits=Limits(max_concurrency=4),
                    retry=RETRY,
                    timeout=10.0,
                    **random.choice(OPTIONS),
                )
                for _ in range(LIFE):
                    if loop.time() >= end:
                        break
                    await self._operate(embedder, random)

    async def _operate(self, embedder: Embedder, random: Random) -> None:
        operation: Callable[[Embedder, Random], Awaitable[None]]
        operation = random.choice([self._query, self._documents, self._returned, self._stream])
        patience = random.uniform(0, PATIENCE) if random.random() < 0.2 else None
        try:
            with anyio.move_on_after(patience) as scope:
                await operation(embedder, random)
            self.outcomes["left early" if scope.cancelled_caught else operation.__name__[1:]] += 1
        except AembedError as error:
            self.outcomes[type(error).__name__] += 1

    async def _query(self, embedder: Embedder, random: Random) -> None:
        index = random.randrange(len(TEXTS))
        self._check([index], (await embedder.embed_query(TEXTS[index]))[None])

    async def _documents(self, embedder: Embedder, random: Random) -> None:
        indices = random.choices(range(len(TEXTS)), k=random.randint(1, 200))
        self._check(indices, await embedder.embed_documents([TEXTS[index] for index in indices]))

    async def _returned(self, embedder: Embedder, random: Random) -> None:
        indices = random.choices(range(len(TEXTS)), k=random.randint(1, 200))
        deadline = random.choice([None, 0.01, 0.1])
        result = await embedder.embed([TEXTS[index] for index in indices], on_error="return", deadline=deadline)
        good = [n for n in range(len(indices)) if n not in result.failures and n not in set(result.not_attempted)]
        self._check([indices[n] for n in good], result.vectors[good])

    async def _stream(self, embedder: Embedder, random: Random) -> None:
        start = random.randrange(len(TEXTS) - 1000)
        async with embedder.stream_documents(TEXTS[start : start + 1000]) as chunks:
            async for chunk in chunks:
                first = start + chunk.start
                self._check(range(first, first + len(chunk)), chunk.vectors)
                if random.random() < 0.2:
                    break

    def _check(self, indices: Sequence[int], vectors: Vectors) -> None:
        if len(indices) and not np.array_equal(vectors, self._expected[list(indices)]):
            raise AssertionError("a vector is not its text's")
