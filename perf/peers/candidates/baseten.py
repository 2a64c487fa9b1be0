"""baseten-performance-client: Rust underneath, numbers in the reply, which it parses itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from perf.peers.candidates.batches import BATCH, Rows


class Client:
    def __init__(self, client: Any, preference: Any) -> None:
        self.client, self.preference = client, preference


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    from baseten_performance_client import PerformanceClient, RequestProcessingPreference

    preference = RequestProcessingPreference(
        batch_size=BATCH, max_concurrent_requests=in_flight, max_chars_per_request=1_000_000
    )
    yield Client(PerformanceClient(base_url=base_url.removesuffix("/v1"), api_key="key"), preference)


async def query(client: Client, text: str) -> Rows:
    row: Rows = (await documents(client, [text]))[0]
    return row


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    reply = await client.client.async_embed(input=list(texts), model="m", preference=client.preference)
    return np.asarray(reply.numpy(), np.float32)
