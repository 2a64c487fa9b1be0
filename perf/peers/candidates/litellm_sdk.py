"""litellm's aembedding."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from perf.peers.candidates.batches import Rows, alone, in_batches


class Client:
    def __init__(self, embed: Any, base_url: str, in_flight: int) -> None:
        self._embed, self._base_url, self.in_flight = embed, base_url, in_flight

    async def embed(self, texts: Sequence[str], rows: Rows) -> None:
        reply = await self._embed(model="openai/m", input=list(texts), api_base=self._base_url, api_key="key")
        for item in reply.data:
            rows[item["index"]] = item["embedding"]


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    import litellm

    litellm.suppress_debug_info = True
    yield Client(litellm.aembedding, base_url, in_flight)


async def query(client: Client, text: str) -> Rows:
    return await alone(text, client.embed)


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, client.embed)
