"""A call that has ended is gone with its rows: nothing of it waits for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from aembed import BadTextError, Embedder, EmbedderFactory, MergePolicy
from aembed._engine.call import EmbedCall
from aembed._sharing.participant import Participant
from aembed._sharing.shared_call import SharedCall
from aembed.testing import ScriptedProvider
from tests.scripted import PAIRS, TEXTS


async def documents(embedder: Embedder) -> None:
    await embedder.embed_documents(TEXTS)


async def rejected(embedder: Embedder) -> None:
    assert (await embedder.embed([*TEXTS[:4], "", "bad"], on_error="return")).failures


async def queries(embedder: Embedder) -> None:
    await asyncio.gather(*map(embedder.embed_query, TEXTS))


@pytest.mark.parametrize("use", [documents, rejected, queries])
@pytest.mark.parametrize("options", [{}, {"cache": True}, {"merge": MergePolicy(window=0.01)}], ids=str)
async def test_ended_calls_are_freed_at_once(
    factory: EmbedderFactory, options: dict[str, Any], use: Callable[[Embedder], Coroutine[Any, Any, None]]
) -> None:
    provider = ScriptedProvider(spec=PAIRS, refused={"bad": BadTextError("rejected")})
    embedder = await factory.new_embedder(provider, **options)
    gc.collect()
    gc.disable()
    try:
        await use(embedder)
        await anyio.wait_all_tasks_blocked()
        kinds = (EmbedCall, SharedCall, Participant)
        assert [each for each in gc.get_objects() if type(each) in kinds] == []
    finally:
        gc.enable()
