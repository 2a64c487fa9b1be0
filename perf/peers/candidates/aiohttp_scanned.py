"""aiohttp again, but the vectors are found by a search for quotes and decoded by pybase64: no JSON is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import orjson

from perf.peers.candidates.batches import Rows, alone, in_batches
from perf.peers.candidates.raw_aiohttp import Client, opened
from perf.peers.candidates.scan import decode

__all__ = ["documents", "opened", "query"]


async def query(client: Client, text: str) -> Rows:
    return await alone(text, partial(embed, client))


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, partial(embed, client))


async def embed(client: Client, texts: Sequence[str], rows: Rows) -> None:
    body = orjson.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
    async with client.session.post(client.url, data=body) as response:
        decode(await response.read(), rows)
