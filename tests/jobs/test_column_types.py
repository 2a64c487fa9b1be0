"""The type of a column in Parquet: the one that holds all of its values as they are."""

from __future__ import annotations

from typing import Any

import pytest

from aembed.jobs import JobInputError
from aembed.jobs.column_types import ColumnTypes
from aembed.jobs.json_values import JsonNumber, JsonText
from aembed.jobs.rows import Row, RowBlock


def seen(*blocks: list[dict[str, Any]]) -> ColumnTypes:
    types = ColumnTypes()
    for block in blocks:
        types.add(RowBlock(0, [Row(1, 1, "text", fields) for fields in block]))
    return types


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None], "str"),
        ([1, 2], "int"),
        ([1, None], "int"),
        ([1, 2.5], "float"),
        ([2.5, None], "float"),
        ([2**53, 0.5], "float"),
        ([-(2**53), 0.5], "float"),
        ([2**53 + 1, 0.5], "json"),
        ([-(2**53) - 1, 0.5], "json"),
        ([2**53 + 1], "int"),
        ([1, 2**63 - 1], "int"),
        ([-(2**63), 1], "int"),
        ([2**63], "json"),
        ([-(2**63) - 1], "json"),
        ([2**63, -1], "json"),
        ([-(2**63) - 1, 1], "json"),
        ([True, False], "bool"),
        ([True, 1], "json"),
        (["a", "b"], "str"),
        (["a", 1], "json"),
        ([[1], [2]], "json"),
        ([{"a": 1}], "json"),
        ([JsonNumber("1e400"), 1.5], "float"),
        ([JsonText("\ud800"), "a"], "str"),
    ],
)
def test_a_column_has_the_type_that_holds_every_value(values: list[Any], kind: str) -> None:
    assert seen([{"c": value} for value in values]).column("c") == kind
    assert seen(*([{"c": value}] for value in values)).column("c") == kind, "however they come"


def test_a_column_of_which_nothing_is_known_is_text() -> None:
    assert seen([]).column("c") == "str"


@pytest.mark.parametrize("records", [[{"a": 1}, {"b": "x"}], [{"a": 1}, {"a": 2, "b": "x"}], [{"b": "x", "a": 1}, {}]])
def test_rows_may_have_different_fields(records: list[dict[str, Any]]) -> None:
    types = seen(records)
    assert (types.column("a"), types.column("b")) == ("int", "str")


def test_columns_keep_the_order_in_which_they_were_seen() -> None:
    assert list(seen([{"b": 1}, {"a": 1}], [{"c": 1, "b": 2}]).seen) == ["b", "a", "c"]


@pytest.mark.parametrize("in_blocks", [False, True])
def test_two_thousand_columns_are_the_most(in_blocks: bool) -> None:
    def types(count: int) -> ColumnTypes:
        records = [{f"c{number}": 1} for number in range(count)]
        return seen(*([each] for each in records)) if in_blocks else seen(records)

    assert len(types(2000).seen) == 2000
    with pytest.raises(JobInputError, match=r"^the rows have more than 2000 different fields; write JSONL instead"):
        types(2001)
