"""Shorter vectors: by the server where it can, on this side where the model was trained for it, and else not at all."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from aembed import BadRequestError, Config, ConfigError, EmbedderFactory, Provider, Reply, ReplyError, Source, Vectors
from aembed._registry import Opener
from aembed._vectors import shorten
from aembed._wire.catalogue import HostedModel
from aembed._wire.matryoshka import OPEN_MODELS, open_model
from aembed.providers import local
from aembed.providers.ollama import OLLAMA
from aembed.providers.openai import OPENAI
from aembed.providers.tei import TEI
from aembed.testing import LoopbackServer
from tests.wire.fake import Fake, answer

NOMIC = "nomic-embed-text-v1.5"
WHOLE = np.random.default_rng(7).standard_normal((2, 768)).astype(np.float32)
TEXTS = ["one", "two"]
HERE = "http://localhost:1"


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def openai_reply(vectors: Vectors, *, as_base64: bool) -> dict[str, Any]:
    rows = [base64.b64encode(row.tobytes()).decode() if as_base64 else row.tolist() for row in vectors]
    return {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]}


async def opened(fake: Fake, name: str, dimensions: int | None) -> Provider:
    opener: Opener = {"openai": OPENAI, "ollama": OLLAMA, "tei": TEI}[name.partition(":")[0]]
    return await opener(fake.source(name, key=None, base_url=HERE, dimensions=dimensions))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("nomic-embed-text", NOMIC),
        ("nomic-embed-text:latest", NOMIC),
        ("nomic-ai/nomic-embed-text-v1.5", NOMIC),
        ("Qwen/Qwen3-Embedding-0.6B", "qwen3-embedding-0.6b"),
        ("qwen3-embedding:0.6b", "qwen3-embedding-0.6b"),
        ("google/embeddinggemma-300m", "embeddinggemma"),
        ("embeddinggemma:300m", "embeddinggemma"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-minilm"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "snowflake-arctic-embed2"),
    ],
)
def test_a_model_is_known_by_all_its_names(name: str, model: str) -> None:
    assert open_model(name) == OPEN_MODELS[model]


@pytest.mark.parametrize("name", ["", "mine", "qwen3-embedding", "nomic-embed-text-v9"])
def test_others_are_not_known(name: str) -> None:
    assert open_model(name) is None


def test_the_largest_dimension_offered_is_the_models() -> None:
    for name, model in OPEN_MODELS.items():
        assert model.dim is not None, name
        assert not model.dimensions or (
            model.dimensions[-1] == model.dim and sorted(model.dimensions) == list(model.dimensions)
        ), name


@pytest.mark.parametrize("provider", ["openai:org/", "ollama:", "tei:"])
@pytest.mark.parametrize(
    ("model", "dimensions", "says"),
    [
        (NOMIC, 63, "nomic-embed-text-v1.5 has 64 to 768, not 63"),
        (NOMIC, 1024, "nomic-embed-text-v1.5 has 64 to 768, not 1024"),
        ("embeddinggemma-300m", 300, "has 128, 256, 512 or 768, not 300"),
        ("nomic-embed-text-v2-moe", 512, "has 256 or 768, not 512"),
        ("bge-m3", 512, "bge-m3 always has 1024, not 512; leave dimensions out"),
        ("all-minilm-l6-v2", 128, "always has 384, not 128"),
    ],
)
async def test_a_dimension_not_offered_is_rejected_before_any_request(
    provider: str, model: str, dimensions: int, says: str
) -> None:
    fake = Fake([])
    with pytest.raises(ConfigError, match=says):
        await opened(fake, provider + model, dimensions)
    assert fake.asked == []


async def test_the_only_dimension_is_not_asked_for_and_is_expected() -> None:
    fake = Fake([answer(openai_reply(WHOLE, as_base64=True))])
    provider = await opened(fake, "openai:bge-base-en-v1.5", 768)
    assert provider.spec.dim == 768
    await provider.embed(TEXTS, kind="document")
    assert "dimensions" not in fake.asked[0]


async def test_the_server_shortens_where_it_can() -> None:
    fake = Fake([answer(openai_reply(WHOLE[:, :256], as_base64=True))])
    provider = await opened(fake, f"openai:{NOMIC}", 256)
    reply = await provider.embed(TEXTS, kind="document")
    np.testing.assert_array_equal(reply.vectors, WHOLE[:, :256])  # as it came
    assert fake.asked[0]["dimensions"] == 256


@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize(
    "rejection", [None, "dimensions is currently not supported", "model does not support matryoshka representation"]
)
async def test_dimensions_the_server_rejects_or_ignores_are_applied_here(
    as_base64: bool, rejection: str | None
) -> None:
    whole = answer(openai_reply(WHOLE, as_base64=as_base64))
    fake = Fake([whole] if rejection is None else [answer({"message": rejection}, 400), whole])
    provider = await opened(fake, f"openai:nomic-ai/{NOMIC}", 256)
    for _ in range(2):
        reply = await provider.embed(TEXTS, kind="document")
        np.testing.assert_allclose(reply.vectors, unit(WHOLE[:, :256]), rtol=1e-6)
        assert reply.vectors.flags.c_contiguous
    assert [body.get("dimensions") for body in fake.asked] == [256, None] + [None] * (rejection is not None)


@pytest.mark.parametrize("name", [f"ollama:{NOMIC}", f"tei:{NOMIC}"])
async def test_older_servers_that_know_no_dimensions(name: str) -> None:
    rows = WHOLE.tolist()
    fake = Fake([answer({"embeddings": rows} if name.startswith("ollama") else rows)])
    provider = await opened(fake, name, 64)
    for _ in range(2):
        reply = await provider.embed(TEXTS, kind="query")
        np.testing.assert_allclose(reply.vectors, unit(WHOLE[:, :64]), rtol=1e-6)


async def test_base64_of_half_the_dimension_may_be_doubles() -> None:
    """It is requested as numbers once, before anything is shortened."""
    fake = Fake([answer(openai_reply(WHOLE, as_base64=True)), answer(openai_reply(WHOLE, as_base64=False))])
    provider = await opened(fake, f"openai:{NOMIC}", 384)
    with pytest.raises(ReplyError) as caught:
        await provider.embed(TEXTS, kind="document")
    assert caught.value.retryable
    reply = await provider.embed(TEXTS, kind="document")
    np.testing.assert_allclose(reply.vectors, unit(WHOLE[:, :384]), rtol=1e-6)
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", None]


@pytest.mark.parametrize("name", ["openai:mine", f"openai:{NOMIC}"])
async def test_vectors_of_a_model_that_is_not_known_are_not_shortened(name: str) -> None:
    """Also not those of a model that only has a known one's name."""
    fake = Fake([answer(openai_reply(WHOLE[:, :700], as_base64=True))])
    provider = await opened(fake, name, 256)
    with pytest.raises(BadRequestError, match="gives 700, not 256; leave dimensions out"):
        await provider.embed(TEXTS, kind="document")


