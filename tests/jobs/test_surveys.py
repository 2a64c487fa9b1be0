"""The first reading of an input: what is counted, and what is said where there is nothing to embed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory
from aembed.jobs import JobInputError
from aembed.jobs.column_types import ColumnTypes
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Row, RowBlock
from aembed.jobs.source import open_source
from aembed.jobs.survey import REPEATED_ID, Survey, take_survey
from tests.jobs.provider import Remembers


async def survey(name: str, *, kinds: bool = False, taken: str | None = None, **options: Any) -> Survey:
    found = Survey()
    async with EmbedderFactory(Config()) as factory, open_source(name, Reading(**options)) as source:
        await take_survey(found, source, await factory.new_embedder(Remembers()), kinds=kinds, taken=taken)
        blocks = [found.judge(block) for block in source.blocks()]
    assert found.faulty == sum(1 for block in blocks for row in block.rows if row.fault)
    assert found.rows == sum(len(block.rows) for block in blocks)
    return found


def write(*rows: dict[str, Any] | str, name: str = "r.jsonl") -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path(name).write_text("".join(f"{line}\n" for line in lines))
    return name


async def test_rows_blank_lines_and_faults_are_counted() -> None:
    source = write({"text": "one"}, "", {"text": ""}, "{", " ", {"text": "two"})
    found = await survey(source)
    assert (found.rows, found.faulty, found.blank, found.embeddable) == (4, 2, 2, 2)
    assert found.numbered
    assert found.unknown_tokens is None


async def test_a_shard_counts_its_own_rows() -> None:
    source = write(*({"text": "" if number % 5 == 0 else f"row {number}"} for number in range(23)))
    parts = [await survey(source, shard=(number, 4)) for number in (1, 2, 3, 4)]
    assert [part.rows for part in parts] == [5, 6, 6, 6]
    assert [part.faulty for part in parts] == [1, 2, 1, 1]
    assert len({part.fingerprint for part in parts}) == 1


@pytest.mark.parametrize(
    ("shard", "repeated"), [((1, 3), [1]), ((2, 3), [0]), ((3, 3), [1]), ((1, 1), [1, 2, 5]), ((1, 2), [1, 2])]
)
async def test_ids_that_repeat_one_of_any_shard(shard: tuple[int, int], repeated: list[int]) -> None:
    source = write(*({"id": name, "text": "one"} for name in ("a", "a", "a", "b", "c", "c")))
    found = await survey(source, id_column="id", shard=shard)
    assert found.repeated.tolist() == repeated


@pytest.mark.parametrize(("names", "fits"), [("aaaabcd", True), ("aaaaabc", False), ("aabb", True), ("aaab", True)])
async def test_at_most_half_of_the_rows_repeat_an_id(names: str, fits: bool) -> None:
    source, repeats = write(*({"id": name, "text": "one"} for name in names)), len(names) - len(set(names))
    if fits:
        assert (await survey(source, id_column="id")).faulty == repeats
        return
    with pytest.raises(JobInputError) as caught:
        await survey(source, id_column="id")
    assert str(caught.value) == (
        "r.jsonl: 4 of 7 rows repeat an id of column 'id'; name a column without repeated values with id_column"
    )


@pytest.mark.parametrize("start", [0, 5])
def test_a_repeated_id_is_a_fault(start: int) -> None:
    found = Survey(repeated=np.array([0, 6, 8, 20], np.int64))
    block = found.judge(RowBlock(start, [Row(n, n, "text", {}) for n in range(4)]))
    assert [row.fault for row in block.rows] == (
        [REPEATED_ID, "", "", ""] if start == 0 else ["", REPEATED_ID, "", REPEATED_ID]
    )
    assert all(bool(row.text) != bool(row.fault) for row in block.rows)


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], {}, "r.jsonl is empty; put one text on each line"),
        (["", " "], {}, "r.jsonl has only blank lines; put one text on each line"),
        (
            [{"body": "x"}],
            {},
            "r.jsonl: no row can be embedded; row 1: there is no 'text'; it has 'body': name one with text_column",
        ),
        (["{"], {}, "r.jsonl: no row can be embedded; row 1: the line is not valid JSON: Input data was truncated"),
        (
            [{"text": ""}, {"text": None}],
            {},
            "r.jsonl: no row can be embedded; row 1: 'text' is empty or blank, and has no meaning to embed",
        ),
        ([{"a": "x"}, {"a": "y"}], {"text": "{a}{b}{c}"}, "r.jsonl: no row has 'b' or 'c'; check the template"),
    ],
)
async def test_an_input_with_nothing_to_embed(rows: list[Any], options: Any, words: str) -> None:
    with pytest.raises(JobInputError) as caught:
        await survey(write(*rows), **options)
    assert str(caught.value) == words


async def test_a_name_of_a_template_may_be_in_one_row_alone() -> None:
    found = await survey(write({"a": "x"}, {"b": "y"}, {"a": "z"}), text="{a}{b}")
    assert found.rows == 3


@pytest.mark.parametrize(
    ("rows", "options", "taken", "clash"),
    [
        ([{"text": "a"}], {}, "vector", False),
        ([{"text": "a"}], {}, "text", True),
        ([{"text": "a"}], {}, "id", True),
        ([{"text": "a", "key": 1}], {"id_column": "key"}, "id", False),
        ([{"text": "a"}, {"text": "b", "vector": 1}], {}, "vector", True),
        ([{"text": "a"}, {"text": "b", "vector": 1}], {}, None, False),
    ],
)
async def test_a_column_of_the_input_cannot_be_that_of_the_vectors(
    rows: list[Any], options: Any, taken: str | None, clash: bool
) -> None:
    if not clash:
        await survey(write(*rows), taken=taken, **options)
        return
    with pytest.raises(JobInputError) as caught:
        await survey(write(*rows), taken=taken, **options)
    assert str(caught.value) == (
        f"r.jsonl has a column '{taken}' already; give vectors another name with vector_column"
    )


async def test_columns_of_a_csv_are_known_by_its_header() -> None:
    source = write("text,vector", "one,1", name="r.csv")
    with pytest.raises(JobInputError, match="has a column 'vector' already"):
        await survey(source, taken="vector")
    assert not (await survey(write("text,id", "one,1", name="i.csv"), taken="vector")).numbered
    assert (await survey(write("text,key", "one,1", name="k.csv"), taken="vector")).numbered
    assert not (await survey("k.csv", taken="vector", id_column="key")).numbered


@pytest.mark.parametrize(
    ("rows", "numbered"), [([{"text": "a"}], True), ([{"text": "a"}, {"text": "b", "id": 1}], False)]
)
async def test_rows_are_numbered_where_none_has_an_id(rows: list[Any], numbered: bool) -> None:
    assert (await survey(write(*rows), taken="vector")).numbered == numbered


async def test_types_of_columns_are_looked_at_if_they_are_asked_for() -> None:
    source = write({"text": "a", "n": 1}, {"text": "b", "n": 2.5})
    assert (await survey(source, kinds=True)).column_types.column("n") == "float"
    assert (await survey(source)).column_types.seen == ColumnTypes().seen


def test_a_survey_that_begins_again_knows_nothing() -> None:
    found = Survey(rows=7, faulty=3, blank=2, fingerprint="f", state=[(1, 2)], numbered=False, unknown_tokens=0.5)
    found.column_types.seen["a"] = {"int"}
    found.reset()
    assert (found.rows, found.faulty, found.blank, found.fingerprint, found.state) == (0, 0, 0, "", [])
    assert (found.numbered, found.unknown_tokens, found.column_types.seen, len(found.repeated)) == (True, None, {}, 0)
