"""Processes that share an account, each with its part of the stated limits: no 429 beyond those of one process.

The server says nothing of its quota: what is stated has to be enough, whether it counts as a bucket or in any minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import anyio
import numpy as np
import pytest

from aembed import Config, EmbedderFactory, Kind, Limits, ModelSpec, RateLimitError, Reply
from aembed.testing import VirtualTimeLoop
from aembed.testing.quotas import Bucket, SlidingWindow

A_MINUTE, QUOTA, TEXTS = 60.0, 120, 360


class Server:
    """A provider with a quota that its replies do not mention."""

    spec = ModelSpec(name="m", provider="p", dim=2, max_batch_texts=1, max_concurrency=16)

    def __init__(self, meter: Bucket | SlidingWindow, seed: int) -> None:
        self.rejected = 0
        self._meter = meter
        self._random = Random(seed)

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> Reply:
        await anyio.sleep(self._random.uniform(0.01, 0.1))
        now = asyncio.get_running_loop().time()
        if self._meter.wait(now, 1) > 0:
            self.rejected += 1
            raise RateLimitError("too fast")
        self._meter.add(now, 1)
        await anyio.sleep(self._random.uniform(0.01, 0.5))
        return Reply(np.ones((len(texts), 2), np.float32))

    async def aclose(self) -> None:
        """Nothing is open."""


async def rejected(meter: Bucket | SlidingWindow, seed: int, processes: int) -> int:
    """429s while ``processes`` factories embed equal parts of the texts."""
    server = Server(meter, seed)
    limits = Limits(requests_per_minute=QUOTA / processes)

    async def process(texts: Sequence[str]) -> None:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(server, limits=limits)
            await embedder.embed_documents(texts)

    async with anyio.create_task_group() as tasks:
        for number in range(processes):
            tasks.start_soon(process, [f"{number} {text}" for text in range(TEXTS // processes)])
    return server.rejected


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["bucket", "any minute"])
def test_stated_limits_are_kept_by_all_processes_together(kind: str, seed: int, processes: int) -> None:
    meter = Bucket(QUOTA / A_MINUTE, QUOTA) if kind == "bucket" else SlidingWindow(QUOTA, A_MINUTE)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(rejected(meter, seed, processes)) == 0
