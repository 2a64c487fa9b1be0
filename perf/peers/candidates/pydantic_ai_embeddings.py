"""pydantic-ai's Embedder, on its OpenAI model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from perf.peers.candidates.batches import Rows, in_batches


class Client:
    def __init__(self, embedder: Any, in_flight: int) -> None:
        self.embedder, self.in_flight = embedder, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    from pydantic_ai import Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIEmbeddingModel("m", provider=OpenAIProvider(base_url=base_url, api_key="key"))
    yield Client(Embedder(model), in_flight)


async def query(client: Client, text: str) -> Rows:
    return np.array((await client.embedder.embed_query(text)).embeddings[0], np.float32)


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    async def embed(batch: Sequence[str], rows: Rows) -> None:
        rows[:] = (await client.embedder.embed_documents(batch)).embeddings

    return await in_batches(texts, client.in_flight, embed)
