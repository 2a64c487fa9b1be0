"""Ray Data on a local cluster of two actors, against the loopback server and the mock model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra ray")

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data.checkpoint import CheckpointConfig

import aembed
from aembed.integrations.ray import ActorStatistics, EmbedBatches, share_of_limits

pytestmark = pytest.mark.filterwarnings("default")  # Ray warns of its deprecated names
POOL = ray.data.ActorPoolStrategy(size=2)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Generator[None]:
    os.environ["RAY_AUTH_MODE"] = "disabled"  # or it writes a token into the home directory
    # Two cores are for the actors, the others for reading, writing and looking up checkpoints: none of them computes.
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.use_datasource_v2 = False  # it reads footers of Parquet files with 32 processes
    yield
    ray.shutdown()
    del os.environ["RAY_AUTH_MODE"]


def embedded(dataset: Any, **arguments: Any) -> Any:
    return dataset.map_batches(
        EmbedBatches,
        fn_constructor_kwargs={"model": "mock", "actors": 2, **arguments},
        compute=POOL,
        batch_size=50,
        batch_format="pyarrow",
        num_cpus=0.5,
    )


def rows(count: int) -> pa.Table:
    return pa.table({"id": range(count), "text": [f"text {number}" for number in range(count)]})


async def expected(texts: list[str]) -> Any:
    async with aembed.new_embedder("mock", dimensions=8) as embedder:
        return await embedder.embed_documents(texts)


async def test_every_row_has_its_vector_from_one_of_two_actors() -> None:
    statistics = ActorStatistics()
    dataset = ray.data.from_arrow(rows(400)).repartition(8)
    table = pa.concat_tables(
        ray.get(embedded(dataset, options={"dimensions": 8}, statistics=statistics).to_arrow_refs())
    ).sort_by("id")
    assert table.column_names == ["id", "text", "vector", "error"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 8)
    vectors = np.array(table.column("vector").to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(vectors, await expected(table.column("text").to_pylist()))
    assert table.column("error").null_count == 400
    counters = statistics.get()
    assert 1 <= len(counters) <= 2
    assert sum(each["texts"] for each in counters.values()) == 400


def test_a_row_that_cannot_be_embedded_has_a_reason_and_no_vector() -> None:
    table = pa.table({"id": [0, 1, 2], "text": ["one", " ", None]})
    done = embedded(ray.data.from_arrow(table)).take_all()
    found = {row["id"]: (row["vector"] is not None, row["error"] is not None) for row in done}
    assert found == {0: (True, False), 1: (False, True), 2: (False, True)}


def test_a_batch_without_any_vector_has_the_same_type() -> None:
    table = pa.table({"text": [" ", " "]})
    (done,) = ray.get(embedded(ray.data.from_arrow(table), options={"dimensions": 8}).to_arrow_refs())
    assert done.schema.field("vector").type == pa.list_(pa.float32(), 8)
    assert done.column("vector").null_count == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text_column": "body"}, "set text_column to one of id, text"),
        ({"vector_column": "id"}, "set vector_column or error_column"),
        ({"options": {"api_key": "sk-secret"}}, "api_key would be pickled"),
        ({"actors": 0}, "give the size of the pool"),
        ({"model": "openai"}, "OPENAI_API_KEY"),
    ],
)
def test_a_wrong_argument_ends_the_job_with_a_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        embedded(ray.data.from_arrow(rows(2)), **arguments).materialize()


def test_a_job_from_parquet_to_parquet_resumes(tmp_path: Path) -> None:
    """With Ray's own checkpoints: rows that were written are not embedded again."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    context = ray.data.DataContext.get_current()
    context.checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=str(tmp_path / "checkpoint"), delete_checkpoint_on_success=False
    )

    def run() -> int:
        statistics = ActorStatistics()
        with contextlib.suppress(FileNotFoundError):
            embedded(ray.data.read_parquet(str(source)), statistics=statistics).write_parquet(str(output))
        return sum(each["texts"] for each in statistics.get().values())

    try:
        pq.write_table(rows(100), source / "1.parquet")
        assert run() == 100
        pq.write_table(rows(150), source / "1.parquet")
        assert run() == 50
    finally:
        context.checkpoint_config = None
    assert sorted(pq.read_table(output).column("id").to_pylist()) == list(range(150))


def test_limits_are_divided() -> None:
    whole = aembed.Limits(requests_per_minute=600, tokens_per_day=1e6, max_concurrency=5, query_share=0.2)
    part = share_of_limits(whole, 2)
    assert (part.requests_per_minute, part.tokens_per_day, part.max_concurrency) == (300, 5e5, 2)
    assert (part.query_share, part.tokens_per_minute) == (0.2, None)
    assert share_of_limits({"requests_per_minute": 10}, 4).requests_per_minute == 2.5
