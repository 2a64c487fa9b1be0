"""The code that users write around a client of one batch at a time: so many at once, into one array."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

BATCH = 100
DIM = 1536

Rows: TypeAlias = NDArray[np.float32]
Embed: TypeAlias = Callable[[Sequence[str], Rows], Awaitable[None]]
"""Fills the rows of a batch."""


async def alone(text: str, embed: Embed) -> Rows:
    """One text's row."""
    rows: Rows = np.empty((1, DIM), np.float32)
    await embed([text], rows)
    row: Rows = rows[0]
    return row


async def in_batches(texts: Sequence[str], in_flight: int, embed: Embed) -> Rows:
    """Workers over one iterator, the cheapest way there is."""
    result: Rows = np.empty((len(texts), DIM), np.float32)
    starts = iter(range(0, len(texts), BATCH))

    async def work() -> None:
        for start in starts:
            await embed(texts[start : start + BATCH], result[start : start + BATCH])

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(work())
    return result
