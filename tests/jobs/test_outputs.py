"""Output formats: nothing of the input is lost, and every number can be read back as it was."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aembed import Config, MissingExtraError
from aembed.jobs import JobInputError, run
from aembed.jobs.writers import parquet as parquet_module
from aembed.jobs.writers.jsonl import short
from tests.jobs.conftest import mock_vectors, records


@given(arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_nine_digits_say_which_float32_is_meant(numbers: Any) -> None:
    written = json.dumps(short(numbers).tolist())
    np.testing.assert_array_equal(np.array(json.loads(written), np.float64).astype(np.float32), numbers)


def test_usual_numbers_are_written_short() -> None:
    assert json.dumps(short(np.array([0.1, -0.08838834, 1.0, 0.0], np.float32)).tolist()) == (
        "[0.100000001, -0.0883883387, 1.0, 0.0]"
    )


async def job(source: str, output: str, **options: Any) -> None:
    await run(source, output, model="mock", dimensions=8, config=Config(), **options)


async def test_fields_of_json_come_back_as_they_were() -> None:
    rows = [
        {"text": "one", "big": 2**70, "deep": {"a": [1, None, {"b": "ä"}]}, "ratio": 0.1},
        {"text": "two", "other": True},
    ]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    await job("r.jsonl", "v.jsonl")
    found = records("v.jsonl")
    assert [{k: v for k, v in row.items() if k not in {"id", "vector"}} for row in found] == rows
    assert [row["id"] for row in found] == [1, 2]


# --- Parquet


def read_table(name: str) -> Any:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    return pq.read_table(name)


def vectors_of(table: Any, column: str = "vector") -> Any:
    return np.stack(table[column].to_numpy(zero_copy_only=False))


async def test_parquet_of_jsonl_knows_the_types_of_its_columns() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    rows: list[dict[str, Any]] = [
        {"text": "one", "n": 1, "x": 1, "b": True, "s": "a", "mixed": 1, "deep": {"a": 1}, "none": None, "huge": 2**70},
        {"text": "two", "n": 2, "x": 2.5, "b": None, "s": None, "mixed": "1", "deep": [1], "late": "only here"},
    ]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    await job("r.jsonl", "v.parquet")
    table = read_table("v.parquet")
    types = {field.name: field.type for field in table.schema}
    assert types == {
        "id": pa.int64(),
        "text": pa.string(),
        "n": pa.int64(),
        "x": pa.float64(),
        "b": pa.bool_(),
        "s": pa.string(),
        "mixed": pa.string(),
        "deep": pa.string(),
        "none": pa.string(),
        "huge": pa.string(),
        "late": pa.string(),
        "vector": pa.list_(pa.float32(), 8),
    }
    found = table.drop_columns(["vector"]).to_pylist()
    assert [row["id"] for row in found] == [1, 2]
    assert [row["x"] for row in found] == [1.0, 2.5]
    assert [json.loads(row["mixed"]) for row in found] == [1, "1"]
    assert [json.loads(row["deep"]) for row in found] == [{"a": 1}, [1]]
    assert json.loads(found[0]["huge"]) == 2**70
    assert [row["late"] for row in found] == [None, "only here"]
    np.testing.assert_array_equal(vectors_of(table), await mock_vectors(["one", "two"]))


async def test_parquet_keeps_columns_and_types_of_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    monkeypatch.setattr(parquet_module, "GROUP_BYTES", 2**16)
    count = 1500
    moments = [1_700_000_000_000_000_000 + i for i in range(count)]
    table = pa.table(
        {
            "id": pa.array([f"k{i}" for i in range(count)]),
            "text": pa.array([None if i == 700 else f"row {i}" for i in range(count)]).dictionary_encode(),
            "price": pa.array([decimal.Decimal(i).scaleb(-2) for i in range(count)], pa.decimal128(10, 2)),
            "at": pa.array(moments, pa.timestamp("ns", "UTC")),
            "tags": pa.array([["a", "b"]] * count),
        }
    )
    pq.write_table(table, "r.parquet")
    await job("r.parquet", "v.parquet", id_column="id")
    found = read_table("v.parquet")
    kept = [i for i in range(count) if i != 700]
    assert found.drop_columns(["vector"]).equals(table.take(kept))
    np.testing.assert_array_equal(vectors_of(found), await mock_vectors([f"row {i}" for i in kept]))
    assert pq.ParquetFile("v.parquet").num_row_groups > 1
    assert records("v.parquet.rejects.jsonl")[0]["id"] == "k700"


async def test_jsonl_of_parquet() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    at = datetime.datetime(2026, 11, 23, 12, 30, 0, 123456)
    nanoseconds = pa.array([int(at.replace(tzinfo=datetime.UTC).timestamp() * 1e6) * 1000 + 789], pa.timestamp("ns"))
    table = pa.table({"text": ["one"], "at": nanoseconds, "price": [decimal.Decimal("1.50")], "raw": [b"\x00\xff"]})
    pq.write_table(table, "r.parquet")
    await job("r.parquet", "v.jsonl")
    (row,) = records("v.jsonl")
    assert (row["id"], row["text"], row["at"], row["price"], row["raw"]) == (
        1,
        "one",
        "2026-11-23T12:30:00.123456",
        "1.50",
        "AP8=",
    )


async def test_parquet_of_views() -> None:
    """Types of Arrow that not all of pyarrow knows."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    table = pa.table({"text": ["one", None, "three", "four", None]})
    table = table.append_column("seen", pa.array(list("abcde"), pa.string_view()))
    table = table.append_column("title", pa.array(table["text"].to_pylist(), pa.string_view()))
    try:
        pq.write_table(table, "r.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow writes no views")
    for column in ("text", "title"):
        await job("r.parquet", "v.parquet", text_column=column, force=True)
        found = read_table("v.parquet")
        assert found["seen"].to_pylist() == ["a", "c", "d"]
        assert found.schema.field("seen").type == pa.string_view()
        np.testing.assert_array_equal(vectors_of(found), await mock_vectors(["one", "three", "four"]))


