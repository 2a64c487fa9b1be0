"""Shards: disjoint, complete, and joined to what one job would have made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config
from aembed.jobs import JobOutputError, join, read_record, run
from tests.jobs.conftest import records
from tests.jobs.provider import Remembers


async def embed(source: str, output: str, provider: Remembers | None = None, **options: Any) -> Remembers:
    provider = provider or Remembers()
    await run(source, output, model=provider, id_column="id", config=Config(), **options)
    return provider


async def shards(source: str, ending: str, count: int, **options: Any) -> list[str]:
    names = [f"part-{number}.{ending}" for number in range(1, count + 1)]
    for number, name in enumerate(names, 1):
        await embed(source, name, shard=(number, count), **options)
    return names


def content(name: str) -> Any:
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        return pq.read_table(name).to_pylist()
    return Path(name).read_bytes()


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("count", [1, 3, 40])
async def test_joined_shards_are_the_output_of_one_job(rows: str, ending: str, count: int) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    whole = f"whole.{ending}"
    await embed(rows, whole)
    names = await shards(rows, ending, count)
    record = await join(names[::-1], f"all.{ending}")
    assert content(f"all.{ending}") == content(whole)
    assert Path(f"all.{ending}.rejects.jsonl").read_bytes() == Path(f"{whole}.rejects.jsonl").read_bytes()
    assert (record.rows, record.rejected) == (30, 4)
    assert read_record(f"all.{ending}") == record
    assert not Path(f"all.{ending}.job").exists()
    again = await embed(rows, f"all.{ending}")
    assert again.asked == [], "it is complete"
    with Path(rows).open("a") as file:
        file.write(json.dumps({"id": "new", "text": "row new", "group": 1}) + "\n")
    assert (await embed(rows, f"all.{ending}", update=True)).asked == ["row new"]


async def test_shards_of_compact_vectors(rows: str) -> None:
    await embed(rows, "whole.npy", dtype="float16")
    await join(await shards(rows, "npy", 3, dtype="float16"), "all.npy")
    np.testing.assert_array_equal(np.load("all.npy"), np.load("whole.npy"))


@pytest.mark.parametrize("ending", ["npy", "jsonl", "parquet"])
async def test_shards_of_int8_have_one_scale_when_they_are_joined(rows: str, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    await embed(rows, "exact.npy")
    exact = np.load("exact.npy")
    exact = exact[~np.isnan(exact[:, 0])]
    names = await shards(rows, ending, 5, dtype="int8")
    limits = {read_record(name).limit for name in names}
    assert len(limits) > 1, "they differ"
    record = await join(names, f"all.{ending}")
    assert record.limit == max(limit for limit in limits if limit is not None) == read_record(f"all.{ending}").limit
    joined = vectors_of(f"all.{ending}")
    step = record.limit / 127
    np.testing.assert_allclose(joined * step, exact, atol=1.01 * step)
    whole = await embed(rows, f"whole.{ending}", dtype="int8")
    assert whole.asked
    np.testing.assert_allclose(joined, vectors_of(f"whole.{ending}"), atol=1)
    assert (await embed(rows, f"all.{ending}", dtype="int8")).asked == [], "it is complete"


def vectors_of(name: str) -> Any:
    """The rows that were not rejected."""
    if name.endswith(".npy"):
        found = np.load(name)
        return found[found.any(axis=1)].astype(np.float64)
    return np.array([row["vector"] for row in (content(name) if name.endswith("parquet") else records(name))], float)


async def test_limit_comes_before_shards(rows: str) -> None:
    await embed(rows, "whole.jsonl", limit=13)
    await join(await shards(rows, "jsonl", 2, limit=13), "all.jsonl")
    assert Path("all.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
    assert len(records("all.jsonl")) == 11


async def test_shards_that_cannot_be_joined(rows: str) -> None:
    names = await shards(rows, "npy", 3)
    await embed(rows, "whole.npy")
    await embed(rows, "other.npy", shard=(3, 4))
    await embed(rows, "normal.npy", shard=(3, 3), text_column="id")
    await embed(rows, "part.jsonl", shard=(3, 3))
    for given, words in {
        tuple(names[:2]): "shard 3 of 3 is missing",
        (*names, names[0]): "part-1.npy and part-1.npy are both shard 1",
        ("whole.npy",): "whole.npy is not the output of a shard",
        (*names[:2], "other.npy"): "other.npy is one of 4 shards",
        (*names[:2], "normal.npy"): "part-1.npy and normal.npy have different settings",
        (*names[:2], "part.jsonl"): "part.jsonl and all.npy have different formats",
        (rows,): "rows.jsonl does not say how it was made",
        ("none.npy",): "none.npy does not exist",
        (): "shard 1 of 0 is missing",
    }.items():
        with pytest.raises(JobOutputError, match=re.escape(words)):
            await join(given, "all.npy")
    Path("all.npy").write_bytes(b"mine")
    with pytest.raises(JobOutputError, match=r"all\.npy exists, and aembed did not write it"):
        await join(names, "all.npy")
    with pytest.raises(JobOutputError, match=r"the input part-1\.npy is a file that this job writes"):
        await join(names, names[0], force=True)
    await join(names, "all.npy", force=True)
    np.testing.assert_array_equal(np.load("all.npy"), np.load("whole.npy"))
    array = np.load(names[1])
    array[0] = 0
    np.save(names[1], array)
    with pytest.raises(JobOutputError, match=r"part-2\.npy was changed since aembed wrote it"):
        await join(names, "all.npy")