async def test_over_real_http_rows_fall_into_their_place(factory: EmbedderFactory) -> None:
    async with LoopbackServer("tei", dim=768) as server:
        whole = await factory.new_embedder("tei", base_url=server.base_url)
        short = await factory.new_embedder(f"tei:{NOMIC}", base_url=server.base_url, dimensions=128)
        texts = [f"text {number}" for number in range(100)]
        expected = unit((await whole.embed_documents(texts))[:, :128])
        out = np.empty((100, 128), np.float32)
        assert await short.embed_documents(texts, out=out) is out
        np.testing.assert_allclose(out, expected, atol=1e-6)
        np.testing.assert_allclose(await short.embed_query(texts[3]), expected[3], atol=1e-6)


NUMBERS = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


@given(numpy_st.arrays(np.float32, (3, 8), elements=NUMBERS), st.integers(1, 8))
def test_the_head_at_unit_length(vectors: Vectors, dim: int) -> None:
    before = vectors.copy()
    for row, whole in zip(shorten(vectors, dim), vectors[:, :dim].astype(np.float64), strict=True):
        if whole.any():
            np.testing.assert_allclose(row, whole / np.linalg.norm(whole), atol=1e-6)
        else:
            assert not row.any()  # rejected, as any reply with a row of zeros is
    np.testing.assert_array_equal(vectors, before)


async def test_the_packaged_model_cannot_be_shortened(factory: EmbedderFactory) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    with pytest.raises(ConfigError, match="dimensions=128, but the model answers 384 and cannot be shortened"):
        await factory.new_embedder("local", dimensions=128)


@pytest.mark.parametrize("dimensions", [64, 128, 256])
async def test_wordllama_is_shortened(factory: EmbedderFactory, dimensions: int) -> None:
    pytest.importorskip("safetensors", reason="needs the extra static")
    whole = await (await factory.new_embedder("static")).embed_documents(TEXTS)
    short = await factory.new_embedder("static", dimensions=dimensions)
    assert short.spec.dim == dimensions
    np.testing.assert_allclose(await short.embed_documents(TEXTS), unit(whole[:, :dimensions]), atol=1e-6)


async def test_wordllama_has_no_others() -> None:
    pytest.importorskip("safetensors", reason="needs the extra static")
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="dimensions=100, but the model has 64, 128 or 256: ask for one of those"):
            await factory.new_embedder("static", dimensions=100)


async def embed_directory(directory: Path, dimensions: int | None) -> Reply:
    provider = await local.open_provider(Source(provider="local", model=str(directory), dimensions=dimensions))
    reply = await provider.embed(["hello world", "hello"], kind="document")
    assert provider.spec.dim == reply.vectors.shape[1]
    await provider.aclose()
    return reply


@pytest.mark.parametrize("knows", ["configuration", "name"])
async def test_a_directory_whose_model_was_trained_for_it(
    tmp_path: Path, knows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    from tests.toy_encoder import write_model

    directory = write_model(tmp_path)
    if knows == "configuration":
        config = directory / "config.json"
        known = json.loads(config.read_text()) if config.is_file() else {}
        config.write_text(json.dumps({**known, "matryoshka_dimensions": [2, 3, 4]}))
    else:
        monkeypatch.setattr("aembed.providers._model_dir.open_model", _four)
    whole = await embed_directory(directory, None)
    assert whole.vectors.shape[1] == 4
    short = await embed_directory(directory, 3)
    np.testing.assert_allclose(short.vectors, unit(whole.vectors[:, :3]), atol=1e-6)
    with pytest.raises(ConfigError, match="dimensions=1, but the model has 2, 3 or 4: ask for one of those"):
        await embed_directory(directory, 1)


def _four(name: str) -> HostedModel:
    assert name
    return HostedModel(dim=4, dimensions=(2, 3, 4))
