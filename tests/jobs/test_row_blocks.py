"""Rows made of records, and the blocks that they come in."""

from __future__ import annotations

from typing import Any

import pytest

from aembed.jobs.columns import Columns
from aembed.jobs.rows import BLOCK_BYTES, BLOCK_ROWS, Row, RowBlock, bad_row, in_blocks, make_row, ordinary_rows
from aembed.jobs.source import _cut
from aembed.jobs.template import Template


def blocks(*rows: tuple[bool, int]) -> list[tuple[int, int, int]]:
    """Start, number of rows and blank lines of each block; given is if a line is a row, and its bytes."""
    lines = ((Row(n, n, "text", {}) if is_row else None, size) for n, (is_row, size) in enumerate(rows, 1))
    return [(block.start, len(block.rows), block.blank) for block in in_blocks(lines)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([(True, 1)], [(0, 1, 0)]),
        ([(False, 1)], [(0, 0, 1)]),
        ([(True, 1)] * BLOCK_ROWS, [(0, BLOCK_ROWS, 0)]),
        ([(True, 1)] * (BLOCK_ROWS + 1), [(0, BLOCK_ROWS, 0), (BLOCK_ROWS, 1, 0)]),
        ([(False, 1)] * 2 + [(True, 1)] * BLOCK_ROWS, [(0, BLOCK_ROWS - 2, 2), (BLOCK_ROWS - 2, 2, 0)]),
        ([(True, BLOCK_BYTES - 1), (True, 1), (True, 1)], [(0, 2, 0), (2, 1, 0)]),
        ([(True, BLOCK_BYTES), (True, 1)], [(0, 1, 0), (1, 1, 0)]),
        ([(True, BLOCK_BYTES), (True, BLOCK_BYTES - 1), (True, 1)], [(0, 1, 0), (1, 2, 0)]),
        ([(True, BLOCK_BYTES // 2), (False, BLOCK_BYTES // 2), (True, 1)], [(0, 1, 1), (1, 1, 0)]),
    ],
)
def test_a_block_has_so_many_lines_or_bytes(rows: list[tuple[bool, int]], expected: list[tuple[int, int, int]]) -> None:
    assert blocks(*rows) == expected


def test_blocks_are_of_five_hundred_rows_or_eight_mebibytes() -> None:
    assert (BLOCK_ROWS, BLOCK_BYTES) == (512, 2**23)


@pytest.mark.parametrize(
    ("first", "stop", "numbers", "start"),
    [
        (0, 100, [10, 11, 12, 13], 10),
        (10, 14, [10, 11, 12, 13], 10),
        (11, 14, [11, 12, 13], 11),
        (10, 13, [10, 11, 12], 10),
        (12, 13, [12], 12),
        (0, 11, [10], 10),
        (13, 99, [13], 13),
        (0, 10, [], 10),
        (14, 20, [], 14),
        (0, 3, [], 10),
    ],
)
def test_a_part_of_a_block(first: int, stop: int, numbers: list[int], start: int) -> None:
    whole = RowBlock(10, [Row(n, n, "text", {}) for n in range(10, 14)], blank=3, file="f")
    part = _cut(whole, first, stop)
    assert [row.number for row in part.rows] == numbers
    assert (part.start, part.blank, part.file) == (start, 3, "f")


class Rows(list[int]):
    """An Arrow table."""

    def slice(self, offset: int, length: int) -> list[int]:
        return self[offset : offset + length]


@pytest.mark.parametrize(("first", "stop", "left"), [(0, 99, [0, 1, 2]), (6, 99, [1, 2]), (0, 7, [0, 1]), (9, 6, [])])
def test_the_rows_of_arrow_are_those_of_the_part(first: int, stop: int, left: list[int]) -> None:
    whole = RowBlock(5, [Row(n, n, "text", {}) for n in range(3)], batch=Rows(range(3)))
    assert list(_cut(whole, first, stop).batch) == left
    assert _cut(whole, 0, 99) is whole


# --- one row


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"text": "a"}, ""),
        ({"text": "a\ud800"}, "'text' has a lone surrogate at character 1"),
        ({"text": b"\xff"}, "'text' is not UTF-8"),
        ({"text": 1.5}, "'text' is a float, not a string"),
        ({"text": 1}, "'text' is an int, not a string"),
        ({"text": None}, "'text' is null, not a string"),
        ({"text": ""}, "'text' is empty or blank, and has no meaning to embed"),
        ({"text": "\t\n"}, "'text' is empty or blank, and has no meaning to embed"),
        ({}, "there is no 'text'"),
    ],
)
def test_a_text_with_a_fault_is_never_sent(fields: dict[str, Any], fault: str) -> None:
    row = make_row(7, fields, Columns())
    assert (row.number, row.id, row.fault) == (7, 7, fault)
    assert row.text == ("" if fault else fields["text"])
    assert row.fields == fields


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "missing or null"),
        (float("nan"), "missing or null"),
        ("", "empty"),
        ([1], "a list"),
        ({"a": 1}, "a dict"),
    ],
)
def test_an_id_must_be_one_value(value: Any, what: str) -> None:
    row = make_row(7, {"text": "a", "key": value}, Columns(id="key"))
    assert (row.id, row.text) == (None, "")
    assert row.fault == f"the id in 'key' is {what}; it must be one value, such as a string or a number"


