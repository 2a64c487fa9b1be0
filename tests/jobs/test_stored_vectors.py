"""Vectors as outputs store them: smaller, with a place for rows without one, and the same again when taken over."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from aembed.jobs import Dtype, JobOutputError
from aembed.jobs.job import check_wanted
from aembed.jobs.paths import choose_paths
from aembed.jobs.quantized import ROWS_AT_ONCE, Scale, largest, restored, stored, stored_width
from aembed.jobs.record import OutputRecord
from aembed.jobs.vectors import VectorFile
from aembed.jobs.wanted import UpdateOptions

ROWS = np.array([[0.5, -1.0, 0.25], [np.nan, np.nan, np.nan], [0.0, 0.75, -0.5]], np.float32)


def record(dtype: Dtype, limit: float | None = None, dim: int = 3) -> OutputRecord:
    return OutputRecord(
        aembed="1", model="a:b", dim=dim, dtype=dtype, limit=limit, identity="i", input="f", rows=3, settings={}
    )


def test_float32_is_stored_as_it_is() -> None:
    assert stored(ROWS, "float32", None) is ROWS


@pytest.mark.parametrize(
    ("dtype", "limit", "expected"),
    [
        ("float16", None, [[0.5, -1.0, 0.25], [np.nan] * 3, [0.0, 0.75, -0.5]]),
        ("int8", 1.0, [[64, -127, 32], [0, 0, 0], [0, 95, -64]]),
        ("int8", 2.0, [[32, -64, 16], [0, 0, 0], [0, 48, -32]]),
        ("binary", None, [[0b10100000], [0], [0b01000000]]),
    ],
)
def test_a_row_without_a_vector_is_nan_or_all_zeros(dtype: Dtype, limit: float | None, expected: Any) -> None:
    found = stored(ROWS, dtype, limit)
    np.testing.assert_allclose(found.astype(np.float64), expected, atol=1 if dtype == "int8" else 0)
    assert found[1].tobytes() == np.array(expected[1], found.dtype).tobytes()
    assert found.shape[1] == stored_width(3, dtype)


@pytest.mark.parametrize(
    ("dim", "dtype", "width"),
    [(8, "binary", 1), (9, "binary", 2), (7, "binary", 1), (16, "binary", 2), (9, "int8", 9), (9, "float16", 9)],
)
def test_a_byte_of_a_binary_vector_has_eight_dimensions(dim: int, dtype: Dtype, width: int) -> None:
    assert stored_width(dim, dtype) == width


def test_a_number_beyond_float16_is_named() -> None:
    with pytest.raises(JobOutputError, match=r"^the vectors cannot be stored as float16: .*; choose another dtype$"):
        stored(np.array([[1e6, 0.0]], np.float32), "float16", None)


@pytest.mark.parametrize("dtype", ["float64", "", "INT8"])
def test_types_that_vectors_cannot_be_stored_as(dtype: Any) -> None:
    with pytest.raises(JobOutputError) as caught:
        check_wanted(UpdateOptions(dtype=dtype), choose_paths(["v.npy"]))
    assert str(caught.value) == f"dtype is {dtype!r}; it must be one of float32, float16, int8, binary"


@pytest.mark.parametrize(("dtype", "limit"), [("float16", None), ("int8", 0.75), ("int8", 3.0), ("binary", None)])
def test_rows_that_are_taken_over_are_stored_as_they_were(dtype: Dtype, limit: float | None) -> None:
    first = stored(ROWS[::2], dtype, limit)
    again = restored(first, record(dtype, limit))
    assert again.dtype == np.float32
    assert again.shape == (2, 3)
    np.testing.assert_array_equal(stored(again, dtype, limit), first)


def test_numbers_that_are_taken_over_have_their_size() -> None:
    np.testing.assert_allclose(restored(np.array([[127, -127, 0]], np.int8), record("int8", 2.0)), [[2.0, -2.0, 0.0]])
    np.testing.assert_allclose(restored(np.array([[127, -127, 0]], np.int8), record("int8")), [[1.0, -1.0, 0.0]])
    np.testing.assert_array_equal(restored(np.array([[0b10100000]], np.uint8), record("binary")), [[1.0, -1.0, 1.0]])


def test_one_scale_becomes_another() -> None:
    rows = np.array([127, -127, 64, 1, 0], np.int8)
    assert Scale(1.0, 2.0).applied(rows).tolist() == [64, -64, 32, 0, 0]
    assert Scale(1.0, 4.0).applied(rows).tolist() == [32, -32, 16, 0, 0]
    assert Scale(2.0, 1.0).applied(rows).tolist() == [127, -127, 127, 2, 0], "nothing beyond 127"
    assert Scale(None, 2.0).applied(rows).tolist() == [64, -64, 32, 0, 0]
    assert Scale(2.0, None).applied(rows).tolist() == [127, -127, 127, 2, 0]
    assert Scale(2.0, 2.0).is_same
    assert not Scale(1.0, 2.0).is_same


@pytest.mark.parametrize("at", [0, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 4])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_number_may_be_anywhere(at: int, sign: int, tmp_path: Path) -> None:
    rows = np.full((ROWS_AT_ONCE + 5, 2), 0.25, np.float32)
    rows[3] = np.nan
    rows[at, 1] = 0.5 * sign
    assert largest_of(rows, tmp_path) == 0.5


def test_rows_behind_those_of_the_job_do_not_count(tmp_path: Path) -> None:
    assert largest_of(np.array([[0.25, 0.5], [0.75, 2.0]], np.float32), tmp_path, count=1) == 0.5


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_without_a_number_the_largest_is_one(value: float, tmp_path: Path) -> None:
    assert largest_of(np.full((3, 2), value, np.float32), tmp_path) == 1.0


def largest_of(rows: Any, directory: Path, count: int | None = None) -> float:
    with closing(VectorFile((directory / "v.npy").open("w+b", buffering=0), *rows.shape)) as file:
        file.write(0, rows)
        return largest(file, len(rows) if count is None else count)


def test_a_record_reads_back_as_it_was() -> None:
    made = record("int8", 0.5)
    assert msgspec.json.decode(made.encoded(), type=OutputRecord) == made
