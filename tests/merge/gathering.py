"""Calls that gather while a request is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel

from aembed import Embedder, MergePolicy, ModelSpec

WIDE = ModelSpec(name="wide", provider="scripted", dim=8, max_batch_texts=100, timeout=None)
PATIENT = MergePolicy(window=1000.0)


async def queries(embedder: Embedder, texts: Sequence[str]) -> list[asyncio.Task[Any]]:
    """Calls under way, in this order."""
    tasks = [asyncio.create_task(embedder.embed_query(text, deadline=3600.0)) for text in texts]
    await anyio.wait_all_tasks_blocked()
    return tasks
