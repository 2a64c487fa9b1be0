"""Fields and columns of the input pass through to the output as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aembed.jobs import JobInputError
from tests.jobs.conftest import records
from tests.jobs.tables import job, read_table


async def test_too_many_different_fields_for_parquet() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.jsonl").write_text("".join(json.dumps({"text": "one", f"key {i}": i}) + "\n" for i in range(3000)))
    with pytest.raises(JobInputError, match="more than 2000 different fields"):
        await job("r.jsonl", "v.parquet")


async def test_fault_119_moments_and_bytes_that_json_cannot_hold_are_written_as_text() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    far = 10**15
    moments = pa.array([1, far], pa.timestamp("s"))
    table = pa.table(
        {
            "text": ["one", "two"],
            "far": moments.cast(pa.timestamp("ms")),
            "mars": pa.array([0, 1_000_000], pa.timestamp("us", "Mars/Olympus")),
            "day": pa.array([0, 2**30], pa.date32()),
            "long": pa.array([1, 2**62], pa.duration("ms")),
            "name": pa.array([b"a", b"caf\xe9"]).view(pa.string()),
            "list": pa.array([[1], [far, None]], pa.list_(pa.timestamp("ms"))),
            "struct": pa.array([{"a": 1}, {"a": far * 1000}], pa.struct([("a", pa.timestamp("ms"))])),
        }
    )
    pq.write_table(table, "r.parquet")
    await job("r.parquet", "v.jsonl")
    first, second = records("v.jsonl")
    assert (first["far"], second["far"]) == ("1970-01-01T00:00:01", "31690708-07-05T01:46:40.000")
    assert second["mars"] == "1970-01-01T00:00:01.000000 UTC (Mars/Olympus)"
    assert (first["day"], second["day"]) == ("1970-01-01", "2941775-04-07")
    assert second["long"] == f"{2**62} milliseconds"
    assert (first["name"], second["name"]) == ("a", "caf\\xe9")
    assert second["list"] == ["33658-09-27T01:46:40.000", None]
    assert second["struct"] == {"a": "31690708-07-05T01:46:40.000"}


ODD = '{"text": "one", "n": NaN, "i": [-Infinity, 1e400], "s": "a\\ud800", "d": {"x": "\\udfff", "y": Infinity}}'


async def test_numbers_and_strings_beyond_json_pass_through_unused_columns() -> None:
    Path("r.jsonl").write_text(ODD + "\n")
    await job("r.jsonl", "v.jsonl")
    line = Path("v.jsonl").read_text()
    assert '"n":NaN' in line
    assert '"i":[-Infinity,1e400]' in line
    assert '"s":"a\\ud800"' in line
    assert '"d":{"x":"\\udfff","y":Infinity}' in line
    assert not Path("v.jsonl.rejects.jsonl").exists()


async def test_numbers_and_strings_beyond_json_in_parquet() -> None:
    Path("r.jsonl").write_text(ODD + "\n")
    await job("r.jsonl", "v.parquet")
    (row,) = read_table("v.parquet").to_pylist()
    assert np.isnan(row["n"])
    assert row["s"] == "a\\ud800"
    assert row["i"] == "[-Infinity,1e400]"


async def test_ids_of_two_types_stay_as_they_are_in_parquet() -> None:
    Path("r.jsonl").write_text('{"text": "one", "id": 7}\n{"text": "two", "id": "b"}\n')
    await job("r.jsonl", "v.parquet", id_column="id")
    assert read_table("v.parquet")["id"].to_pylist() == ["7", "b"]


async def test_column_called_id_passes_through_if_it_is_not_named() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.jsonl").write_text('{"text": "one"}\n{"text": "two", "id": 7.5}\n{"text": "three", "id": 7.5}\n')
    await job("r.jsonl", "v.jsonl")
    assert [row.get("id") for row in records("v.jsonl")] == [None, 7.5, 7.5]
    await job("r.jsonl", "v.parquet")
    assert read_table("v.parquet")["id"].to_pylist() == [None, 7.5, 7.5]


async def test_two_unused_columns_of_one_name() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([pa.array(["one"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(table, "r.parquet")
    await job("r.parquet", "v.parquet")
    found = pq.ParquetFile("v.parquet").read()
    assert found.column_names == ["id", "text", "n", "n", "vector"]
    assert [found.column(2).to_pylist(), found.column(3).to_pylist()] == [[1], [2]]
    await job("r.parquet", "v.jsonl")
    assert {name: records("v.jsonl")[0][name] for name in ("n", "n_3")} == {"n": 1, "n_3": 2}
    Path("r.csv").write_text("text,n,n,,\none,1,2,3,4\n")
    await job("r.csv", "w.jsonl")
    row = records("w.jsonl")[0]
    assert {name: row[name] for name in ("n", "n_3", "", "_5")} == {"n": "1", "n_3": "2", "": "3", "_5": "4"}
