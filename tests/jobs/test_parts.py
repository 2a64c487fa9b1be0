"""Parts of a job with tests apart: ranges, chunks, journals."""

from __future__ import annotations

import codecs
from io import BytesIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from aembed import ModelSpec
from aembed.jobs import JobChangedError
from aembed.jobs.chunks import CHUNK_BYTES, CHUNK_ROWS, SORTED_TEXTS, SORTED_TOKENS, USUAL_BATCH_TEXTS, Cutter, RowChunk
from aembed.jobs.columns import Columns
from aembed.jobs.directory import JobDirectory
from aembed.jobs.journal import Header, JobTotals, Journal, JournalEntry, Reject
from aembed.jobs.ranges import Ranges
from aembed.jobs.readers import lines
from aembed.jobs.readers.jsonl import read_jsonl, read_whole_jsonl
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Row, make_row, make_rows

HEADER = Header(1, 10, 4, "fingerprint", {"model": "a:b", "text_column": "text"})


# --- ranges


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8))))
def test_ranges_are_a_set_of_numbers(given_ranges: list[tuple[int, int]]) -> None:
    """An overlapping range is rejected as a whole; touching ranges become one."""
    ranges, numbers = Ranges(), set[int]()
    for start, length in given_ranges:
        wanted = set(range(start, start + length))
        assert ranges.add(start, start + length) == numbers.isdisjoint(wanted)
        if numbers.isdisjoint(wanted):
            numbers |= wanted
    assert ranges.total == len(numbers)
    for start in (0, 7, 30):
        assert [i for gap in ranges.gaps(start, 60) for i in gap] == [i for i in range(start, 60) if i not in numbers]
    pieces = list(ranges)
    assert all(stop < start for (_, stop), (start, _) in pairwise(pieces))


# --- chunks


