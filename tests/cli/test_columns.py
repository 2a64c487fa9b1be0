"""Tables: which column is what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cli.command import Aembed, refused


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
    refused(
        aembed("embed", table, "-o", "v.npy", "-m", "mock"),
        "no column 'text'",
        "'key', 'body', 'year': name one with --text-column",
    )
    refused(aembed("embed", table, "-o", "v.npy", "-m", "mock", "--text-column", ""), "no column ''")
    refused(aembed("embed", table, "-o", "v.npy", "-m", "mock", "--text-column", "title"), "no column 'title'")
    arguments = ("--input-format", "xml", "-m", "mock")
    refused(aembed("embed", table, "-o", "v.npy", *arguments), "input format 'xml'", "jsonl, csv, parquet")


def test_lines_without_the_column(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"body": "one", "year": 1990}\n')
    outcome = aembed("embed", "-", "--input-format", "jsonl", "-o", "v.npy", "-m", "mock")
    refused(outcome, "row 1: there is no 'text'; it has 'body', 'year': name one with --text-column")


def test_input_format_of_a_pipe(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"text": "one"}\n{"text": "two"}\n')
    assert aembed("embed", "-", "--input-format", "jsonl", "-o", "v.npy", "-m", "mock").code == 0
    assert np.load("v.npy").shape == (2, 128)