async def test_jsonl_of_nanoseconds_at_any_depth() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    moment, second = pa.timestamp("ns"), 1_000_000_001
    kinds: dict[str, tuple[Any, Any, Any]] = {
        "list": (pa.list_(moment), [second, None], ["1970-01-01T00:00:01", None]),
        "large": (pa.large_list(moment), [second], ["1970-01-01T00:00:01"]),
        "fixed": (pa.list_(pa.time64("ns"), 1), [second], ["00:00:01"]),
        "map": (pa.map_(pa.string(), moment), [("a", second)], [["a", "1970-01-01T00:00:01"]]),
        "struct": (pa.struct([("of", pa.duration("ns"))]), {"of": second}, {"of": "PT1S"}),
        "plain": (pa.list_(pa.int8()), [1], [1]),
    }
    columns = {name: pa.array([value], kind) for name, (kind, value, _) in kinds.items()}
    repeated = pa.array([second], moment).dictionary_encode()
    pq.write_table(pa.table({"text": ["one"], "repeated": repeated, **columns}), "r.parquet")
    await job("r.parquet", "v.jsonl")
    (row,) = records("v.jsonl")
    assert {name: row[name] for name in kinds} == {name: said for name, (_, _, said) in kinds.items()}
    assert row["repeated"] == "1970-01-01T00:00:01"


@pytest.mark.parametrize(
    ("numbers", "kept"),
    [
        ((2**53, 0.5), [float(2**53), 0.5]),
        ((2**53 + 1, 0.5), [str(2**53 + 1), "0.5"]),
        ((2**53 + 1, 7), [2**53 + 1, 7]),
        ((2**63, 7), [str(2**63), "7"]),
    ],
)
async def test_whole_numbers_stay_whole(numbers: tuple[float, float], kept: list[Any]) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.jsonl").write_text("".join(json.dumps({"text": "one", "n": number}) + "\n" for number in numbers))
    await job("r.jsonl", "v.parquet")
    assert read_table("v.parquet")["n"].to_pylist() == kept


async def test_parquet_of_text_and_its_own_output() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("t.txt").write_text("one\n\ntwo\n")
    await job("t.txt", "a.parquet")
    with pytest.raises(JobInputError, match="has a column 'vector' already"):
        await job("a.parquet", "b.parquet")
    await job("a.parquet", "b.parquet", vector_column="again")
    table = read_table("b.parquet")
    assert table["id"].to_pylist() == [1, 3]
    np.testing.assert_array_equal(vectors_of(table), vectors_of(table, "again"))


async def test_parquet_where_every_chunk_but_one_is_rejected() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.jsonl").write_text('{"text": ""}\n' * 2000 + '{"text": "one"}\n')
    await job("r.jsonl", "v.parquet")
    assert read_table("v.parquet")["id"].to_pylist() == [2001]


async def test_parquet_without_pyarrow_is_rejected_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("t.txt").write_text("one\n")
    with pytest.raises(MissingExtraError, match="pyarrow"):
        await job("t.txt", "v.parquet")


async def test_too_many_different_fields_for_parquet() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.jsonl").write_text("".join(json.dumps({"text": "one", f"key {i}": i}) + "\n" for i in range(3000)))
    with pytest.raises(JobInputError, match="more than 2000 different fields"):
        await job("r.jsonl", "v.parquet")


# --- values that an output cannot hold as they are


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
