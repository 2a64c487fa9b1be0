"""The operations of an embedder, to be cancelled at any point."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from aembed import Embedder, ModelSpec, OverloadedError

TEXTS = [f"text {number}" for number in range(9)]
NARROW = ModelSpec(name="narrow", dim=8, max_batch_texts=2, timeout=30.0)
BUSY = OverloadedError("busy", retry_after=3.0)

Operation: TypeAlias = Callable[[Embedder], Coroutine[Any, Any, Any]]


async def query(embedder: Embedder) -> None:
    await embedder.embed_query(TEXTS[0])


async def documents(embedder: Embedder) -> None:
    await embedder.embed_documents(TEXTS + TEXTS[:3])


async def everything_returned(embedder: Embedder) -> None:
    await embedder.embed(TEXTS, on_error="return", deadline=1000.0)


async def a_stream(embedder: Embedder) -> None:
    async with embedder.stream_documents(TEXTS * 60) as chunks:
        async for _ in chunks:
            pass