def cut(spec: ModelSpec, rows: list[tuple[int, Row]], dim: int | None = None) -> list[RowChunk]:
    cutter = Cutter(spec, dim)
    one_by_one = [chunk for index, row in rows for chunk in cutter.add(index, [row])] + cutter.flush()
    chunks: list[RowChunk] = []
    for _, each in groupby(enumerate(rows), lambda at: at[1][0] - at[0]):
        run = [pair for _, pair in each]
        chunks += cutter.add(run[0][0], [row for _, row in run])
    chunks += cutter.flush()
    assert chunks == one_by_one
    return chunks


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 60))),
    st.one_of(st.none(), st.integers(1, 6)),
    st.one_of(st.none(), st.integers(1, 40)),
    st.booleans(),
    st.sampled_from([None, 8, 2**16, 2**18, 2**20]),
)
def test_chunks_hold_every_row_once_within_the_caps(
    steps: list[tuple[int, bool, int]], texts: int | None, tokens: int | None, pads: bool, dim: int | None
) -> None:
    spec = ModelSpec(name="m", max_batch_texts=texts, max_batch_tokens=tokens, pads=pads)
    rows, index = [], 0
    for gap, faulty, length in steps:
        index += gap
        rows.append((index, Row(index, index, "" if faulty else "x" * length, {}, "bad" if faulty else "")))
        index += 1
    chunks = cut(spec, rows, dim)
    assert [i for chunk in chunks for i in range(chunk.start, chunk.stop)] == [i for i, _ in rows]
    good = [(i, row.text) for i, row in rows if not row.fault]
    assert [pair for chunk in chunks for pair in zip(chunk.indices, chunk.texts, strict=True)] == good
    for chunk in chunks:
        assert len(chunk.texts) <= (max(SORTED_TEXTS, texts or 0) if pads else texts or USUAL_BATCH_TEXTS)
        size = (chunk.stop - chunk.start) * 4 * (dim or 0) + 4 * sum(map(len, chunk.texts))
        assert chunk.size == size
        assert size <= CHUNK_BYTES or chunk.stop - chunk.start == 1, "rows without a text have vectors, too"
        if pads and len(chunk.texts) > 1:
            assert sum(len(text) // 4 + 1 for text in chunk.texts) <= max(SORTED_TOKENS, tokens or 0)
        if tokens is not None and not pads and len(chunk.texts) > 1:
            assert sum(len(text) // 4 + 1 for text in chunk.texts) <= tokens


def test_rows_without_a_text_do_not_fill_a_chunk_without_end() -> None:
    rows = [(i, Row(i, i, "", {}, "bad")) for i in range(CHUNK_ROWS + 1)]
    assert [(chunk.start, chunk.stop) for chunk in cut(ModelSpec(name="m"), rows)] == [
        (0, CHUNK_ROWS),
        (CHUNK_ROWS, CHUNK_ROWS + 1),
    ]


def test_long_texts_of_a_model_that_pads_make_small_chunks() -> None:
    rows = [(i, Row(i, i, "word " * 200, {})) for i in range(2500)]
    chunks = cut(ModelSpec(name="m", pads=True, max_batch_tokens=16_384), rows)
    assert max(chunk.stop - chunk.start for chunk in chunks) == SORTED_TOKENS // 251


# --- lines and rows


@given(st.lists(st.binary(max_size=12)), st.integers(1, 20), st.integers(1, 30))
def test_lines_are_the_same_however_many_are_read_at_a_time(parts: list[bytes], most: int, read: int) -> None:
    data = b"\n".join(parts)
    whole = BytesIO(data.removeprefix(codecs.BOM_UTF8)).readlines()
    wanted = [(number, line if len(line) <= most else b"") for number, line in enumerate(whole, 1)]
    with patch.object(lines, "READ_BYTES", read):
        found = list(lines.read_lines(BytesIO(data), most))
    assert [(line.number, line.content) for line in found] == wanted
    assert [bool(line.fault) for line in found] == [not content for _, content in wanted]


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from([" ", "\ud800", [None]]))


@given(st.lists(st.dictionaries(st.sampled_from(["text", "id"]), VALUES)), st.sampled_from([None, "id"]))
def test_rows_made_at_once_are_those_made_one_by_one(records: list[dict[str, Any]], name: str | None) -> None:
    columns = Columns(id=name)
    one_by_one = [make_row(number, record, columns) for number, record in enumerate(records, 5)]
    assert make_rows(5, records, columns) == one_by_one


ODD = [
    b"NaN",
    b"-1e400",
    b"1" * 5000,
    b'"\\ud800"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"01",
    b"[1",
    b"",
    b'"\x00"',
    b"null",
    b"1.0",
]
FIELD = st.sampled_from(ODD) | st.sampled_from([b'"a"', b'"\xc3\xa9"', b"7"])
NAME = st.sampled_from([b"text", b"id", b"te\\u0078t", b"other", b"\xff", b"\\ud800"])
LINE = st.one_of(
    st.sampled_from([b"", b" ", b"[]", b"{}", b"{}{}", b'{"text": "a"} x']),
    st.lists(st.tuples(NAME, FIELD)).map(lambda some: b"{%s}" % b",".join(b'"%s":%s' % field for field in some)),
)


@given(st.lists(LINE), st.sampled_from([None, "id", "text", 'i"d']))
def test_rows_are_the_same_without_the_fields_that_are_not_used(parts: list[bytes], name: str | None) -> None:
    data, columns = b"\n".join(parts), Columns(id=name)
    narrow, whole = (list(read("in", BytesIO(data), Reading(), columns)) for read in (read_jsonl, read_whole_jsonl))
    assert [(block.start, block.blank) for block in narrow] == [(block.start, block.blank) for block in whole]
    for one, other in zip(narrow, whole, strict=True):
        assert [(row.number, row.id, row.text, row.fault) for row in one.rows] == [
            (row.number, row.id, row.text, row.fault) for row in other.rows
        ]


# --- journals


@pytest.fixture
def journal() -> Any:
    Path("v.npy.job").mkdir()
    journal = Journal(JobDirectory(Path("v.npy.job"), None))
    yield journal
    journal.close()


def test_journal_returns_the_entries_written(journal: Journal) -> None:
    assert journal.begin(HEADER) is False
    entries = [
        JournalEntry(0, 4, "a" * 16, 12, 1),
        JournalEntry(4, 6, "b" * 16, None, 2, 1, [Reject(5, "BadTextError", "rejected: ä")]),
        JournalEntry(6, 10, "c" * 16),
    ]
    for entry in entries:
        assert journal.entry_at(journal.append(entry)) == entry
    assert journal.begin(HEADER) is True
    assert [entry for _, entry in journal.entries()] == entries
    assert journal.totals() is None
    totals = JobTotals(1, None, 3, 1)
    journal.append(totals)
    assert journal.totals() == totals
    assert [entry for _, entry in journal.entries()] == entries
    journal.sync()
    journal.clear()
    assert journal.is_empty


def test_journal_of_another_version(journal: Journal) -> None:
    journal.begin(Header(2, 10, 4, "fingerprint", {}))
    journal.append(JournalEntry(0, 4, "a" * 16))
    with pytest.raises(JobChangedError, match=r"version 2, and this aembed writes 1; .* delete .*v\.npy\.job"):
        journal.begin(HEADER)


def test_journal_without_a_head_but_with_entries_is_not_thrown_away(journal: Journal) -> None:
    journal.append(JournalEntry(0, 4, "a" * 16))
    with pytest.raises(JobChangedError, match=r"the head of .* is damaged"):
        journal.begin(HEADER)
    assert not journal.is_empty


def test_journal_torn_in_its_head_begins_again(journal: Journal) -> None:
    Path("v.npy.job/journal").write_bytes(b"0123456789abcdef {torn")
    assert journal.begin(HEADER) is False
    assert journal.header() == HEADER


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"start": ' + b"1" * 5000 + b"}", b'{"start": "\xff"}'])
def test_lines_that_no_journal_has(journal: Journal, body: bytes) -> None:
    """Each with its checksum: intended."""
    journal.begin(HEADER)
    journal.append(JournalEntry(0, 4, "a" * 16))
    with Path("v.npy.job/journal").open("ab") as file:
        file.write(xxh3_64_hexdigest(body).encode() + b" " + body + b"\n")
    assert journal.begin(HEADER) is True
    assert [entry.start for _, entry in journal.entries()] == [0]
    assert journal.totals() is None


def test_journal_with_nothing_done_is_nobodys(journal: Journal) -> None:
    journal.begin(Header(1, 99, 9, "another", {}))
    assert journal.begin(HEADER) is False
    assert journal.header() == HEADER


def test_failed_write_leaves_the_journal_as_it_was(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    from aembed.jobs import journal as module

    journal.begin(HEADER)
    before = Path("v.npy.job/journal").read_bytes()

    def half(file: Any, data: bytes) -> None:
        file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_all", half)
    with pytest.raises(OSError, match="No space"):
        journal.append(JournalEntry(0, 4, "a" * 16))
    assert Path("v.npy.job/journal").read_bytes() == before


# --- files of a job


def test_every_part_of_a_job_is_known_as_one() -> None:
    from aembed.jobs.assembly import part
    from aembed.jobs.paths import EARLIER, JOURNAL, KEYS, REJECTS, VECTORS, is_part

    names = [
        JOURNAL,
        VECTORS,
        EARLIER,
        "record-0",
        "output-12",
        *(part(name, n) for name in (KEYS, REJECTS) for n in range(3)),
    ]
    assert [name for name in names if not is_part(name)] == []
    assert not is_part("notes.txt")
