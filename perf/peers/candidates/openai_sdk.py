"""The openai SDK as its documentation shows it: it asks for base64 itself, and gives lists of floats."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from perf.peers.candidates.batches import Rows, in_batches


class Client:
    def __init__(self, client: Any, in_flight: int) -> None:
        self.client, self.in_flight = client, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key="key") as client:
        yield Client(client, in_flight)


async def query(client: Client, text: str) -> Rows:
    reply = await client.client.embeddings.create(model="m", input=text)
    return np.array(reply.data[0].embedding, np.float32)


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    async def embed(batch: Sequence[str], rows: Rows) -> None:
        reply = await client.client.embeddings.create(model="m", input=batch)
        for item in reply.data:
            rows[item.index] = item.embedding

    return await in_batches(texts, client.in_flight, embed)
