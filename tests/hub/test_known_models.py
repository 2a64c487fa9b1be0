"""Every listed model, from configuration files as its authors publish them: pooling, length, prompts.

The weights are a toy's, so this shows that the files are read as they are meant, and not that vectors are right; where
those were compared, ``checked`` says so. Read on 2026-11-29:

- ``modules.json`` of bge-small-en-v1.5 (in michaelfeil/ct2fast-bge-small-en-v1.5), snowflake-arctic-embed-s and
  multilingual-e5-small on huggingface.co; those of mxbai-embed-large-v1 (229 bytes) and
  paraphrase-multilingual-MiniLM-L12-v2 (14 lines) have room for two modules only.
- ``1_Pooling/config.json`` of bge-small-zh-v1.5 and e5-small there, and the pooling that vLLM's
  ``tests/models/language/pooling_mteb_test`` expects of bge, gte, e5 and Arctic, fastembed 0.9.1 of all of them.
- prompts: mteb's ``model_prompts`` of Arctic, the cards of mxbai and nomic. BGE's authors call theirs optional, and
  their files have none.
- ``config.json`` of potion-science-32M, of potion-base-8M's family.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Source
from aembed.providers import local, static
from aembed.providers.known_models import KNOWN_MODELS, KnownModel
from tests.hub.server import Hub
from tests.toy_encoder import TABLE, WORDS, hidden, modules, tokenizer, write_json, write_model

QUERY = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True)
class Published:
    """Facts from the files of a repository."""

    pooling: str
    normalizes: bool
    length: int
    query: str | None = None
    """The prompt of ``config_sentence_transformers.json``."""


PUBLISHED = {
    "sentence-transformers/all-MiniLM-L6-v2": Published("mean", True, 256),
    "BAAI/bge-small-en-v1.5": Published("cls", True, 512),
    "BAAI/bge-base-en-v1.5": Published("cls", True, 512),
    "BAAI/bge-large-en-v1.5": Published("cls", True, 512),
    "mixedbread-ai/mxbai-embed-large-v1": Published("cls", False, 512, QUERY),
    "Snowflake/snowflake-arctic-embed-xs": Published("cls", True, 512, QUERY),
    "Snowflake/snowflake-arctic-embed-m-v1.5": Published("cls", True, 512, QUERY),
    "thenlper/gte-base": Published("mean", True, 512),
    "nomic-ai/nomic-embed-text-v1.5": Published("mean", False, 8192),
    "intfloat/multilingual-e5-small": Published("mean", True, 512),
    "intfloat/multilingual-e5-base": Published("mean", True, 512),
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": Published("mean", False, 128),
}
ENCODERS = [each for each in KNOWN_MODELS if each.model.startswith("local:") and "/" in each.repo]
TABLES = [each for each in KNOWN_MODELS if each.model.startswith("static:") and "/" in each.repo]


def repository(directory: Path, model: KnownModel, published: Published) -> Path:
    names = ["Transformer", "Pooling", *(["Normalize"] if published.normalizes else [])]
    flags: dict[str, Any] = {"word_embedding_dimension": model.dim}
    flags |= {f"pooling_mode_{mode}_tokens": mode == published.pooling for mode in ("mean", "max", "mean_sqrt_len")}
    sentences: dict[str, Any] = {"__version__": {"sentence_transformers": "2.7.0"}}
    if published.query is not None:
        sentences |= {"prompts": {"query": published.query}, "default_prompt_name": None}
    write_json(
        write_model(directory, file="onnx/model.onnx"),
        modules=modules(*names),
        pooling=flags | {"pooling_mode_cls_token": published.pooling == "cls"},
        sentence_bert_config={"max_seq_length": published.length, "do_lower_case": False},
        config_sentence_transformers=sentences,
    )
    return directory


def test_the_files_of_every_listed_encoder_are_here() -> None:
    assert {each.repo for each in ENCODERS} == set(PUBLISHED)


@pytest.mark.parametrize("model", ENCODERS, ids=lambda model: model.repo)
async def test_an_encoder_is_read_as_it_is_published_and_as_it_is_listed(
    model: KnownModel, hub: Hub, tmp_path: Path
) -> None:
    published = PUBLISHED[model.repo]
    hub.repository(model.repo).push(repository(tmp_path, model, published))
    options = {"threads": 1, "query_threads": 1}
    provider = await local.open_provider(Source(provider="local", model=model.repo, options=options))
    prompts = {
        "query": published.query or model.prompts.get("query", ""),
        "document": model.prompts.get("document", ""),
    }
    for kind, prompt in prompts.items():
        tokens = hidden(f"{prompt}dark red")
        expected = tokens[0] if published.pooling == "cls" else tokens.mean(axis=0)
        expected = expected / np.linalg.norm(expected) if published.normalizes else expected
        reply = await provider.embed(["dark red"], kind=kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(reply.vectors[0], expected, rtol=1e-5)
    await provider.aclose()
    assert model.pooling == published.pooling + (", unit" if published.normalizes else "")
    assert (model.max_tokens, provider.spec.max_text_tokens) == (published.length, published.length)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.repo)
async def test_a_table_is_read_as_it_is_published_and_as_it_is_listed(
    model: KnownModel, hub: Hub, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    save_file({"embeddings": TABLE}, tmp_path / "model.safetensors")
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    write_json(
        tmp_path, config={"apply_zipf": True, "hidden_dim": model.dim, "seq_length": 1_000_000, "normalize": True}
    )
    hub.repository(model.repo).push(tmp_path)
    provider = await static.open_provider(Source(provider="static", model=model.repo))
    reply = await provider.embed(["dark red"], kind="query")
    expected = (TABLE[WORDS.index("dark")] + TABLE[WORDS.index("red")]) / 2
    np.testing.assert_allclose(reply.vectors[0], expected / np.linalg.norm(expected), rtol=1e-5)
    assert (model.pooling, provider.spec.max_text_tokens) == ("mean, unit", model.max_tokens)
