"""Files as people have them: several, in directories, compressed, in other encodings, growing, of other kinds."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from aembed import Config, MissingExtraError
from aembed.jobs import JobInputError, run
from tests.jobs.conftest import records
from tests.jobs.provider import Remembers
from tests.jobs.test_inputs import read
from tests.jobs.written import write


def test_files_are_read_one_after_the_other_and_rows_numbered_on() -> None:
    write("a.txt", "one", "", "two")
    write("b.txt", "three")
    assert read(["b.txt", "a.txt"]) == ([(1, 1, "three"), (1, 2, "one"), (3, 3, "two")], 1)


def test_directory_is_one_input() -> None:
    for name in ("d/b.jsonl", "d/a/x.jsonl", "d/_log.jsonl", "d/.hidden/y.jsonl", "d/v.npy.rejects.jsonl"):
        write(name, name)
    write("d/README", "no row")
    assert [row[2] for row in read("d")[0]] == ["d/a/x.jsonl", "d/b.jsonl"]
    assert [row[2] for row in read("d/**/*.jsonl")[0]] == [
        "d/_log.jsonl",
        "d/a/x.jsonl",
        "d/b.jsonl",
        "d/v.npy.rejects.jsonl",
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("empty", "empty is a directory without a file to read"),
        ("*.csv", r"no file matches *.csv"),
        (["a.txt", "b.jsonl"], "several formats: a.txt is text and b.jsonl is jsonl"),
        ([], "no input is given"),
    ],
)
def test_paths_that_are_no_input(given: Any, words: str) -> None:
    Path("empty").mkdir()
    write("a.txt", "one")
    write("b.jsonl", "two")
    with pytest.raises(JobInputError, match=re.escape(words)):
        read(given)


async def test_rejects_name_the_file() -> None:
    write("d/a.jsonl", "one")
    write("d/b.jsonl", "two", "")
    await run("d", "d/v.jsonl", model=Remembers(), config=Config())
    assert [(row["id"], row["text"]) for row in records("d/v.jsonl")] == [(1, "one"), (2, "two")]
    (reject,) = records("d/v.jsonl.rejects.jsonl")
    assert (reject["file"], reject["row"], reject["id"]) == ("d/b.jsonl", 2, 3)
    await run("d", "d/v.jsonl", model=Remembers(), config=Config())
    assert len(records("d/v.jsonl")) == 2, "outputs are not input"


async def test_parquet_files_with_other_columns() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    Path("d").mkdir()
    pq.write_table(pa.table({"text": ["one"], "n": pa.array([1], pa.int32())}), "d/1.parquet")
    pq.write_table(pa.table({"n": pa.array([2], pa.int64()), "text": ["two"], "new": ["x"]}), "d/2.parquet")
    await run("d", "v.parquet", model=Remembers(), config=Config())
    rows = pq.read_table("v.parquet").drop_columns(["vector"]).to_pylist()
    assert rows == [{"id": 1, "text": "one", "n": 1, "new": None}, {"id": 2, "text": "two", "n": 2, "new": "x"}]
    pq.write_table(pa.table({"text": ["one"], "n": ["a"]}), "d/3.parquet")
    with pytest.raises(JobInputError, match="columns that do not go together"):
        await run("d", "v.parquet", model=Remembers(), config=Config())


def test_limit() -> None:
    write("a.txt", *(f"row {i}" for i in range(700)))
    write("b.txt", *(f"row {i}" for i in range(700)))
    assert len(read(["a.txt", "b.txt"], limit=1000)[0]) == 1000
    assert read("a.txt", limit=1)[0] == [(1, 1, "row 0")]


@pytest.mark.parametrize("name", ["r.jsonl.gz", "r.jsonl.zst", "r.jsonl"])
def test_compressed_text_is_read(name: str) -> None:
    content = b"".join(b'{"text": "row %d"}\n' % i for i in range(3000))
    if name.endswith(".zst"):
        zstd = pytest.importorskip("backports.zstd", reason="needs the extra zstd")
        Path(name).write_bytes(zstd.compress(content))
    else:  # under any name
        half = content.index(b"\n", 9000) + 1
        Path(name).write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    assert [row[2] for row in read(name)[0]] == [f"row {i}" for i in range(3000)]


def test_compressed_file_that_is_cut() -> None:
    Path("t.txt.gz").write_bytes(gzip.compress(os.urandom(9000).hex().encode())[:-5000])
    with pytest.raises(JobInputError, match=r"t\.txt\.gz is damaged"):
        read("t.txt.gz")


def test_zstandard_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    Path("t.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(MissingExtraError, match=r'pip install "aembed\[zstd\]"'):
        read("t.txt.zst")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8", "shift_jis"])
@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.txt"])
def test_encoding(encoding: str, name: str) -> None:
    word = "二つ" if encoding == "shift_jis" else "café"
    lines = [word] * 50_000
    if name == "r.jsonl":
        lines = [json.dumps({"text": word}, ensure_ascii=False)] * 50_000
    elif name == "r.csv":
        lines.insert(0, "text")
    Path(name).write_bytes("\r\n".join(lines).encode(encoding))
    assert {row[2] for row in read(name, encoding=encoding)[0]} == {word}


def test_character_that_is_none_costs_its_row() -> None:
    Path("t.txt").write_bytes("one\ntwo\n".encode("utf-16-le") + b"\x00\xd8" + "\nthree\n".encode("utf-16-le"))
    rows, _ = read("t.txt", encoding="utf-16-le")
    assert [row[2] for row in rows] == ["one", "two", "line 3 is not utf-16-le", "three"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text".encode("utf-16"), 'is UTF-16, not text. Read it with encoding="utf-16"'),
        ("some text".encode("utf-16-be"), 'is UTF-16-BE, not text. Read it with encoding="utf-16-be"'),
        ("text".encode("utf-32"), "is UTF-32, not text"),
        (b"PK\x03\x04rest", "is a ZIP archive or an Office document (.xlsx, .docx), not text. Save the sheet as CSV"),
        (b"%PDF-1.7", "is a PDF, not text"),
        (b"BZh91AY&SY", "is compressed by bzip2, not text"),
        (b"PAR1\x15\x04", 'is Parquet, not text. Read it with input_format="parquet"'),
        (b"SQLite format 3\x00", "is an SQLite database, not text. Export the table"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "is compressed by gzip, not text"),
        (gzip.compress(b"PK\x03\x04", mtime=0), "is a ZIP archive"),
    ],
)
@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.jsonl"])
def test_other_kinds_of_file_are_named(content: bytes, words: str, name: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(JobInputError, match=re.escape(f"{name} {words}")):
        read(name)


def test_other_kinds_called_parquet() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    Path("r.parquet").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(JobInputError, match="is compressed by gzip, not Parquet"):
        read("r.parquet")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_columns_and_no_rows(name: str) -> None:
    if name == "t.csv":
        Path(name).write_text("text,n\n")
    else:
        pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": pa.array([], pa.string())}), name)
    from tests.loops import run as run_on_a_loop

    with pytest.raises(JobInputError, match="has columns and no rows"):
        run_on_a_loop(run(name, "v.npy", model=Remembers(), config=Config()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoding": "base64"}, "encoding='base64' is not known"),
        ({"encoding": "utf-5"}, "encoding='utf-5' is not known"),
        ({"delimiter": ";;"}, "delimiter=';;' is not one character"),
        ({"delimiter": ";"}, 't.txt is read as text; delimiter is for input_format="csv"'),
        ({"quoting": "all"}, "quoting='all' is not known"),
        ({"limit": 0}, "limit=0: give at least 1"),
        ({"shard": (9, 8)}, "shard=9/8: give a number from 1"),
        ({"input_format": "xml"}, "input format 'xml' is not known"),
        ({"text": "{a}", "text_column": "a"}, "text and text_column are both given"),
        ({"text": "{a"}, "is not a template: expected '}'"),
        ({"text": "{}"}, "give names of columns alone"),
        ({"text": "{a!r}"}, "give names of columns alone"),
        ({"text": "abc"}, "names no column"),
        ({"text": "{a}"}, "is read as text, which has no columns; leave text out"),
    ],
)
def test_options_that_make_no_sense(options: Any, words: str) -> None:
    write("t.txt", "one")
    with pytest.raises(JobInputError, match=re.escape(words)):
        read("t.txt", **options)
