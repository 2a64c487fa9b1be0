"""Splitting a reply: vectors and skeleton together are the reply, and strings are never mistaken for vectors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._wire import split_vectors
from aembed._wire.split_vectors import STRINGS_PER_YIELD, Split, find_numbers, split_numbers, split_strings

KEY = b'"embedding"'


def taken(body: bytes, found: Split) -> list[bytes]:
    return [body[start:end] for start, end in found.spans]


def test_strings_of_a_key() -> None:
    body = b'{"data": [{"embedding": "AAAA"}, {"index": 1, "embedding" : "BBBB"}]}'
    found = split_strings(body, KEY)
    assert taken(body, found) == [b"AAAA", b"BBBB"]
    assert found.skeleton == b'{"data": [{"embedding": ""}, {"index": 1, "embedding" : ""}]}'


def test_strings_in_the_array_of_a_key() -> None:
    body = b'{"embedding" : [ "AAAA" , "BBBB","" ], "texts": ["x"]}'
    found = split_strings(body, KEY)
    assert taken(body, found) == [b"AAAA", b"BBBB", b""]
    assert found.skeleton == b'{"embedding" : [ "" , "","" ], "texts": ["x"]}'


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
def test_other_strings_than_the_keys_stay(body: bytes) -> None:
    assert split_strings(body, KEY) == Split(body, [])


def test_innermost_arrays_of_numbers() -> None:
    body = b"[[ 1.5, -2], [\n-3e5,4 ], []]"
    found = split_numbers(body)
    assert taken(body, found) == [b" 1.5, -2", b"\n-3e5,4 "]
    assert found.skeleton == b"[[0], [1], []]"


@pytest.mark.parametrize(
    ("body", "vectors", "skeleton"),
    [
        (b"[1.5, -2]", [b"1.5, -2"], b"[0]"),
        (b"[null, [1, 2], [3]]", [b"1, 2", b"3"], b"[null, [0], [1]]"),
        (b"[null, 2]", [b"null, 2"], b"[0]"),
        (b"[", [], b"["),
        (b"[[1, 2", [], b"[[1, 2"),
        (b"[1, 2], [3", [b"1, 2"], b"[0], [3"),
    ],
)
def test_arrays_at_the_ends(body: bytes, vectors: list[bytes], skeleton: bytes) -> None:
    found = split_numbers(body)
    assert taken(body, found) == vectors
    assert found.skeleton == skeleton


def test_text_like_numbers_within_a_string_stays() -> None:
    texts = ["see [1] and [2, 3]", 'a quote " and [4]', "a backslash \\", '\\" [5]', "[6]", '"', "\\"]
    body = json.dumps({"texts": texts, "embeddings": {"float": [[1.5, 2.5], [3.5]]}, "more": texts}).encode()
    found = split_numbers(body)
    assert taken(body, found) == [b"1.5, 2.5", b"3.5"]
    assert json.loads(found.skeleton) == {"texts": texts, "embeddings": {"float": [[0], [1]]}, "more": texts}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text() | st.just("embedding"), children),
    max_leaves=20,
)
spacing = st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", "\t:\r\n ")])


def put_back(cut: Split, whole: bytes | bytearray, mark: bytes) -> bytes:
    """The skeleton with the vectors back in their places."""
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
    strings = split_strings(body, KEY)
    assert put_back(strings, body, b"") == body
    numbers = split_numbers(strings.skeleton)
    assert put_back(numbers, strings.skeleton, b"%d") == strings.skeleton


@given(st.binary() | st.text(alphabet='[]{}",:\\ 0-1nembedding').map(str.encode))
def test_any_bytes_are_cut_without_an_error(body: bytes) -> None:
    strings = split_strings(bytearray(body), KEY)
    assert put_back(strings, body, b"") == body
    numbers = split_numbers(strings.skeleton)
    assert put_back(numbers, strings.skeleton, b"%d") == strings.skeleton


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("count", [1, STRINGS_PER_YIELD, 2 * STRINGS_PER_YIELD + 1])
def test_usual_replies_go_the_straight_way(
    separators: tuple[str, str], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's items hold the word as a value too: ``"object": "embedding"``."""
    monkeypatch.setattr(split_vectors, "_split_values", lambda *_: pytest.fail("taken for an unusual one"))
    items = [{"object": "embedding", "index": index, "embedding": "AAAA"} for index in range(count)]
    body = json.dumps({"object": "list", "data": items}, separators=separators).encode()
    pauses: list[None] = []
    found = split_strings(body, KEY, lambda: pauses.append(None))
    assert taken(body, found) == [b"AAAA"] * count
    assert len(pauses) == count // STRINGS_PER_YIELD


def test_numbers_and_unusual_replies_pause_after_each_vector() -> None:
    pauses: list[None] = []
    split_numbers(b"[[1],[2],[],[3]]", lambda: pauses.append(None))
    assert len(pauses) == 3
    split_strings(b'{"embedding" :"AAAA","x": {"embedding" :"AAAA"}}', KEY, lambda: pauses.append(None))
    assert len(pauses) == 5


def test_numbers_are_counted_on_from_those_before() -> None:
    found = find_numbers(b' [1]","x": [[1,2],[3]]', 7, quotes=1)
    assert b"".join(found.before) == b' [1]","x": [[7],[8'
    assert [b' [1]","x": [[1,2],[3]]'[start:end] for start, end in found.spans] == [b"1,2", b"3"]