@pytest.mark.parametrize("value", [0, 0.0, False, 7, "a", 1.5, (1, 2), b"raw"])
def test_any_one_value_is_an_id(value: Any) -> None:
    row = make_row(7, {"text": "a", "key": value}, Columns(id="key"))
    assert (row.id, row.fault) == (value, "")


def test_the_fault_of_an_id_comes_before_that_of_the_text() -> None:
    assert make_row(7, {"key": None}, Columns(id="key")).fault.startswith("the id in 'key'")
    templated = Columns(id="key", template=Template("{a}"))
    assert make_row(7, {"key": None}, templated).fault.startswith("the id in 'key'")


@pytest.mark.parametrize(
    ("fields", "text", "fault"),
    [
        ({"a": "one", "b": "two"}, "one, two", ""),
        ({"a": "one"}, "one, ", ""),
        ({"a": "é"}, "é, ", ""),
        ({"b": 7}, ", 7", ""),
        ({"a": " ", "b": ""}, "", "'a' and 'b' are empty or blank, and have no meaning to embed"),
        ({}, "", "'a' and 'b' are empty or blank, and have no meaning to embed"),
        ({"a": "x\udfff"}, "", "the text has a lone surrogate at character 1"),
    ],
)
def test_the_text_of_a_template(fields: dict[str, Any], text: str, fault: str) -> None:
    row = make_row(7, fields, Columns(template=Template("{a}, {b}")))
    assert (row.text, row.fault) == (text, fault)


@pytest.mark.parametrize(("column", "name"), [(None, 7), ("key", None)])
def test_a_row_that_could_not_be_read_has_its_number_or_no_id(column: str | None, name: int | None) -> None:
    row = bad_row(7, "it is torn", Columns(id=column))
    assert (row.number, row.id, row.text, row.fields, row.fault) == (7, name, "", {}, "it is torn")


# --- many rows at once


@pytest.mark.parametrize(
    ("texts", "names", "at_once"),
    [
        (["a", "b"], None, True),
        (["a", "é"], None, True),
        (["a", "b"], ["x", 7], True),
        (["a", ""], None, False),
        (["a", " "], None, False),
        (["a", None], None, False),
        (["é", "\ud800"], None, False),
        (["a", "\ud800"], None, False),
        (["a", "b"], ["x", ""], False),
        (["a", "b"], [0, 1], False),
        (["a", "b"], ["x", 1.5], False),
        (["a", "b"], ["x", True], False),
        ([None, "b"], ["x", "y"], False),
    ],
)
def test_only_rows_without_a_doubt_are_made_at_once(texts: list[Any], names: list[Any] | None, at_once: bool) -> None:
    rows = ordinary_rows(5, texts, names)
    assert (rows is not None) == at_once
    if rows is not None:
        assert [(row.number, row.id, row.text) for row in rows] == list(
            zip((5, 6), names or (5, 6), texts, strict=True)
        )
