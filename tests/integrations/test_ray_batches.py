"""Batches embedded as an actor of Ray embeds them, with a stand-in for the cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra ray")

import pyarrow as pa

import aembed
from aembed import ConfigError, InputError, Limits
from aembed.integrations import ray as adapter
from aembed.integrations.ray import ActorStatistics, EmbedBatches, share_of_limits
from tests.integrations.corpus import Calls

TEXTS = ["one", "two", "three"]


async def embedded(batch: Any, **arguments: Any) -> Any:
    batches = EmbedBatches("mock", **{"options": {"dimensions": 8}, **arguments})
    try:
        return await batches(batch)
    finally:
        await batches._embedders.aclose()


async def expected(texts: list[str]) -> Any:
    async with aembed.new_embedder("mock", dimensions=8) as embedder:
        return await embedder.embed_documents(texts)


@pytest.mark.parametrize("batch", [pa.table({"text": TEXTS}), {"text": np.array(TEXTS)}], ids=["Arrow", "NumPy"])
async def test_a_batch_gets_a_column_of_vectors_and_one_of_reasons(batch: Any) -> None:
    table = await embedded(batch)
    assert table.column_names == ["text", "vector", "error"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    np.testing.assert_array_equal(np.array(table.column("vector").to_pylist(), np.float32), await expected(TEXTS))
    assert table.column("error").to_pylist() == [None] * 3
    assert table.schema.field("error").type == pa.string()


async def test_a_row_that_cannot_be_embedded_has_its_reason_and_the_others_their_vectors() -> None:
    table = await embedded(pa.table({"text": ["one", " ", None, "two"]}))
    vectors, errors = table.column("vector").to_pylist(), table.column("error").to_pylist()
    assert [vector is None for vector in vectors] == [False, True, True, False]
    np.testing.assert_array_equal(np.array([vectors[0], vectors[3]], np.float32), await expected(["one", "two"]))
    assert "blank" in errors[1]
    assert [error is None for error in errors] == [True, False, False, True]


@pytest.mark.parametrize(
    ("model", "options", "dim"), [("mock", {"dimensions": 8}, 8), ("openai:nobody-knows", {}, 0)], ids=str
)
async def test_a_batch_without_any_vector_has_the_type_of_the_others(
    model: str, options: Any, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first vector shows the dimension of an unknown model."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")
    batches = EmbedBatches(model, options=options)
    table = await batches(pa.table({"text": [" ", " "]}))
    assert table.schema.field("vector").type == pa.list_(pa.float32(), dim)
    assert table.column("vector").null_count == 2
    await batches._embedders.aclose()


async def test_a_batch_without_any_vector_has_the_dimension_that_another_has_learnt_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")
    batches = EmbedBatches("openai:nobody-knows")

    async def learnt() -> aembed.ModelSpec:
        return aembed.ModelSpec(name="nobody-knows", dim=8)

    monkeypatch.setattr(batches._embedders, "spec", learnt)
    table = await batches(pa.table({"text": [" "]}))
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    await batches._embedders.aclose()


async def test_columns_and_kind_are_those_asked_for() -> None:
    calls = Calls()
    table = pa.table({"body": TEXTS, "vector": [1, 2, 3]})
    given = {"text_column": "body", "vector_column": "v", "error_column": "e", "kind": "query"}
    done = await embedded(table, options={"on_event": calls}, **given)
    assert done.column_names == ["body", "vector", "v", "e"]
    assert calls.seen == [("query", 3)]
    await embedded(pa.table({"text": TEXTS}), options={"on_event": calls})
    assert calls.seen[1:] == [("document", 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text_column": "body"}, "no column 'body'; set text_column to one of id, text"),
        ({"vector_column": "id"}, "have a column 'id'; set vector_column or error_column"),
        ({"error_column": "text"}, "have a column 'text'; set vector_column or error_column"),
    ],
    ids=str,
)
async def test_columns_that_are_missing_or_there_already_are_named(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        await embedded(pa.table({"id": [1], "text": ["one"]}), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"api_key": "sk-secret"}}, "api_key would be pickled"),
        ({"options": {"headers": {}, "api_key": "sk-secret"}}, "api_key and headers would be pickled"),
        ({"actors": 0}, "actors=0: give the size of the pool"),
    ],
    ids=str,
)
def test_wrong_arguments_are_found_where_the_actors_are_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EmbedBatches("mock", **arguments)


@pytest.mark.parametrize(("pool", "share"), [({}, 600), ({"actors": 1}, 600), ({"actors": 2}, 300)], ids=str)
def test_an_actor_has_its_share_of_the_limits(pool: dict[str, Any], share: int) -> None:
    options: Any = {"limits": Limits(requests_per_minute=600), "dimensions": 8}
    saved = EmbedBatches("mock", options=options, **pool)._embedders.saved_options()
    assert (saved["limits"].requests_per_minute, saved["dimensions"]) == (share, 8)
    assert EmbedBatches("mock", **pool)._embedders.saved_options() == {}


DIVIDED = ("requests_per_minute", "tokens_per_minute", "inputs_per_minute", "requests_per_day", "tokens_per_day")


@pytest.mark.parametrize("name", DIVIDED)
def test_each_limit_is_divided_and_the_others_stay_unset(name: str) -> None:
    part = share_of_limits({name: 1000}, 4)
    assert {each: getattr(part, each) for each in DIVIDED} == {**dict.fromkeys(DIVIDED), name: 250}
    assert part.max_concurrency is None


@pytest.mark.parametrize(("whole", "actors", "part"), [(5, 1, 5), (5, 2, 2), (2, 2, 1), (1, 2, 1)])
def test_each_actor_may_have_one_request_in_flight_at_least(whole: int, actors: int, part: int) -> None:
    assert share_of_limits(Limits(max_concurrency=whole), actors).max_concurrency == part


class Remote:
    """An actor of Ray in this process: methods have ``remote``, and a result is its own reference."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._made, name))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The calls of Ray that the adapter makes, answered by actor ``a``; processors that its actors ask for."""
    asked: list[int] = []

    def remote(*, num_cpus: int) -> Any:
        asked.append(num_cpus)
        return lambda made: SimpleNamespace(remote=lambda: Remote(made()))

    context = SimpleNamespace(get_actor_id=lambda: "a")
    ray = SimpleNamespace(
        remote=remote, get=lambda reference: reference, get_runtime_context=lambda: context, asked=asked
    )
    monkeypatch.setattr(adapter, "ray", ray)
    return ray


async def test_the_counters_of_an_actor_are_those_after_its_latest_batch(cluster: SimpleNamespace) -> None:
    statistics = ActorStatistics()
    batches = EmbedBatches("mock", statistics=statistics)
    seen = []
    for _ in range(2):
        await batches(pa.table({"text": TEXTS}))
        seen.append({actor: counters["texts"] for actor, counters in statistics.get().items()})
    await batches._embedders.aclose()
    assert seen == [{"a": 3}, {"a": 6}]
    assert cluster.asked == [0]


def test_each_actor_has_its_own_counters(cluster: SimpleNamespace) -> None:
    statistics = ActorStatistics()
    for actor, texts in (("a", 1), ("b", 2), ("a", 3)):
        statistics.put(actor, {"texts": texts})
    assert statistics.get() == {"a": {"texts": 3}, "b": {"texts": 2}}
