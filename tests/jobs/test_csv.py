"""Real-world CSV and TSV: any kind of broken row costs one row."""

from __future__ import annotations

import io
import json
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.jobs.readers import records
from aembed.jobs.readers.records import FieldsRead, read_records, syntax_of
from aembed.jobs.reading import Reading
from tests.jobs.test_inputs import Seen, read


def texts(rows: Seen) -> list[str]:
    return [row[2] for row in rows]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ('"a"b,x', "line 3: ',' expected after '\"'; is a quote not closed?"),
        ('"never closed,x', "line 3: "),
        ("zero\0,x", "line 3 has a zero byte at position 4"),
    ],
)
def test_broken_row_is_rejected_with_its_line_and_no_other(broken: str, words: str) -> None:
    Path("r.csv").write_text(f'text,n\none,1\n{broken}\ntwo,2\n"three\nlines",3\n"four",4\n')
    rows, _ = read("r.csv")
    assert rows[1][2].startswith(words)
    assert texts(rows)[:1] + texts(rows)[2:] == ["one", "two", "three\nlines", "four"]


def test_quote_that_is_never_closed_costs_one_row() -> None:
    Path("r.csv").write_text('text,n\n"never closed,1\n' + "".join(f"row {i},{i}\n" for i in range(2000)))
    rows, _ = read("r.csv", max_row_bytes=5000)
    assert rows[0][2].startswith("line 2: the record is longer than 5,000 bytes")
    assert texts(rows)[1:] == [f"row {i}" for i in range(2000)]
    rows, _ = read("r.csv")
    assert rows[0][2].startswith("line 2: unexpected end of data")
    assert len(rows) == 2001


def test_wrong_byte_is_rejected_with_its_line() -> None:
    Path("r.csv").write_bytes(b"text,n\none,1\ncaf\xe9,2\nthree,3\n")
    rows, _ = read("r.csv")
    assert texts(rows) == ["one", "line 3 is not UTF-8: byte 0xe9 at position 3; give its encoding", "three"]
    assert texts(read("r.csv", encoding="cp1252")[0]) == ["one", "café", "three"]


def test_cell_of_a_megabyte_is_read() -> None:
    long = "x" * 1_000_000
    Path("r.csv").write_text(f'text,n\n"{long}",1\ntwo,2\n')
    assert texts(read("r.csv")[0]) == [long, "two"]
    rows, _ = read("r.csv", max_row_bytes=999_999)
    assert texts(rows) == ["line 2 is longer than 999,999 bytes", "two"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('"alone\t1', '"alone'),
        ('5" disk\t1', '5" disk'),
        ('alone"\t1', 'alone"'),
        ('"both"\t1', "both"),
        ('"a ""word"""\t1', 'a "word"'),
    ],
)
def test_lone_quote_in_tsv_is_text(line: str, text: str) -> None:
    Path("r.tsv").write_text(f'text\tn\n{line}\nnext"\t2\n"two\nlines"\t3\n')
    assert texts(read("r.tsv")[0]) == [text, 'next"', "two\nlines"]


def test_two_lone_quotes_in_tsv_do_not_swallow_the_rows_between() -> None:
    Path("r.tsv").write_text('n\ttext\n1\t"begins\n2\tends"\n3\tthree\n')
    assert texts(read("r.tsv")[0]) == ['"begins', 'ends"', "three"]


def test_delimiter_and_quoting() -> None:
    Path("r.csv").write_text('text;n\n"one;1\n')
    assert texts(read("r.csv", delimiter=";", quoting="none")[0]) == ['"one']
    Path("r.tsv").write_text('text\tn\n"one\ttab"\t1\n')
    assert texts(read("r.tsv", quoting="minimal")[0]) == ["one\ttab"]


def test_delimiter_behind_the_last_cell_is_no_column() -> None:
    Path("r.csv").write_text("text,n\none,1,\ntwo,2,,\nthree,3,x\n")
    assert texts(read("r.csv")[0]) == ["one", "two", "the record has 3 fields, and the header 2"]


PIECES = [
    b"a",
    b"\xc3\xa9",
    b",",
    b"\n",
    b"\r\n",
    b'"',
    b'""',
    b"\t",
    b"\0",
    b"\xff",
    b"long text",
    b',"quoted",',
    b"\n\n",
]


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=60),
    name=st.sampled_from(["r.csv", "r.tsv"]),
    most=st.sampled_from([12, 40, 2**24]),
    size=st.sampled_from([1, 7, 30]),
)
def test_rows_do_not_depend_on_the_parts_a_file_is_read_in(
    pieces: list[bytes], name: str, most: int, size: int
) -> None:
    content, reading = b"".join(pieces), Reading(max_row_bytes=most)
    syntax = syntax_of(name, reading)

    def found(part_bytes: int) -> list[FieldsRead]:
        with mock.patch.object(records, "PART_BYTES", part_bytes):
            return list(read_records(io.BytesIO(content), syntax, reading))

    whole = found(2**16)
    assert found(size) == whole


def test_readings_agree_where_a_record_is_read_again() -> None:
    Path("r.csv").write_text("text\n" + "".join(json.dumps(f"{i}")[: 2 + i % 3] + "\n" for i in range(300)))
    first, _ = read("r.csv")
    assert read("r.csv")[0] == first
