"""pyreqwest: Rust's reqwest as a client for asyncio, with orjson and pybase64."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np

from perf.peers.candidates.batches import Rows, alone, in_batches


class Client:
    def __init__(self, client: Any, url: str, in_flight: int) -> None:
        self.client, self.url, self.in_flight = client, url, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    from pyreqwest.client import ClientBuilder

    headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
    async with ClientBuilder().default_headers(headers).build() as client:
        yield Client(client, f"{base_url}/embeddings", in_flight)


async def query(client: Client, text: str) -> Rows:
    return await alone(text, partial(embed, client))


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, partial(embed, client))


async def embed(client: Client, texts: Sequence[str], rows: Rows) -> None:
    import orjson
    import pybase64

    body = orjson.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
    response = await client.client.post(client.url).body_bytes(body).build().send()
    reply = orjson.loads(memoryview(await response.bytes()))
    for item in reply["data"]:
        rows[item["index"]] = np.frombuffer(pybase64.b64decode(item["embedding"]), "<f4")
