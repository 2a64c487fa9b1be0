"""httpx, orjson and pybase64."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np
import orjson
import pybase64

from perf.peers.candidates.batches import Rows, alone, in_batches


class Client:
    def __init__(self, session: Any, url: str, in_flight: int) -> None:
        self.session, self.url, self.in_flight = session, url, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    import httpx

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
    async with httpx.AsyncClient(limits=limits, headers=headers) as session:
        yield Client(session, f"{base_url}/embeddings", in_flight)


async def query(client: Client, text: str) -> Rows:
    return await alone(text, partial(embed, client))


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, partial(embed, client))


async def embed(client: Client, texts: Sequence[str], rows: Rows) -> None:
    body = orjson.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
    response = await client.session.post(client.url, content=body)
    for item in orjson.loads(response.content)["data"]:
        rows[item["index"]] = np.frombuffer(pybase64.b64decode(item["embedding"]), "<f4")
