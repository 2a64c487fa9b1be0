"""Bad texts, options and arrays are rejected before anything is sent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import (
    EmbedderFactory,
    InputError,
    ModelSpec,
)
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(20)]
BAD_TEXTS = ["bare string", b"bytes", {"a set"}, {"a": "dict"}, ["good", 7], ["good", ""], ["good", " "], ["\ud800"], 7]


@pytest.mark.parametrize("texts", BAD_TEXTS, ids=repr)
async def test_bad_texts_are_rejected_before_anything_is_sent(factory: EmbedderFactory, texts: Any) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    for call in (embedder.embed_documents, embedder.embed):
        with pytest.raises(InputError):
            await call(texts)
    assert provider.calls == []


@pytest.mark.parametrize("text", ["", "  ", None, b"bytes", ["list"], "\ud800"], ids=repr)
async def test_a_bad_query_is_rejected_before_anything_is_sent(factory: EmbedderFactory, text: Any) -> None:
    provider = ScriptedProvider()
    with pytest.raises(InputError):
        await (await factory.new_embedder(provider)).embed_query(text)
    assert provider.calls == []


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"kind": "passage"}, "kind is 'passage'; it must be 'document' or 'query'"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; it must be 'raise' or 'return'"),
        ({"deadline": 0}, "deadline is 0; it must be a positive"),
        ({"deadline": -1.0}, r"deadline is -1\.0"),
        ({"deadline": math.nan}, "deadline is nan"),
        ({"deadline": "5"}, "deadline is '5'"),
    ],
)
async def test_errors_for_bad_arguments_name_a_remedy(factory: EmbedderFactory, option: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        await (await factory.new_embedder("mock")).embed(TEXTS, **option)


# ---- out=


@pytest.mark.parametrize("batch_size", [3, 100])
@pytest.mark.parametrize("dim", [8, None], ids=["known dimension", "unknown dimension"])
async def test_rows_are_written_where_the_caller_wants_them(
    factory: EmbedderFactory, batch_size: int, dim: int | None
) -> None:
    provider = ScriptedProvider(spec=ModelSpec(name="model", dim=dim))
    embedder = await factory.new_embedder(provider, batch_size=batch_size)
    out = np.zeros((len(TEXTS), 8), np.float32)
    assert await embedder.embed_documents(TEXTS, out=out) is out
    np.testing.assert_array_equal(out, await embedder.embed_documents(TEXTS))


async def test_a_memmap_is_an_array(factory: EmbedderFactory, tmp_path: Path) -> None:
    embedder = await factory.new_embedder("mock", dimensions=8)
    out = np.lib.format.open_memmap(tmp_path / "vectors.npy", "w+", np.float32, (len(TEXTS), 8))
    await embedder.embed_documents(TEXTS, out=out)
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), await embedder.embed_documents(TEXTS))


@pytest.mark.parametrize(
    "out",
    [np.zeros((19, 8), np.float32), np.zeros((20, 8)), np.broadcast_to(np.float32(0), (20, 8)), [[0.0] * 8] * 20],
    ids=["shape", "dtype", "read-only", "list"],
)
async def test_an_unsuitable_array_is_rejected_before_anything_is_sent(factory: EmbedderFactory, out: Any) -> None:
    provider = ScriptedProvider()
    with pytest.raises(InputError, match="out "):
        await (await factory.new_embedder(provider)).embed_documents(TEXTS, out=out)
    assert provider.calls == []


async def test_a_blank_text_is_rejected_before_anything_is_sent(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    with pytest.raises(InputError) as caught:
        await embedder.embed(["good", " "])
    assert caught.value.index == 1
    assert provider.calls == []


@pytest.mark.parametrize("texts", [np.array(["a", "b"]), [np.str_("a"), np.str_("b")]], ids=["array", "items"])
async def test_providers_get_plain_strings(factory: EmbedderFactory, texts: Any) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    await embedder.embed_documents(texts)
    await embedder.embed(texts, on_error="return")
    await embedder.embed_query(texts[0])
    assert [chunk.texts async for chunk in embedder.stream_documents(texts)] == [["a", "b"]]
    assert {type(text) for call in provider.calls for text in call.texts} == {str}
