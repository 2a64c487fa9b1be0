"""Chroma with an in-memory and a saved collection, and aembed's local model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("chromadb", reason="needs the extra chroma")

import chromadb
from chromadb.config import Settings

import aembed
from aembed.integrations.chroma import AembedEmbeddingFunction
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls

QUIET = Settings(anonymized_telemetry=False)
IDS = [str(number) for number in range(len(DOCUMENTS))]


def test_retrieval_through_a_collection() -> None:
    calls = Calls()
    function = AembedEmbeddingFunction("local", on_event=calls)
    # Chroma saves the configuration of every collection, and a listener cannot be saved.
    function.get_config = lambda: {"model": "local", "options": {}}  # type: ignore[method-assign]
    collection = chromadb.EphemeralClient(QUIET).create_collection("here", embedding_function=function)
    collection.add(ids=IDS, documents=DOCUMENTS)
    for question, answer in QUESTIONS.items():
        found = collection.query(query_texts=[question], n_results=1)["documents"]
        assert found == [[answer]]
    assert calls.seen == [("document", 4)] + [("query", 1)] * 3
    function.close()


def test_a_collection_is_opened_again_by_name(tmp_path: Path) -> None:
    function = AembedEmbeddingFunction("mock", dimensions=16)
    client = chromadb.PersistentClient(str(tmp_path / "db"), QUIET)
    client.create_collection("kept", embedding_function=function).add(ids=IDS, documents=DOCUMENTS)
    again = client.get_collection("kept")
    found = again.query(query_texts=[DOCUMENTS[1]], n_results=4, include=["embeddings"])["embeddings"]
    assert found is not None
    assert np.shape(found[0]) == (4, 16)
    function.close()


def test_functions_that_chroma_builds_share_a_model() -> None:
    """It builds one whenever a collection is opened, and closes none."""
    one, same, other = (
        AembedEmbeddingFunction.build_from_config({"model": "mock", "options": {"dimensions": dimensions}})
        for dimensions in (16, 16, 8)
    )
    assert one._embedders is same._embedders is not other._embedders
    one.close()
    assert np.shape(same(["opened again"])) == (1, 16)
    same.close()


def test_functions_of_one_configuration_share_a_model_in_whatever_order_it_is_written() -> None:
    one, other = (
        AembedEmbeddingFunction.build_from_config({"model": "mock", "options": dict(options)})
        for options in ([("dimensions", 4), ("batch_size", 3)], [("batch_size", 3), ("dimensions", 4)])
    )
    assert one._embedders is other._embedders


@pytest.mark.parametrize("config", [{"model": "mock"}, {"model": "mock", "options": None}], ids=str)
def test_a_configuration_needs_no_options(config: dict[str, Any]) -> None:
    function = AembedEmbeddingFunction.build_from_config(config)
    assert function.get_config() == {"model": "mock", "options": {}}
    assert function.default_space() == "cosine"
    assert np.shape(function.embed_query(["a"])) == (1, 128)
    function.close()


def test_closed_a_function_opens_its_model_again() -> None:
    function = AembedEmbeddingFunction("mock")
    blocking = function._embedders.opened_blocking()
    function.close()
    with pytest.raises(aembed.ClosedError):
        blocking.embed_query("a")
    assert np.shape(function(["a"])) == (1, 128)
    function.close()


def test_arrays_are_float32_and_in_order() -> None:
    function = AembedEmbeddingFunction("mock")
    rows = function(["a", "b"])
    assert [row.dtype for row in rows] == [np.float32] * 2
    np.testing.assert_array_equal(function(["b"])[0], rows[1])
    function.close()


def test_keys_and_open_embedders_are_not_saved() -> None:
    assert AembedEmbeddingFunction("openai", dimensions=8).get_config() == {
        "model": "openai",
        "options": {"dimensions": 8},
    }
    with pytest.raises(aembed.ConfigError, match="api_key cannot be saved"):
        AembedEmbeddingFunction("openai", api_key="sk-secret").get_config()
    with aembed.SyncEmbedder("mock") as embedder, pytest.raises(aembed.ConfigError, match="name of a model"):
        AembedEmbeddingFunction(embedder).get_config()


def test_another_model_is_another_collection() -> None:
    function = AembedEmbeddingFunction("mock")
    with pytest.raises(ValueError, match="has vectors of 'mock'; make another for 'openai'"):
        function.validate_config_update({"model": "mock"}, {"model": "openai"})
    function.validate_config_update({"model": "mock"}, {"model": "mock", "options": {"batch_size": 3}})
