"""aembed as its users have it: gate, retries, timeouts and checks are on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from perf.peers.candidates.batches import BATCH, Rows

if TYPE_CHECKING:
    from aembed import Embedder


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Embedder]:
    from aembed import Config, EmbedderFactory, Limits

    async with EmbedderFactory(Config()) as factory:
        yield await factory.new_embedder(
            "openai:m",
            base_url=base_url,
            api_key="key",
            batch_size=BATCH,
            limits=Limits(max_concurrency=in_flight),
            timeout=30.0,
        )


async def query(client: Embedder, text: str) -> Rows:
    return await client.embed_query(text)


async def documents(client: Embedder, texts: Sequence[str]) -> Rows:
    return await client.embed_documents(texts)
