"""A model in this process is in memory once for a factory, and freed with its last embedder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aembed import ClosedError, ConfigError, Embedder, EmbedderFactory, Limits, Provider
from tests.toy_encoder import write_model


def provider_of(factory: EmbedderFactory, embedder: Embedder) -> Provider:
    return factory._embedders[embedder].provider


@pytest.fixture
def model(tmp_path: Path) -> str:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    pytest.importorskip("onnx")
    return f"local:{write_model(tmp_path / 'model')}"


async def test_embedders_of_one_model_share_it_also_when_they_open_at_once(
    factory: EmbedderFactory, model: str
) -> None:
    embedders = await asyncio.gather(*(factory.new_embedder(model) for _ in range(5)))
    providers = {id(provider_of(factory, embedder)) for embedder in embedders}
    assert len(providers) == 1
    await embedders[0].aclose()
    await embedders[1].embed_query("a b")


@pytest.mark.parametrize(
    "options",
    [{"overlong": "truncate"}, {"provider_options": {"threads": 1}}, {"provider_options": {"pooling": "cls"}}],
)
async def test_other_options_are_another_model(factory: EmbedderFactory, model: str, options: Any) -> None:
    one, other = await factory.new_embedder(model), await factory.new_embedder(model, **options)
    assert provider_of(factory, one) is not provider_of(factory, other)


async def test_fault_93_other_files_in_the_same_place_are_another_model(factory: EmbedderFactory, model: str) -> None:
    one = await factory.new_embedder(model)
    file = Path(model.removeprefix("local:")) / "tokenizer.json"
    file.write_text(file.read_text() + "\n")
    assert provider_of(factory, one) is not provider_of(factory, await factory.new_embedder(model))


async def test_it_is_freed_with_its_last_embedder(factory: EmbedderFactory, model: str) -> None:
    first, second = [await factory.new_embedder(model) for _ in range(2)]
    provider = provider_of(factory, first)
    await first.aclose()
    await second.embed_query("a b")
    await second.aclose()
    assert len(factory._providers._models) == 0
    with pytest.raises(ClosedError):
        await provider.embed(["a b"], kind="query")


async def test_one_that_cannot_be_made_leaves_the_others_their_model(factory: EmbedderFactory, model: str) -> None:
    one = await factory.new_embedder(model, limits=Limits(max_concurrency=1))
    with pytest.raises(ConfigError, match="give the same"):
        await factory.new_embedder(model, limits=Limits(max_concurrency=2))
    await one.embed_query("a b")
