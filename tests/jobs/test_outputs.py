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

from aembed import MissingExtraError
from aembed.jobs import JobInputError, JobOutputError, run
from aembed.jobs.writers import parquet as parquet_module
from aembed.jobs.writers.jsonl import short
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.provider import Remembers
from tests.jobs.tables import job, read_table


@given(arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_nine_digits_say_which_float32_is_meant(numbers: Any) -> None:
    written = json.dumps(short(numbers).tolist())
    np.testing.assert_array_equal(np.array(json.loads(written), np.float64).astype(np.float32), numbers)


def test_usual_numbers_are_written_short() -> None:
    assert json.dumps(short(np.array([0.1, -0.08838834, 1.0, 0.0], np.float32)).tolist()) == (
        "[0.100000001, -0.0883883387, 1.0, 0.0]"
    )


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


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"keep": True}, "keep=True is for updates; add update=True, or leave it out"),
        ({"vector_column": ""}, "vector_column is empty; give the vectors a name"),
        ({"dtype": "float64"}, "dtype is 'float64'; it must be one of float32, float16, int8, binary"),
    ],
    ids=["keep", "vector_column", "dtype"],
)
async def test_options_that_no_output_can_have_cost_no_request(options: dict[str, Any], problem: str) -> None:
    Path("t.txt").write_text("one\n")
    provider = Remembers()
    with pytest.raises(JobOutputError) as caught:
        await run("t.txt", "v.npy", model=provider, **options)
    assert str(caught.value) == problem
    assert provider.asked == []
    assert [path.name for path in Path().iterdir()] == ["t.txt"]
