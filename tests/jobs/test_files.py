"""Files as people have them: several, in directories, compressed, in other encodings, growing, of other kinds."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import AuthenticationError, Config, EmbedderFactory, Limits, MissingExtraError
from aembed.jobs import JobChangedError, JobInputError, JobStoppedError, run
from aembed.jobs.reading import Reading
from aembed.jobs.source import open_source
from aembed.jobs.survey import Survey, take_survey
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.provider import Remembers
from tests.jobs.test_inputs import read


def write(name: str, *texts: str) -> str:
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    if name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps({"text": text, "from": name}) + "\n" for text in texts))
    else:
        Path(name).write_text("".join(f"{text}\n" for text in texts))
    return name


# --- several


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
    assert len(records("d/v.jsonl")) == 2, "outputs are no input"


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


# --- compressed


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


# --- encodings and other kinds


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


# --- 117: an input that grows


class Appends(Remembers):
    """Appends rows to the input while it is asked."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        self._name = name

    async def embed(self, texts: Any, /, *, kind: Any) -> Any:
        with Path(self._name).open("a") as file:
            file.write("late\n" * 100)
        return await super().embed(texts, kind=kind)


@pytest.mark.parametrize("output", ["v.npy", "v.jsonl"])
async def test_fault_117_job_ends_with_the_rows_it_surveyed(output: str) -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    report = await run("t.txt", output, model=Appends("t.txt"), config=Config())
    assert (report.rows, report.grown) == (20, True)
    found = np.load(output) if output == "v.npy" else np.array([row["vector"] for row in records(output)], np.float32)
    np.testing.assert_array_equal(found, await mock_vectors([f"row {i}" for i in range(20)]))
    write("t.txt", "one")
    assert not (await run("t.txt", f"w-{output}", model=Remembers(), config=Config())).grown


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.jsonl"])
async def test_fault_117_line_that_is_being_written_is_left_to_the_next_run(name: str) -> None:
    lines = (
        ["text", "one", "two, and mo", "re"] if name != "t.jsonl" else ["", '{"text": "one"}', '{"text": "tw', 'o"}']
    )
    Path(name).write_text("\n".join(lines[:3]).lstrip())
    async with EmbedderFactory(Config()) as factory, open_source(name, Reading()) as source:
        with Path(name).open("a") as file:
            file.write(lines[3] + "\n")
        survey = Survey()
        await take_survey(survey, source, await factory.new_embedder(Remembers()))
        texts = [row.text for block in source.blocks() for row in block.rows]
        assert texts[-1] == "one"
        assert (survey.rows, survey.faulty) == (len(texts), 0)
        assert source.has_grown()


async def test_fault_117_stopped_job_resumes_though_its_input_has_grown() -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    first = Appends("t.txt", good=3, failure=AuthenticationError("the key is rejected"))
    limits = Limits(max_concurrency=1)
    with pytest.raises(JobStoppedError):
        await run("t.txt", "v.npy", model=first, config=Config(), limits=limits)
    second = Appends("unread.txt")
    report = await run("t.txt", "v.npy", model=second, config=Config())
    assert (report.rows, report.resumed, report.grown) == (20, len(first.asked), True)
    assert set(first.asked).isdisjoint(second.asked)
    assert "late" not in second.asked


async def test_fault_117_input_that_changed_and_grew_is_another_input() -> None:
    write("t.txt", *(f"row {i}" for i in range(20)))
    first = Remembers(good=3, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await run("t.txt", "v.npy", model=first, config=Config(), limits=Limits(max_concurrency=1))
    write("t.txt", *(f"other {i}" for i in range(30)))
    with pytest.raises(JobChangedError, match="the input has changed"):
        await run("t.txt", "v.npy", model=Remembers(), config=Config())


# --- text from several columns


def test_text_of_several_columns() -> None:
    rows = [
        {"t": "A", "a": "b"},
        {"t": "C"},
        {"a": None, "t": "D"},
        {"x": 1},
        {"t": 5, "a": "\ud800"},
        {"t": 5, "a": [1]},
    ]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [row[2] for row in read("r.jsonl", text="{t}: {a} {{}}")[0]]
    assert found[:3] == ["A: b {}", "C:  {}", "D:  {}"]
    assert found[3] == "'t' and 'a' are empty or blank, and have no meaning to embed"
    assert found[4:] == ["the text has a lone surrogate at character 3", "5: [1] {}"]
    Path("r.csv").write_text("t,a\nA,b\nC,\n")
    assert [row[2] for row in read("r.csv", text="{t}\n\n{a}")[0]] == ["A\n\nb", "C\n\n"]
    with pytest.raises(JobInputError, match="has no column 'title'; it has 't', 'a': name one in the template"):
        read("r.csv", text="{title}")


async def test_template_with_a_name_that_no_row_has() -> None:
    Path("r.jsonl").write_text('{"title": "A"}\n')
    with pytest.raises(JobInputError, match="no row has 'abstrct'; check the template"):
        await run("r.jsonl", "v.npy", model=Remembers(), config=Config(), text="{title} {abstrct}")


@pytest.mark.parametrize("output", ["v.jsonl", "v.parquet"])
async def test_columns_of_a_template_stay(output: str) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"title": ["A", None], "year": [1990, 1991]}), "r.parquet")
    provider = Remembers()
    await run("r.parquet", output, model=provider, config=Config(), text="{title} ({year})")
    assert provider.asked == ["A (1990)", " (1991)"]
    rows = records(output) if output == "v.jsonl" else pq.read_table(output).to_pylist()
    assert [(row["title"], row["year"]) for row in rows] == [("A", 1990), (None, 1991)]
