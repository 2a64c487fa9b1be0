"""Rows of an output that its input no longer has: an update may keep them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config
from aembed.jobs import (
    Dtype,
    JobChangedError,
    JobOutputError,
    JobStoppedError,
    read_record,
    retry_rejects,
)
from aembed.jobs.directory import JobDirectory
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.outputs import FORMATS, job, vectors_of, write
from tests.jobs.provider import Remembers


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "texts"])
@pytest.mark.parametrize("output", FORMATS)
async def test_update_keeps_rows_that_are_gone(output: str, ids: bool) -> None:
    options: dict[str, Any] = {"id_column": "key"} if ids else {}
    write("zero", "one", "", "unspeakable", "four", "five")
    await job(output, **options)
    Path("r.jsonl").write_text('{"key": "k1", "text": "changed"}\n{"key": "new", "text": "four"}\n')
    provider = Remembers()
    report = await job(output, provider, **options, update=True, keep=True)
    assert provider.asked == ["changed"]
    # with ids the row k1 has another text now, and k4 is gone although its text is not
    last = ["zero", "four", "five"] if ids else ["zero", "one", "five"]
    assert (report.rows, report.rejected, report.reused, report.kept) == (2, 0, 1, 3)
    wanted = await mock_vectors(["changed", "four", *last])
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), wanted)
    record = read_record(output)
    assert (record.rows, record.kept) == (5, 3)
    if output == "v.jsonl":
        assert [row["text"] for row in records(output)] == ["changed", "four", *last]
    if output == "v.parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(output)["text"].to_pylist() == ["changed", "four", *last]
        assert pq.read_table(output)["key"].to_pylist()[2] == "k0"

    again = Remembers()
    assert (await job(output, again, **options, update=True, keep=True)).kept == 3
    write("five", "six")
    await job(output, again, **options, update=True, keep=True)
    assert again.asked == ["six"]
    assert read_record(output).kept == (3 if ids else 4)
    dropped = await job(output, again, **options, update=True)
    assert (dropped.kept, dropped.was_complete, read_record(output).rows) == (0, False, 2)
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), await mock_vectors(["five", "six"]))
    assert again.asked == ["six"]


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
@pytest.mark.parametrize("output", FORMATS)
async def test_kept_rows_stay_as_they_are_stored(output: str, dtype: Dtype) -> None:
    write("one", "two", "three")
    await job(output, dtype=dtype)
    before = vectors_of(output)
    write("three", "new")
    await job(output, dtype=dtype, update=True, keep=True)
    np.testing.assert_array_equal(vectors_of(output)[[0, 2, 3]], before[[2, 0, 1]])


async def test_several_outputs_keep_their_rows() -> None:
    write("one", "unspeakable", "three")
    await job(FORMATS)
    write("two", "three")
    provider = Remembers()
    await job(FORMATS, provider, update=True, keep=True)
    assert provider.asked == ["two"]
    for output in FORMATS:
        np.testing.assert_array_equal(
            vectors_of(output).astype(np.float32), await mock_vectors(["two", "three", "one"])
        )


async def test_retried_rejects_leave_kept_rows() -> None:
    write("one", "two")
    await job("v.jsonl")
    write("two", "unspeakable")
    await job("v.jsonl", update=True, keep=True)
    report = await retry_rejects("v.jsonl", model=Remembers(speaks=True), config=Config())
    assert (report.kept, report.rejected) == (1, 0)
    assert [row["text"] for row in records("v.jsonl")] == ["two", "unspeakable", "one"]


async def test_a_retry_that_was_damaged_half_way_replaces_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It died between two files that belong together: the output is not as it was, and the new one is lost."""
    write("one", "unspeakable")
    await job("v.jsonl")
    before, place = Path("v.jsonl").read_bytes(), JobDirectory.place

    def fail(directory: JobDirectory, name: str, target: Path, mode: int) -> None:
        if name.startswith("output"):
            raise OSError(errno.EIO, "the disk is gone")
        place(directory, name, target, mode)

    with monkeypatch.context() as patch:
        patch.setattr(JobDirectory, "place", fail)
        with pytest.raises(JobStoppedError):
            await retry_rejects("v.jsonl", model=Remembers(speaks=True), config=Config())
    Path("v.jsonl.job/output-0").write_bytes(b"damaged")
    provider = Remembers(speaks=True)
    with pytest.raises(JobOutputError, match="was changed since aembed wrote it, and its rows cannot be kept"):
        await retry_rejects("v.jsonl", model=provider, config=Config())
    assert (provider.asked, Path("v.jsonl").read_bytes()) == ([], before)


async def test_kept_rows_have_columns_that_the_input_lost() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    Path("r.jsonl").write_text('{"text": "one", "year": 1999, "by": "A"}\n')
    await job("v.parquet")
    Path("r.jsonl").write_text('{"text": "two", "year": 2.5, "page": 3}\n')
    await job("v.parquet", update=True, keep=True)
    rows = pq.read_table("v.parquet").drop_columns("vector").to_pylist()
    assert [{"id": row.pop("id"), **row} for row in rows] == [
        {"id": 1, "text": "two", "year": 2.5, "page": 3, "by": None},
        {"id": 1, "text": "one", "year": 1999.0, "page": None, "by": "A"},
    ]
    before = Path("v.parquet").read_bytes()
    Path("r.jsonl").write_text('{"text": "three", "year": "long ago"}\n')
    provider = Remembers()
    with pytest.raises(JobOutputError, match="columns that do not go together"):
        await job("v.parquet", provider, update=True, keep=True)
    assert provider.asked == []
    assert Path("v.parquet").read_bytes() == before


async def test_kept_rows_of_a_parquet_input() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["one", "two"], "n": [1, 2], "by": ["A", "B"]}), "r.parquet")
    await job("v.parquet", source="r.parquet")
    pq.write_table(pa.table({"text": ["two"], "n": [3]}), "r.parquet")
    await job("v.parquet", source="r.parquet", update=True, keep=True)
    rows = pq.read_table("v.parquet").drop_columns(["vector", "id"]).to_pylist()
    assert rows == [{"text": "two", "n": 3, "by": None}, {"text": "one", "n": 1, "by": "A"}]


async def test_rows_that_cannot_be_kept() -> None:
    write("one", "two")
    await job("v.jsonl")
    write("two")
    with pytest.raises(JobChangedError, match="vector_column was 'vector' and is 'v'"):
        await job("v.jsonl", update=True, keep=True, vector_column="v")
    assert len(records("v.jsonl")) == 2
