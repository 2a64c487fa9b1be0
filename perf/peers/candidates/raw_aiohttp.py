"""The floor: aiohttp, orjson and binascii, without a check, limit or timeout."""

from __future__ import annotations

import binascii
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np

from perf.peers.candidates.batches import Rows, alone, in_batches


class Client:
    def __init__(self, session: Any, url: str, in_flight: int) -> None:
        self.session, self.url, self.in_flight = session, url, in_flight


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    import aiohttp

    headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        yield Client(session, f"{base_url}/embeddings", in_flight)


async def query(client: Client, text: str) -> Rows:
    return await alone(text, partial(embed, client))


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, partial(embed, client))


async def embed(client: Client, texts: Sequence[str], rows: Rows) -> None:
    import orjson

    body = orjson.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
    async with client.session.post(client.url, data=body) as response:
        reply = orjson.loads(await response.read())
    for item in reply["data"]:
        rows[item["index"]] = np.frombuffer(binascii.a2b_base64(item["embedding"]), "<f4")
