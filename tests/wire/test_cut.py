"""Cutting a reply apart: what is cut out and what remains are together the reply, and strings are never mistaken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._wire.cut import Cut, cut_numbers, cut_strings

KEY = b'"embedding"'


def taken(body: bytes, cut: Cut) -> list[bytes]:
    return [body[start:end] for start, end in cut.spans]


def test_strings_of_a_key() -> None:
    body = b'{"data": [{"embedding": "AAAA"}, {"index": 1, "embedding" : "BBBB"}]}'
    cut = cut_strings(body, KEY)
    assert taken(body, cut) == [b"AAAA", b"BBBB"]
    assert cut.skeleton == b'{"data": [{"embedding": ""}, {"index": 1, "embedding" : ""}]}'


def test_strings_in_the_array_of_a_key() -> None:
    body = b'{"embedding" : [ "AAAA" , "BBBB","" ], "texts": ["x"]}'
    cut = cut_strings(body, KEY)
    assert taken(body, cut) == [b"AAAA", b"BBBB", b""]
    assert cut.skeleton == b'{"embedding" : [ "" , "","" ], "texts": ["x"]}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"object": "embedding", "index": 0}',
        b'{"embedding": [1.0, 2.0]}',
        b'{"embedding": null}',
        b'{"text": "an \\"embedding\\": \\"AAAA\\" in a text"}',
        b'{"embeddings": "AAAA"}',
        b'{"embedding"',
        b'{"embedding":',
        b'{"embedding": "AAAA',
        b'{"embedding": [',
        b"",
    ],
)
def test_what_is_no_string_of_the_key_stays(body: bytes) -> None:
    assert cut_strings(body, KEY) == Cut(body, [])


def test_innermost_arrays_of_numbers() -> None:
    body = b"[[ 1.5, -2], [\n-3e5,4 ], []]"
    cut = cut_numbers(body)
    assert taken(body, cut) == [b" 1.5, -2", b"\n-3e5,4 "]
    assert cut.skeleton == b"[[0], [1], []]"


def test_what_looks_like_numbers_within_a_string_stays() -> None:
    texts = ["see [1] and [2, 3]", 'a quote " and [4]', "a backslash \\", '\\" [5]', "[6]", '"', "\\"]
    body = json.dumps({"texts": texts, "embeddings": {"float": [[1.5, 2.5], [3.5]]}, "more": texts}).encode()
    cut = cut_numbers(body)
    assert taken(body, cut) == [b"1.5, 2.5", b"3.5"]
    assert json.loads(cut.skeleton) == {"texts": texts, "embeddings": {"float": [[0], [1]]}, "more": texts}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text() | st.just("embedding"), children),
    max_leaves=20,
)
spacing = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t:\r\n ")])


def put_back(cut: Cut, whole: bytes | bytearray, mark: bytes) -> bytes:
    """The skeleton with what was cut out in its places again."""
    out, position, shift = b"", 0, 0
    for k, (start, end) in enumerate(cut.spans):
        width = len(mark % k) if b"%" in mark else 0
        out += cut.skeleton[position : start - shift] + whole[start:end]
        position = start - shift + width
        shift += end - start - width
    return bytes(out + cut.skeleton[position:])


@given(values, spacing, st.booleans())
def test_nothing_is_lost(value: object, separators: tuple[str, str], ascii_only: bool) -> None:
    body = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
    strings = cut_strings(body, KEY)
    assert put_back(strings, body, b"") == body
    numbers = cut_numbers(strings.skeleton)
    assert put_back(numbers, strings.skeleton, b"%d") == strings.skeleton


@given(st.binary() | st.text(alphabet='[]{}",:\\ 0-1nembedding').map(str.encode))
def test_any_bytes_are_cut_without_an_error(body: bytes) -> None:
    strings = cut_strings(bytearray(body), KEY)
    assert put_back(strings, body, b"") == body
    numbers = cut_numbers(strings.skeleton)
    assert put_back(numbers, strings.skeleton, b"%d") == strings.skeleton
