"""Values of JSON beyond the standard: read, written as they were, and as text."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from aembed.jobs.json_values import JsonNumber, JsonText, as_json, json_text, loads
from aembed.jobs.template import Template

LONG = "9" * 5000


@pytest.mark.parametrize(
    "written",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e999",
        LONG,
        '"a\\ud800"',
        '["\\udfff",{"a":1e400}]',
        '{"a":[NaN,1.5,7,true,null,"é"]}',
    ],
)
def test_values_are_written_as_they_were_read(written: str) -> None:
    assert json_text(loads(written.encode())) == written


@pytest.mark.parametrize("written", ["1.5", "7", "-0.25", '"é"', '"plain"', "[1,[2]]", "{}", "true"])
def test_what_json_has_is_plain(written: str) -> None:
    value = loads(written.encode())
    assert value == msgspec.json.decode(written)
    assert type(value) in {float, int, str, list, dict, bool}


def test_a_number_is_a_number_all_the_same() -> None:
    assert math.isnan(loads(b"NaN"))
    assert loads(b"1e400") == math.inf
    assert isinstance(loads(b"1e400"), JsonNumber)
    assert isinstance(loads(LONG.encode()), JsonNumber)


def test_a_text_is_a_text_all_the_same() -> None:
    text = loads(b'"a\\ud800b"')
    assert isinstance(text, JsonText)
    assert (text, text.escaped()) == ("a\ud800b", "a\\ud800b")


@pytest.mark.parametrize("line", [b"{", b"\xff", b'{"\\ud800": 1}', b"", b"[1,]"])
def test_what_no_reader_takes(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several kinds)
        loads(line)


def test_all_else_is_written_as_text() -> None:
    assert as_json(1 + 2j) == "(1+2j)"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"a": "x", "b": "y"}, "x-y"),
        ({"a": None, "b": 7}, "-7"),
        ({"a": [1, "z"], "b": 1.5}, '[1,"z"]-1.5'),
        ({"a": True}, "true-"),
        ({}, "-"),
    ],
)
def test_the_fields_of_a_template_are_written_as_json(fields: dict[str, Any], text: str) -> None:
    assert Template("{a}-{b}").fill(fields) == text


@pytest.mark.parametrize(
    ("pattern", "fields", "empty"),
    [("{a}{b}", {"a": " "}, True), ("{a}{b}", {"b": 0}, False), ("title: {a}", {}, True), ("{a}", {"a": []}, False)],
)
def test_a_template_of_nothing_is_empty_whatever_stands_around(
    pattern: str, fields: dict[str, Any], empty: bool
) -> None:
    assert Template(pattern).is_empty(fields) == empty


def test_names_of_a_template() -> None:
    assert Template("{b} {a} {{c}} {b}").names == ("b", "a")
    assert Template("{{{a}}}").fill({"a": 1}) == "{1}"
