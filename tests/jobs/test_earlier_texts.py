"""Vectors of an earlier output, found by the texts they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from aembed.jobs import read_record
from aembed.jobs.directory import opened_directory
from aembed.jobs.keys import EMBEDDED, REJECTED, ROW, RowKeys, read_keys
from aembed.jobs.paths import ENDINGS, Output, is_part
from aembed.jobs.record import OutputRecord
from aembed.jobs.reuse import EarlierOutput, stored_vectors
from tests.jobs.outputs import FORMATS, job, write


def prepared(name: str, *, rejects: bool = True) -> EarlierOutput:
    output = Output(name, Path(name), ENDINGS[Path(name).suffix])
    with opened_directory(Path("w.job"), "w", is_part) as directory:
        found = EarlierOutput(output, read_record(name), directory, rejects=rejects)
        for _ in found.prepare():
            pass
    return found


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("rejects", [True, False])
async def test_rows_are_found_by_their_texts(output: str, rejects: bool) -> None:
    write("one", "", "unspeakable", "two", "one", "three")
    await job(output)
    keys = read_keys(Output(output, Path(output), ENDINGS[Path(output).suffix])).copy()
    found = prepared(output, rejects=rejects)
    positions = found.find(keys)
    assert positions.tolist() == [0, -1, 2 if rejects else -1, 3, 0, 5]
    write("one", "two", "three", name="plain.jsonl")
    await job("plain.npy", source="plain.jsonl")
    np.testing.assert_array_equal(found.vectors(np.array([5, 0, 3])), np.load("plain.npy")[[2, 0, 1]])
    assert np.isnan(found.vectors(np.array([2, 1]))).all()
    assert len(found.vectors(np.array([], np.int64))) == 0
    if rejects:
        assert list(found.rejects(np.array([3, 2, 0]))) == [(1, "BadTextError", "the text is rejected [provider test]")]


def with_digests(digests: Sequence[tuple[int, int]], states: Sequence[int] | None = None) -> RowKeys:
    keys = np.zeros(len(digests), ROW)
    keys["text"] = np.array(digests, np.uint64).reshape(-1, 2)
    keys["state"] = [EMBEDDED] * len(digests) if states is None else states
    return keys


def searched(keys: RowKeys, *, rejects: bool = True) -> EarlierOutput:
    """An output of which only the keys are looked at."""
    made = EarlierOutput.__new__(EarlierOutput)
    made.keys, made._rejects, made._lines = keys, rejects, []
    np.save("old.npy", np.zeros((len(keys), 2), np.float32))
    made._output = Output("old.npy", Path("old.npy"), "npy")
    made._record, made._directory = None, None  # type: ignore[assignment]
    list(made.prepare())
    return made


def test_texts_whose_digests_have_one_first_half() -> None:
    earlier = searched(with_digests([(5, 1), (9, 9), (5, 2), (5, 3), (7, 7)]))
    assert earlier.find(with_digests([(5, 3), (5, 1), (5, 2), (5, 4), (7, 7), (9, 9)])).tolist() == [3, 0, 2, -1, 4, 1]


@pytest.mark.parametrize("text", [(1, 1), (6, 1), (9, 8), (99, 1), (5, 0)])
def test_a_text_that_is_new(text: tuple[int, int]) -> None:
    earlier = searched(with_digests([(5, 1), (9, 9)]))
    assert earlier.find(with_digests([text, (9, 9)])).tolist() == [-1, 1]


def test_no_text_is_no_text_of_any_row() -> None:
    earlier = searched(with_digests([(0, 0), (0, 5), (5, 0)], [REJECTED, EMBEDDED, EMBEDDED]))
    assert earlier.find(with_digests([(0, 0), (0, 5), (5, 0)])).tolist() == [-1, 1, 2]


def test_an_output_without_rows_has_no_text() -> None:
    assert searched(with_digests([])).find(with_digests([(1, 2)])).tolist() == [-1]


@pytest.mark.parametrize("rejects", [True, False])
def test_a_rejected_text_is_known_only_if_rejections_count(rejects: bool) -> None:
    earlier = searched(with_digests([(1, 1), (2, 2)], [REJECTED, EMBEDDED]), rejects=rejects)
    assert earlier.find(with_digests([(1, 1), (2, 2)])).tolist() == [0 if rejects else -1, 1]


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 600])
def test_lines_are_read_some_at_a_time(rows: int) -> None:
    record = OutputRecord(aembed="1", model="a:b", dim=1, identity="i", input="f", rows=rows, settings={})
    lines: list[Any] = [{"text": "x", "vector": [float(number)]} for number in range(rows)]
    Path("v.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(lines))
    parts = list(stored_vectors(Output("v.jsonl", Path("v.jsonl"), "jsonl"), record))
    assert np.concatenate(parts)[:, 0].tolist() == list(range(rows))
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}
    assert max(map(len, parts)) <= 256


def test_no_more_of_a_parquet_output_is_in_memory_than_is_read() -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    record = OutputRecord(aembed="1", model="a:b", dim=16, identity="i", input="f", rows=16384, settings={})
    numbers = pa.array(np.random.default_rng(1).random(16384 * 16, np.float32))
    table = pa.table({"vector": pa.FixedSizeListArray.from_arrays(numbers, 16)})
    pq.write_table(table, "v.parquet", row_group_size=1024, use_dictionary=False)
    before, most = pa.total_allocated_bytes(), 0
    for part in stored_vectors(Output("v.parquet", Path("v.parquet"), "parquet"), record):
        most = max(most, pa.total_allocated_bytes() - before)
        assert part.shape == (2048, 16)
    assert 0 < most < table.nbytes / 2
