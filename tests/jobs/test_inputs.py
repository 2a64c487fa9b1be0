"""Input formats: rows, the place of text and id, and errors with a file or with one row of it."""

from __future__ import annotations

import re
import tracemalloc
import uuid
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aembed import MissingExtraError
from aembed.jobs import JobInputError
from aembed.jobs.columns import Columns
from aembed.jobs.duplicates import SeenIds
from aembed.jobs.inputs import InputFile
from aembed.jobs.readers.parquet import REPEATED_BYTES, parquet_columns, read_parquet
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Row, RowBlock, make_row
from aembed.jobs.source import open_source
from tests.loops import run as run_on_a_loop

Seen = list[tuple[int, Any, str]]


def read(name: str | list[str], **options: Any) -> tuple[Seen, int]:
    """Number, id, and text or fault of every row; and how many lines were blank."""
    return run_on_a_loop(_read(name, Reading(**options)))


async def _read(name: str | list[str], reading: Reading) -> tuple[Seen, int]:
    async with open_source(name, reading) as source:
        blocks = list(source.blocks())
        again = list(source.blocks())
    assert [block.start for block in again] == [block.start for block in blocks]
    rows = [row for block in blocks for row in block.rows]
    assert [block.start for block in blocks] == list(np.cumsum([0, *(len(b.rows) for b in blocks[:-1])]))
    return [(row.number, row.id, row.fault or row.text) for row in rows], sum(block.blank for block in blocks)


# --- text


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfone\n", b"one\r\n", b"one"], ids=["bom", "crlf", "no end of line"])
def test_marks_around_a_line_are_no_part_of_it(content: bytes) -> None:
    Path("t.txt").write_bytes(content)
    assert read("t.txt") == ([(1, 1, "one")], 0)


def test_blank_lines_are_no_rows() -> None:
    Path("t.txt").write_text("\none\n \t\n\ntwo\n")
    assert read("t.txt") == ([(2, 2, "one"), (5, 5, "two")], 3)


@pytest.mark.parametrize(("name", "line"), [("t.txt", "short"), ("r.jsonl", '{"text": "short"}')])
def test_line_that_is_too_long_is_a_bad_row(name: str, line: str) -> None:
    Path(name).write_text(f"{line}\n{'x' * 3_000_000}\n{line}\n")
    rows, _ = read(name, max_row_bytes=1000)
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [row[2] for row in rows] == ["short", "line 2 is longer than 1,000 bytes", "short"]


# --- JSONL


def test_jsonl() -> None:
    Path("r.jsonl").write_text('{"id": "a", "text": "one"}\n\n{"id": 7, "text": "two"}\n')
    assert read("r.jsonl", id_column="id") == ([(1, "a", "one"), (3, 7, "two")], 1)
    assert read("r.jsonl", text_column="id")[0][0] == (1, 1, "a")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"text": "one"}', "the id in 'id' is missing or null"),
        ('{"id": null, "text": "one"}', "the id in 'id' is missing or null"),
        ('{"id": "", "text": "one"}', "the id in 'id' is empty"),
        ('{"id": NaN, "text": "one"}', "the id in 'id' is missing or null"),
        ('{"id": [1], "text": "one"}', "the id in 'id' is a list"),
        ('{"id": 1}', "there is no 'text'"),
        ('{"id": 1, "text": null}', "'text' is null, not a string"),
        ('{"id": 1, "text": ["one"]}', "'text' is a list, not a string"),
        ('{"id": 1, "text": 7}', "'text' is an int, not a string"),
        ('{"id": 1, "text": " "}', "'text' is empty or blank"),
        ('{"id": 1, "text": "one"', "the line is not valid JSON"),
        ('"one"', "the line is a JSON str, not an object"),
        ("[" * 100_000, "the line is not valid JSON: it is nested too deeply"),
    ],
)
def test_jsonl_with_a_bad_row(line: str, fault: str) -> None:
    Path("r.jsonl").write_text('{"id": 0, "text": "zero"}\n' + line + "\n")
    (good, bad), _ = read("r.jsonl", id_column="id")
    assert good == (1, 0, "zero")
    assert bad[0] == 2
    assert bad[2].startswith(fault)


def test_jsonl_that_is_not_utf_8_is_a_bad_row() -> None:
    Path("r.jsonl").write_bytes(b'{"text": "zero"}\n{"text": "caf\xe9"}\n')
    assert read("r.jsonl")[0][1][2] == "the line is not valid JSON: it is not UTF-8 at byte 13"


def test_id_column_counts_only_if_it_is_named() -> None:
    Path("r.jsonl").write_text('{"text": "one", "id": 7}\n{"text": "two", "id": 7}\n')
    assert [row[1] for row in read("r.jsonl")[0]] == [1, 2]


def test_ids_of_every_hashable_type(tmp_path: Path) -> None:
    ids = [1, 2.5, "a", True, uuid.UUID(int=5), Decimal("1.50"), date(2026, 1, 2), b"raw"]
    columns = Columns("text", "id")
    rows = [make_row(n, {"id": value, "text": "one"}, columns) for n, value in enumerate(ids)]
    assert [row.id for row in rows] == ids
    assert not any(row.fault for row in rows)
    with SeenIds() as found:
        found.add(RowBlock(0, rows))
        found.add(RowBlock(len(rows), rows))
        assert found.repeated().tolist() == list(range(len(ids), 2 * len(ids)))


# --- CSV


def test_csv() -> None:
    Path("r.csv").write_text('\ufeffid,text\na,"one, ""two""\nthree"\n\nb,four\n', encoding="utf-8")
    assert read("r.csv", id_column="id") == ([(1, "a", 'one, "two"\nthree'), (3, "b", "four")], 1)


