"""Options of reading: which are accepted, and which of them belong to the settings of a job."""

from __future__ import annotations

from typing import Any

import pytest

from aembed.jobs import JobInputError
from aembed.jobs.reading import MAX_ROW_BYTES, Reading


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 1},
        {"max_row_bytes": 1},
        {"shard": (1, 1)},
        {"shard": (1, 2)},
        {"shard": (2, 2)},
        {"delimiter": "|"},
        {"quoting": "none"},
        {"quoting": "minimal"},
        {"encoding": "cp1252"},
        {"text": "{a}"},
        {"text_column": "a"},
        *({"input_format": name} for name in ("text", "jsonl", "csv", "parquet")),
    ],
)
def test_options_that_are_accepted(options: Any) -> None:
    Reading(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": 0}, "limit=0: give at least 1, or leave it out for all rows"),
        ({"max_row_bytes": 0}, "max_row_bytes=0: give at least 1"),
        ({"shard": (0, 2)}, "shard=0/2: give a number from 1 to the number of shards"),
        ({"shard": (3, 2)}, "shard=3/2: give a number from 1 to the number of shards"),
        ({"shard": (0, 0)}, "shard=0/0: give a number from 1 to the number of shards"),
        ({"delimiter": ""}, "delimiter='' is not one character; give one, such as ';'"),
        ({"delimiter": ";;"}, "delimiter=';;' is not one character; give one, such as ';'"),
        ({"delimiter": '"'}, "delimiter='\"' is not one character; give one, such as ';'"),
        ({"delimiter": "\n"}, "delimiter='\\n' is not one character; give one, such as ';'"),
        ({"delimiter": "\r"}, "delimiter='\\r' is not one character; give one, such as ';'"),
        ({"quoting": ""}, "quoting='' is not known; known are: minimal, none"),
        ({"encoding": ""}, "encoding='' is not known; give one that Python has, such as cp1252"),
        ({"encoding": "a\0b"}, "encoding='a\\x00b' is not known; give one that Python has, such as cp1252"),
        ({"input_format": ""}, "input format '' is not known; known are: text, jsonl, csv, parquet"),
        ({"text": "abc"}, "text='abc' names no column; put names in braces, as in '{title}'"),
        ({"text": "{a}", "text_column": ""}, "text and text_column are both given; leave one out"),
    ],
)
def test_options_that_are_rejected(options: Any, words: str) -> None:
    with pytest.raises(JobInputError) as caught:
        Reading(**options)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {}),
        ({"max_row_bytes": MAX_ROW_BYTES}, {}),
        ({"max_row_bytes": MAX_ROW_BYTES - 1}, {"max_row_bytes": MAX_ROW_BYTES - 1}),
        ({"input_format": "csv"}, {}),
        ({"in_pieces": True}, {"overlong": "rows"}),
        ({"shard": (3, 8)}, {"shard": "3/8"}),
        ({"limit": 5, "encoding": "cp1252"}, {"limit": 5, "encoding": "cp1252"}),
        ({"text": "{a}", "id_column": "b"}, {"text": "{a}", "id_column": "b"}),
        ({"text_column": "a", "delimiter": ";"}, {"text_column": "a", "delimiter": ";"}),
        ({"quoting": "none"}, {"quoting": "none"}),
    ],
)
def test_settings_are_what_decides_rows_and_texts(options: Any, settings: dict[str, Any]) -> None:
    assert Reading(**options).settings() == settings


def test_a_row_has_up_to_sixteen_mebibytes() -> None:
    assert Reading().max_row_bytes == 2**24
