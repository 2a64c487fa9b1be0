"""Tables: which column is what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cli.command import Aembed, rejected


def test_columns_are_kept(aembed: Aembed, table: str) -> None:
    code, out, _ = aembed(
        "embed", table, "-o", "v.jsonl", "--text-column", "body", "--id-column", "key",
        "--vector-column", "v", "-m", "mock", "--dimensions", "3",
    )  # fmt: skip
    assert code == 1
    assert "v.jsonl: 2 rows with 3 dimensions from mock:mock" in out
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    assert [list(row) for row in rows] == [["key", "body", "year", "v"]] * 2
    assert [(row["key"], row["year"], len(row["v"])) for row in rows] == [("a", "1990", 3), ("c", "1992", 3)]
    assert json.loads(Path("v.jsonl.rejects.jsonl").read_text())["id"] == "b"


def test_columns_that_are_not_there(aembed: Aembed, table: str) -> None:
    rejected(
        aembed("embed", table, "-o", "v.npy", "-m", "mock"),
        "no column 'text'",
        "'key', 'body', 'year': name one with --text-column",
    )
    rejected(aembed("embed", table, "-o", "v.npy", "-m", "mock", "--text-column", ""), "no column ''")
    rejected(aembed("embed", table, "-o", "v.npy", "-m", "mock", "--text-column", "title"), "no column 'title'")
    arguments = ("--input-format", "xml", "-m", "mock")
    rejected(aembed("embed", table, "-o", "v.npy", *arguments), "input format 'xml'", "jsonl, csv, parquet")


def test_lines_without_the_column(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"body": "one", "year": 1990}\n')
    outcome = aembed("embed", "-", "--input-format", "jsonl", "-o", "v.npy", "-m", "mock")
    rejected(outcome, "row 1: there is no 'text'; it has 'body', 'year': name one with --text-column")


def test_input_format_of_a_pipe(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"text": "one"}\n{"text": "two"}\n')
    assert aembed("embed", "-", "--input-format", "jsonl", "-o", "v.npy", "-m", "mock").code == 0
    assert np.load("v.npy").shape == (2, 128)


def test_text_of_several_columns_with_escapes(aembed: Aembed, table: str) -> None:
    assert aembed("embed", table, "-o", "v.jsonl", "--text", r"{key}\n\t{body}\\", "-m", "mock").code == 0
    Path("same.jsonl").write_text(json.dumps({"text": "a\n\tfirst\\"}) + "\n")
    assert aembed("embed", "same.jsonl", "-o", "same.npy", "-m", "mock").code == 0
    vector = json.loads(Path("v.jsonl").read_text().splitlines()[0])["vector"]
    np.testing.assert_array_equal(np.array([vector], np.float32), np.load("same.npy"))


def test_several_files_limit_and_shard(aembed: Aembed, table: str) -> None:
    Path("more.csv").write_text("body;key\nfourth;d\nfifth;e\n")
    arguments = ("-o", "v.npy", "--text-column", "body", "-m", "mock")
    rejected(aembed("embed", table, "more.csv", *arguments), "more.csv has no column 'body'; it has 'body;key'")
    rejected(aembed("embed", table, *arguments, "--shard", "9"), "--shard 9 is not two numbers", "3/8")
    rejected(aembed("embed", table, *arguments, "--limit", "0"), "--limit 0: give at least 1")
    assert aembed("embed", "more.csv", *arguments, "--delimiter", ";").code == 0
    assert np.load("v.npy").shape == (2, 128)
    Path("v.npy").unlink()
    Path("more.csv").write_text("body,key\nfourth,d\nfifth,e\n")
    assert aembed("embed", "*.csv", *arguments, "--limit", "4").code == 1
    assert np.load("v.npy").shape == (4, 128)
    assert aembed("embed", table, "more.csv", "-o", "w.npy", *arguments[2:], "--shard", "2/2").code == 0
    assert np.load("w.npy").shape == (3, 128)


def test_join(aembed: Aembed, table: str) -> None:
    arguments = ("--text-column", "body", "-m", "mock")
    for shard in ("1/2", "2/2"):
        aembed("embed", table, "-o", f"part-{shard[0]}.npy", "--shard", shard, *arguments)
    aembed("embed", table, "-o", "whole.npy", *arguments)
    code, out, _ = aembed("join", "part-2.npy", "part-1.npy", "-o", "all.npy")
    assert (code, out) == (0, "all.npy: 3 rows of 2 shards, 1 rejected, from mock:mock\n")
    assert Path("all.npy").read_bytes() == Path("whole.npy").read_bytes()
    code, _, err = aembed("join", "part-2.npy", "-o", "other.npy")
    assert (code, err) == (2, "aembed: shard 1 of 2 is missing; give all of them\n")
    Path("all.npy").write_bytes(b"mine")
    code, _, err = aembed("join", "part-1.npy", "part-2.npy", "-o", "all.npy")
    assert (code, err.endswith("choose another output, or replace it with --force\n")) == (2, True), err
    assert Path("all.npy").read_bytes() == b"mine"
    assert aembed("join", "part-1.npy", "part-2.npy", "-o", "all.npy", "--force").code == 0
    assert Path("all.npy").read_bytes() == Path("whole.npy").read_bytes()