def test_tsv() -> None:
    Path("r.tsv").write_text("text\tyear\none, two\t1990\n")
    assert read("r.tsv") == ([(1, 1, "one, two")], 0)


def test_csv_record_of_other_length_is_a_bad_row() -> None:
    Path("r.csv").write_text("id,text\na\nb,two,3\nc,three\n")
    rows, _ = read("r.csv", id_column="id")
    assert rows[0][1:] == (None, "the record has 1 fields, and the header 2")
    assert rows[1][1:] == (None, "the record has 3 fields, and the header 2")
    assert rows[2] == (3, "c", "three")


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a,b\n1,2\n", {}, "no column 'text'; it has 'a', 'b': name one with text_column"),
        ("text,b\n1,2\n", {"id_column": "key"}, "no column 'key'; it has 'text', 'b': name one with id_column"),
        ("", {}, "is empty; its first line must name the columns"),
        ("text,text\n1,2\n", {}, "has two columns 'text'"),
        ('"text,b\n1,2\n', {}, "its first line must name the columns, but line 1: unexpected end of data"),
    ],
)
def test_csv_that_cannot_be_read(content: str, options: Any, words: str) -> None:
    Path("r.csv").write_text(content)
    with pytest.raises(JobInputError, match=re.escape(words)):
        read("r.csv", **options)


# --- Parquet


def table(**columns: Any) -> str:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), "r.parquet", row_group_size=700)
    return "r.parquet"


def test_parquet() -> None:
    name = table(key=list(range(2000)), body=[f"row {i}" for i in range(1999)] + [None])
    rows, _ = read(name, text_column="body", id_column="key")
    assert rows[:2] == [(1, 0, "row 0"), (2, 1, "row 1")]
    assert rows[-1] == (2000, 1999, "'body' is null, not a string")
    assert len(rows) == 2000


def test_parquet_of_other_kinds_of_string() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    name = table(text=pa.array(["one", "two", "one"]).dictionary_encode(), large=pa.array(["a"] * 3, pa.large_string()))
    assert [row[2] for row in read(name)[0]] == ["one", "two", "one"]
    assert [row[2] for row in read(name, text_column="large")[0]] == ["a", "a", "a"]


def test_parquet_without_strings() -> None:
    with pytest.raises(JobInputError, match="the column 'text' holds int64, not strings"):
        read(table(text=[1, 2]))


def test_parquet_that_is_none() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(JobInputError, match=r"r\.parquet is not Parquet"):
        read("r.parquet")


def test_parquet_damaged_in_the_middle() -> None:
    name = table(text=[f"{i:>500}" for i in range(2000)])
    content = bytearray(Path(name).read_bytes())
    content[5000:6000] = bytes(1000)
    Path(name).write_bytes(content)
    with pytest.raises(JobInputError, match=r"r\.parquet cannot be read beyond row \d+"):
        read(name)


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("r.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r'pip install "aembed\[parquet\]"'):
        read("r.parquet")


# --- which is which


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.txt", "txt"),
        ("README", "readme"),
        ("a.JSONL", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("a.b.csv.zst", "csv"),
        ("a.gz", "gz"),
    ],
)
def test_ending_that_says_the_format(name: str, ending: str) -> None:
    assert InputFile(name, None).ending == ending


# --- ids that stand twice


def blocks(ids: Iterable[Any], size: int = 97) -> Iterable[RowBlock]:
    rows = [Row(i, value, "text", {}) for i, value in enumerate(ids)]
    return [RowBlock(start, rows[start : start + size]) for start in range(0, len(rows), size)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(0, 40), st.text("ab", max_size=2))), st.integers(5, 60))
def test_every_id_but_the_first_is_found(monkeypatch: pytest.MonkeyPatch, ids: list[Any], buffered: int) -> None:
    """Also when they do not fit into the buffer."""
    from aembed.jobs import duplicates

    monkeypatch.setattr(duplicates, "BUFFERED_IDS", buffered)
    seen: set[tuple[type, Any]] = set()
    expected = []
    for index, value in enumerate(ids):
        if (type(value), value) in seen:
            expected.append(index)
        seen.add((type(value), value))
    with SeenIds() as found:
        for block in blocks(ids, size=5):
            found.add(block)
        assert found.repeated().tolist() == expected


def test_number_and_string_are_two_ids() -> None:
    with SeenIds() as found:
        for block in blocks([1, "1", 1]):
            found.add(block)
        assert found.repeated().tolist() == [2]


def test_bad_row_has_no_id_to_repeat() -> None:
    rows = [Row(1, "a", "", {}, "it is bad"), Row(2, "a", "text", {})]
    with SeenIds() as found:
        found.add(RowBlock(0, rows))
        assert found.repeated().tolist() == []


def test_parquet_that_is_small_and_holds_much(tmp_path: Path) -> None:
    """300 MB of rows: a value that many share is read for some rows at a time."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "rows.parquet"
    schema = pa.schema([("text", pa.string()), ("id", pa.int64())])
    with pq.ParquetWriter(file, schema, compression="zstd", dictionary_pagesize_limit=10**9) as writer:
        writer.write_table(pa.table({"text": ["a" * 10**6] * 300 + [None], "id": range(301)}, schema=schema))
    assert file.stat().st_size < 10_000
    reading = Reading()
    tracemalloc.start()
    with file.open("rb") as opened:
        columns = parquet_columns("rows", opened, reading)
        lengths = [[len(row.text) for row in block.rows] for block in read_parquet("rows", opened, reading, columns)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [length for some in lengths for length in some] == [10**6] * 300 + [0]
    assert len(lengths[0]) == REPEATED_BYTES // 10**6
    assert peak < 100 * 10**6
