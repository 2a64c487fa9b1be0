"""The openai SDK, asked for base64 outright: its strings are decoded here, by pybase64."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pybase64

from perf.peers.candidates.batches import Rows, alone, in_batches
from perf.peers.candidates.openai_sdk import Client, opened

__all__ = ["documents", "opened", "query"]


async def query(client: Client, text: str) -> Rows:
    return await alone(text, partial(embed, client))


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, partial(embed, client))


async def embed(client: Client, texts: Sequence[str], rows: Rows) -> None:
    reply = await client.client.embeddings.create(model="m", input=texts, encoding_format="base64")
    for item in reply.data:
        rows[item.index] = np.frombuffer(pybase64.b64decode(item.embedding), "<f4")
