"""An open input: its rows of one shard, its fingerprint, and a file that grows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from aembed.jobs import JobInputError
from aembed.jobs.reading import Reading
from aembed.jobs.source import JobSource, open_source


def write(name: str, *texts: str) -> str:
    Path(name).write_text("".join(f"{text}\n" for text in texts))
    return name


def texts(source: JobSource) -> list[str]:
    return [row.text for block in source.blocks() for row in block.rows]


async def fingerprint(given: Any, **options: Any) -> str:
    async with open_source(given, Reading(**options)) as source:
        return list(source.fingerprint())[-1]


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0, 1100), (0, 1100)), ((0, 1), (0, 1)), ((511, 513), (511, 513)), ((512, 1024), (512, 1024)), ((7, 7), (0, 0))],
)
async def test_the_rows_of_a_shard_begin_at_its_start(span: tuple[int, int], expected: tuple[int, int]) -> None:
    async with open_source(write("t.txt", *map(str, range(1100))), Reading()) as source:
        source.span = span
        assert texts(source) == [str(number) for number in range(*expected)]
        at = 0
        for block in source.blocks():
            assert block.start == at
            at += len(block.rows)
        assert len([row for block in source.all_blocks() for row in block.rows]) == 1100


@pytest.mark.parametrize("limit", [1, 511, 512, 513, 600, 601, 5000])
async def test_a_limit_is_of_all_files_together(limit: int) -> None:
    given = [write("a.txt", *map(str, range(600))), write("b.txt", *map(str, range(600, 700)))]
    async with open_source(given, Reading(limit=limit)) as source:
        assert texts(source) == [str(number) for number in range(min(limit, 700))]
        assert [row.id for block in source.blocks() for row in block.rows] == list(range(1, min(limit, 700) + 1))


async def test_rows_of_several_files_name_theirs() -> None:
    given = [write("a.txt", "one", "two"), write("b.txt", "three")]
    async with open_source(given, Reading()) as source:
        assert source.name == "a.txt and 1 more"
        found = [(block.file, row.number, row.id) for block in source.blocks() for row in block.rows]
    assert found == [("a.txt", 1, 1), ("a.txt", 2, 2), ("b.txt", 1, 3)]
    async with open_source("b.txt", Reading()) as source:
        assert (source.name, [block.file for block in source.blocks()]) == ("b.txt", [""])


async def test_ids_of_several_files_are_their_own() -> None:
    given = [write("a.jsonl", '{"text": "one", "key": "x"}'), write("b.jsonl", '{"text": "two", "key": "y"}')]
    async with open_source(given, Reading(id_column="key")) as source:
        assert [row.id for block in source.blocks() for row in block.rows] == ["x", "y"]


# --- the fingerprint


async def test_a_fingerprint_changes_with_any_byte() -> None:
    one = await fingerprint(write("a.txt", "one", "two"))
    assert one == await fingerprint(write("b.txt", "one", "two"))
    assert one != await fingerprint(write("a.txt", "one", "twO"))
    both = await fingerprint([write("a.txt", "one"), write("b.txt", "two")])
    assert both != await fingerprint(["b.txt", "a.txt"])


async def test_with_a_limit_it_is_of_the_rows_that_are_read() -> None:
    one = await fingerprint(write("a.txt", "one", "two", "three"), limit=2)
    assert one == await fingerprint(write("a.txt", "one", "two", "other"), limit=2)
    assert one != await fingerprint(write("a.txt", "one", "twO", "three"), limit=2)
    assert one != await fingerprint(write("a.txt", "one", "two"))


# --- files that grow


async def test_a_file_that_has_grown_is_read_as_far_as_before() -> None:
    async with open_source(write("t.txt", "one", "two"), Reading()) as source:
        before = source.identity(list(source.fingerprint())[-1])
    assert before.endswith(":8")
    for content, expected in (
        (["one", "two", "three"], ["one", "two"]),
        (["one", "twO", "three"], ["one", "twO", "three"]),
        (["one", "two"], ["one", "two"]),
    ):
        async with open_source(write("t.txt", *content), Reading()) as source:
            list(source.shorten(before))
            assert texts(source) == expected
            assert source.has_grown() == (len(content) > len(expected))


@pytest.mark.parametrize("identity", ["", "f", "f:", "f:99"])
async def test_what_names_no_smaller_size_shortens_nothing(identity: str) -> None:
    async with open_source(write("t.txt", "one", "two"), Reading()) as source:
        list(source.shorten(identity))
        assert texts(source) == ["one", "two"]


async def test_several_files_and_a_limit_have_no_size() -> None:
    given = [write("a.txt", "one"), write("b.txt", "two")]
    async with open_source(given, Reading()) as source:
        assert source.identity("f") == "f"
    async with open_source("a.txt", Reading(limit=1)) as source:
        assert source.identity("f") == "f"
    async with open_source("a.txt", Reading()) as source:
        assert source.identity("f") == "f:4"


COMPRESSED = next(data for n in range(999) if b"\n" in (data := gzip.compress(b"%d\n" % n, mtime=0))[10:-1])
"""It has the byte of a line end, which is none."""


@pytest.mark.parametrize(
    ("at_first", "then", "options", "torn"),
    [
        (b"one\ntw", b"o\n", {}, True),
        (b"\ntw", b"o\n", {}, True),
        (b"one\n", b"two\n", {}, False),
        (b"one\ntw", b"", {}, False),
        (b"one", b"two\n", {}, False),
        (b"one\ntw", b"o\n", {"encoding": "utf-8"}, False),
        (b"one\n" + b"x" * 50, b"x\n", {"max_row_bytes": 50}, False),
        (b"one\n" + b"x" * 48, b"x\n", {"max_row_bytes": 50}, True),
        (COMPRESSED, gzip.compress(b"two\n", mtime=0), {}, False),
    ],
)
async def test_a_line_that_was_being_written_is_left_out(
    at_first: bytes, then: bytes, options: Any, torn: bool
) -> None:
    Path("t.txt").write_bytes(at_first)
    async with open_source("t.txt", Reading(**options)) as source:
        with Path("t.txt").open("ab") as file:
            file.write(then)
        size = source.files[0].size
        assert source.drop_torn_line() == torn
        assert source.files[0].size == (at_first.rfind(b"\n") + 1 if torn else size)
        assert not source.drop_torn_line(), "what is left ends with its line"
        if torn:
            assert texts(source) == ["one"] * at_first.count(b"one")


# --- formats


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["a.json"], {}, "a.json: JSON is read line by line, one object on each; name it .jsonl if it is that"),
        (
            ["a.txt", "a.jsonl"],
            {},
            "the input has several formats: a.txt is text and a.jsonl is jsonl; give files of one format, or "
            "input_format",
        ),
        (["a.txt"], {"delimiter": ";"}, 'a.txt is read as text; delimiter is for input_format="csv"'),
        (["a.jsonl"], {"quoting": "none"}, 'a.jsonl is read as jsonl; quoting is for input_format="csv"'),
        (
            ["a.jsonl"],
            {"quoting": "none", "delimiter": ";"},
            'a.jsonl is read as jsonl; delimiter is for input_format="csv"',
        ),
    ],
)
async def test_formats_that_do_not_go_together(names: list[str], options: Any, words: str) -> None:
    for name in names:
        write(name, '{"text": "one"}')
    with pytest.raises(JobInputError) as caught:
        async with open_source(names, Reading(**options)):
            pass
    assert str(caught.value) == words


async def test_columns_of_all_files_are_known() -> None:
    Path("a.csv").write_text("text,x\none,1\n")
    Path("b.csv").write_text("y,text\n2,two\n")
    async with open_source(["a.csv", "b.csv"], Reading()) as source:
        assert source.columns.names == ("text", "x", "y")
        assert texts(source) == ["one", "two"]


async def test_any_name_may_be_read_as_a_format() -> None:
    write("notes", '{"text": "one"}')
    async with open_source("notes", Reading(input_format="jsonl")) as source:
        assert (source.format, texts(source)) == ("jsonl", ["one"])
    async with open_source("notes", Reading()) as source:
        assert (source.format, texts(source)) == ("text", ['{"text": "one"}'])
