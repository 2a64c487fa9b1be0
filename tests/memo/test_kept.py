"""Only whole vectors of whole texts are cached, and no caller can write to them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    Config,
    EmbedderFactory,
    OverloadedError,
    Reply,
    TextTooLongError,
)
from aembed.testing import ScriptedProvider
from tests.memo.shelf import Shelf
from tests.scripted import ONCE, PAIRS, TEXTS, expected, sent


@pytest.mark.parametrize(
    "step",
    [
        OverloadedError("busy"),
        BadRequestError("no"),
        BadTextError("no"),
        AuthenticationError("who are you"),
        Reply(np.full((1, 8), np.nan, np.float32)),
        Reply(np.ones((2, 8), np.float32)),
        Reply(np.ones((1, 9), np.float32)),
        Reply(np.ones((1, 8), np.float32), truncated=[0]),
    ],
    ids="case 74: {}".format,
)
async def test_failures_and_truncated_texts_are_not_cached(factory: EmbedderFactory, step: Any) -> None:
    shelf = Shelf()
    provider = ScriptedProvider([step])
    embedder = await factory.new_embedder(provider, cache=shelf, retry=ONCE)
    try:
        result = await embedder.embed(["text"], on_error="return")
        assert result.failures or result.truncated == (0,)
    except AuthenticationError:
        pass
    np.testing.assert_array_equal(await embedder.embed_query("text"), (await expected(["text"]))[0])
    result = await embedder.embed(["text"])
    assert result.truncated == ()
    assert len(provider.calls) == 3
    np.testing.assert_array_equal(result.vectors, await expected(["text"]))
    await embedder.aclose()
    assert len(shelf.kept) == 2  # as query and as document


async def test_case_74_only_the_whole_texts_of_a_batch_are_cached(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([Reply(await expected(TEXTS[:4]), truncated=[2])])
    embedder = await factory.new_embedder(provider, cache=True)
    result = await embedder.embed([*TEXTS[:4], TEXTS[2]])
    assert result.truncated == (2, 4)
    await embedder.embed(TEXTS[:4])
    assert sent(provider) == [*TEXTS[:4], TEXTS[2]]


async def test_a_text_that_is_rejected_even_when_it_is_cut_fails() -> None:
    provider = ScriptedProvider([TextTooLongError("too long", index=0), BadTextError("no", index=0)])
    async with EmbedderFactory(Config(overlong="truncate")) as factory:
        embedder = await factory.new_embedder(provider, cache=True)
        result = await embedder.embed(["text " * 100], on_error="return")
    assert [type(error) for error in result.failures.values()] == [BadTextError]
    assert len(provider.calls) == 2


async def test_case_75_changing_a_result_changes_no_cached_row(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=True)
    right = await expected(TEXTS)
    together = await asyncio.gather(*(embedder.embed_documents(TEXTS) for _ in range(3)))
    for vectors in together:
        np.testing.assert_array_equal(vectors, right)
        vectors[:] = 0.0
    for out in (None, np.empty((12, 8), np.float32)):
        vectors = await embedder.embed_documents(TEXTS, out=out)
        np.testing.assert_array_equal(vectors, right)
        vectors[:] = 0.0
    for row, text in enumerate(TEXTS):
        vector = (await embedder.embed([text])).vectors
        np.testing.assert_array_equal(vector[0], right[row])
        vector[:] = 0.0
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), right)
    assert len(sent(provider)) == 12
