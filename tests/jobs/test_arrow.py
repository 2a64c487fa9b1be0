"""Arrow arrays from Python's values, without pandas."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.jobs.arrow import array_of, lists_of, numbers_of, parquet_file

pa: Any = pytest.importorskip("pyarrow", reason="needs the extra parquet")

VALUES = {
    pa.string(): st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    pa.bool_(): st.booleans(),
}
KINDS = pytest.mark.parametrize("kind", list(VALUES), ids=str)


@KINDS
@given(st.data())
def test_arrays_are_those_of_pyarrow(kind: Any, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[kind] | st.none(), max_size=20))
    made = array_of(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))
    assert made.null_count == values.count(None)


def test_not_a_number_is_no_missing_number() -> None:
    made = array_of([float("nan"), None, 1.5], pa.float64())
    assert [made[at].is_valid for at in range(3)] == [True, False, True]
    assert np.isnan(made[0].as_py())


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
def test_lists_of_fixed_size_are_the_rows_themselves(dtype: str) -> None:
    rows = np.arange(12, dtype=dtype).reshape(4, 3)
    made = lists_of(rows)
    assert made.type == pa.list_(pa.from_numpy_dtype(rows.dtype), 3)
    assert made.to_pylist() == rows.tolist()
    assert lists_of(rows[::2]).to_pylist() == rows[::2].tolist()
    assert made.flatten().buffers()[1].address == rows.ctypes.data, "there is no copy"


def test_a_parquet_file_is_read_without_the_whole_column_in_memory(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = np.random.default_rng(1).random((4096, 128), np.float32)
    path, peak = tmp_path / "v.parquet", 0
    pq.write_table(pa.table({"v": lists_of(rows)}), path, row_group_size=128, compression=None, use_dictionary=False)
    before = pa.total_allocated_bytes()
    with closing(parquet_file(path)) as file:
        for _ in file.iter_batches(128, use_threads=False):
            peak = max(peak, pa.total_allocated_bytes() - before)
    assert 0 < peak < rows.nbytes / 2


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
def test_numbers_of_a_part_of_an_array_are_not_copied(dtype: str) -> None:
    rows = np.arange(12, dtype=dtype).reshape(4, 3)
    part = numbers_of(lists_of(rows).slice(1, 2).flatten())
    assert part.dtype == rows.dtype
    assert part.tolist() == rows[1:3].ravel().tolist()
    assert part.ctypes.data == rows[1:].ctypes.data


JOB = """
import asyncio, sys
asked = set()
class Finder:
    def find_spec(self, name, path=None, target=None):
        asked.add(name)
sys.meta_path.insert(0, Finder())
from aembed import Config
from aembed.jobs import join, run
with open("r.jsonl", "w") as file:
    file.write('{"text": "a", "id": 1, "flag": true, "number": 1.5, "list": [1]}' + chr(10) + '{"text": "b", "id": 2}')
def embed(output, shard=None, **options):
    asyncio.run(run("r.jsonl", output, model="mock", dimensions=8, config=Config(), shard=shard, **options))
embed("v.parquet")
with open("r.jsonl", "a") as file:
    file.write(chr(10) + '{"text": "c", "id": 3}')
embed("v.parquet", update=True)
for number in (1, 2):
    embed(f"{number}.parquet", (number, 2), dtype="int8")
asyncio.run(join(["1.parquet", "2.parquet"], "whole.parquet"))
print("pyarrow" in asked, "pandas" in asked)
"""


def test_pandas_is_not_imported() -> None:
    """pyarrow imports it, where it is installed, to see whether values are pandas'; that takes half a second."""
    ended = subprocess.run([sys.executable, "-c", JOB], capture_output=True, check=True)
    assert ended.stdout.split() == [b"True", b"False"]
