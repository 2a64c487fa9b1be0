"""langchain-openai. It sends its batches one after the other, so many calls are made at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from perf.peers.candidates.batches import BATCH, Rows, in_batches


class Client:
    def __init__(self, embeddings: Any, in_flight: int) -> None:
        self.embeddings, self.in_flight = embeddings, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    yield Client(
        OpenAIEmbeddings(
            model="m",
            base_url=base_url,
            api_key=SecretStr("key"),
            chunk_size=BATCH,
            check_embedding_ctx_length=False,  # else it counts tokens first, with a file from the network
        ),
        in_flight,
    )


async def query(client: Client, text: str) -> Rows:
    return np.array(await client.embeddings.aembed_query(text), np.float32)


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    async def embed(batch: Sequence[str], rows: Rows) -> None:
        rows[:] = await client.embeddings.aembed_documents(list(batch))

    return await in_batches(texts, client.in_flight, embed)
