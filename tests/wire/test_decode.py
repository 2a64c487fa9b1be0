"""Decoding replies: every valid one exactly, and of invalid ones nothing but a ReplyError."""

from __future__ import annotations

import base64
import json
import tracemalloc
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire.decode import ROWS_PER_YIELD, Decoded, decode, yield_gil
from aembed._wire.openai_format import OPENAI_REPLY
from aembed._wire.reply_format import token_count


def encoded(row: Vectors) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def written(row: Vectors) -> list[float]:
    return [float(value) for value in row]


def reply(*embeddings: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": embedding} for i, embedding in enumerate(embeddings)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


def decoded(body: bytes, count: int, rows: Vectors | None = None) -> Decoded:
    return decode(body, OPENAI_REPLY, count, rows)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def matrices(draw: st.DrawFn) -> Vectors:
    n, dim = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    return np.array(draw(st.lists(floats, min_size=n * dim, max_size=n * dim)), np.float32).reshape(n, dim)


@given(matrices(), st.data())
def test_every_way_to_write_a_reply_gives_the_same_vectors(vectors: Vectors, data: st.DataObject) -> None:
    items = [
        {"object": "embedding", "index": i, "embedding": (encoded if data.draw(st.booleans()) else written)(row)}
        for i, row in enumerate(vectors)
    ]
    items = data.draw(st.permutations(items))
    items = [dict(data.draw(st.permutations(list(item.items())))) for item in items]
    extra = data.draw(
        st.dictionaries(st.sampled_from(["model", "id", "note"]), st.text() | st.just('"embedding": "A"'))
    )
    whole = {"data": items, "usage": {"total_tokens": 7}, **extra}
    separators = data.draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " :\t")]))
    body = json.dumps(whole, separators=separators, ensure_ascii=data.draw(st.booleans())).encode()
    rows = np.empty_like(vectors) if data.draw(st.booleans()) else None
    result = decoded(body, len(vectors), rows)
    np.testing.assert_array_equal(result.vectors, vectors)
    assert result.tokens == 7
    assert rows is None or result.vectors is rows


@given(matrices(), st.data())
def test_a_reply_cut_short_is_never_accepted(vectors: Vectors, data: st.DataObject) -> None:
    body = reply(*map(data.draw(st.sampled_from([encoded, written])), vectors))
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ReplyError):
        decoded(body[:cut], len(vectors))


@given(matrices(), st.data())
def test_a_damaged_byte_is_rejected_or_leaves_a_reply_of_the_right_shape(vectors: Vectors, data: st.DataObject) -> None:
    body = bytearray(reply(*map(data.draw(st.sampled_from([encoded, written])), vectors)))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = decoded(bytes(body), len(vectors), np.empty_like(vectors))
    except ReplyError:
        return
    assert result.vectors.shape == vectors.shape


@given(st.binary(), st.integers(1, 3))
def test_garbage_is_rejected(body: bytes, count: int) -> None:
    with pytest.raises(ReplyError):
        decoded(body, count)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=6,
)


@given(json_values, json_values, json_values)
def test_a_wrong_value_anywhere_is_rejected_and_nothing_else(index: object, embedding: object, usage: object) -> None:
    item = {"index": index, "embedding": embedding}
    body = json.dumps({"data": [item], "usage": usage}).encode()
    try:
        result = decoded(body, 1)
    except ReplyError:
        return
    assert index in {0, None}
    assert result.vectors.shape[0] == 1
    assert isinstance(embedding, (list, str))
    if isinstance(embedding, list):
        np.testing.assert_array_equal(result.vectors[0], np.array(embedding, np.float64).astype(np.float32))


ROW = np.array([1.0, 2.0], np.float32)
TWO = encoded(ROW)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reply(TWO), "1 vectors for 2 texts"),
        (reply(TWO, TWO, TWO), "3 vectors for 2 texts"),
        (b'{"data": []}', "0 vectors"),
        (b'{"data": [{"index": 1, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2]}]}', "an index is missing"),
        (b'{"data": [{"index": 1, "embedding": [1, 2]}, {"index": 2, "embedding": [1, 2]}]}', "an index is missing"),
        (b'{"data": [{"index": -1, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}', "an index is missing"),
        (reply([1.0, 2.0], [1.0]), "dimension 1 where 2"),
        (reply(TWO, encoded(ROW[:1])), "dimension 1 where 2"),
        (reply(TWO, None), "exactly one vector per text"),
        (reply(TWO, []), "exactly one vector per text"),
        (reply(TWO, ""), "dimension 0"),
        (reply([], []), "exactly one vector per text"),
        (reply("", ""), "dimension 0"),
        (reply(TWO, "not base64!!"), "base64"),
        (reply(TWO, TWO[:-2]), "base64"),
        (reply(TWO, "AAAAAAA="), "base64"),
        (reply([1.0, 2.0], [None, 2.0]), "no number"),
        (reply([1.0, 2.0], [2.0, None]), "no number"),
        (reply([1.0, 2.0], [1.0, "2"]), "no number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [NaN, 2]}]}', "no number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [1, 1e999]}]}', "no number"),
        (b'{"data": [{"embedding": [1, 2]}, {"embedding": [1, 02]}]}', "no number"),
        (reply([[1.0, 2.0]], [[1.0, 2.0]]), "not the JSON"),
        (b"<html><body>502 Bad Gateway</body></html>", "not the JSON"),
        (b"", "not the JSON"),
        (b'{"error": "overloaded"}', "not the JSON"),
        (b"[" * 50_000, "not the JSON"),
        (b'{"x": ' * 10_000, "not the JSON"),
        (b"[" * 100_000, "more JSON values"),
        (b'{"x": ' * 100_000, "more JSON values"),
        (b'{"data": [' + b"{}," * 10**6 + b"{}]}", "more JSON values"),
        (b'{"data": [], "usage": [' + b"true," * 10**6 + b"true]}", "more JSON values"),
        (b'{"data": [], "usage": ' + b"1" * 5000 + b"}", "not the JSON"),
        (b'{"data": [{"index": ' + b"1" * 5000 + b', "embedding": [1.0]}]}', "not the JSON"),
        (b'{"data": [{"embedding": [' + b"1" * 5000 + b"]}, {}]}", "vector"),
        (b'{"data": [{"index": 0, "embedding": "\xff\xfe"}, {"index": 1, "embedding": "AAAA"}]}', "base64"),
    ],
)
def test_bad_replies(body: bytes, says: str) -> None:
    with pytest.raises(ReplyError, match=says):
        decoded(body, 2)


def test_many_small_values_take_no_memory() -> None:
    body = b'{"data": [' + b"{}," * 3 * 10**6 + b"{}]}"
    tracemalloc.start()
    with pytest.raises(ReplyError, match="more JSON values"):
        decoded(body, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_texts_that_are_repeated_may_have_many_commas() -> None:
    text = "{[,]}" * 100_000
    body = json.dumps({"data": [{"embedding": [1.0, 2.0]}], "texts": [text]}).encode()
    np.testing.assert_array_equal(decode(body, OPENAI_REPLY, 1, None, echoed=[text]).vectors, [[1, 2]])
    with pytest.raises(ReplyError, match="more JSON values"):
        decode(body, OPENAI_REPLY, 1, None)


def test_other_numbers_are_not_taken_for_a_vector() -> None:
    stray = b'{"shape": [5, 6], "data": [{"index": 0, "embedding": %s, "more": [7, 8]}], "ids": [9]}'
    np.testing.assert_array_equal(decoded(stray % b"[1, 2]", 1).vectors, [[1, 2]])
    for nothing in (b"[]", b"null", b'""', b'"AAAA"', b"5", b"[[1, 2]]", b'["1"]'):
        with pytest.raises(ReplyError):
            decoded(stray % nothing, 1, np.empty((1, 2), np.float32))


def test_a_nested_vector_is_not_taken_for_the_items_own() -> None:
    body = b'{"data": [{"index": 0, "debug": {"embedding": "%s"}, "embedding": null}]}' % TWO.encode()
    with pytest.raises(ReplyError):
        decoded(body, 1)


ROW = np.array([[1.0, 2.0]], np.float32)
ITS_OWN, STRAY = encoded(ROW[0]), encoded(ROW[0] + 1)


@pytest.mark.parametrize(
    "body",
    [
        {"note": {"embedding": STRAY}, "data": [{"embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN}], "note": {"embedding": STRAY}},
        {"note": {"embedding": STRAY}, "data": [{"embedding": ""}]},
        {"note": {"embedding": STRAY}, "data": [{"embedding": "AA=="}]},
        {"note": {"embedding": STRAY}, "data": [{"embedding": None}]},
        {"data": [{"index": 1, "embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN}, {"embedding": ITS_OWN}]},
        {"data": [{"embedding": ITS_OWN[:-4]}]},
        {"data": [{"embedding": f"{ITS_OWN}\\"}]},
        {"data": [{"embedding": f'{ITS_OWN}"'}]},
        {"data": [{"embedding": ""}]},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_only_the_texts_vector_is_taken_from_a_reply_to_one_text(body: Any, separators: tuple[str, str]) -> None:
    rows = np.zeros_like(ROW)
    try:
        vectors = decoded(json.dumps(body, separators=separators).encode(), 1, rows).vectors
    except ReplyError:
        return
    assert body["data"][0]["embedding"] == ITS_OWN
    np.testing.assert_array_equal(vectors, ROW)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " : ")])
def test_a_reply_to_one_text_is_decoded_into_its_row(separators: tuple[str, str]) -> None:
    rows = np.zeros_like(ROW)
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": ITS_OWN}], "ids": [7]}
    result = decoded(json.dumps({**body, "usage": {"total_tokens": 5}}, separators=separators).encode(), 1, rows)
    assert result == (rows, 5, True)
    np.testing.assert_array_equal(rows, ROW)


def test_slashes_may_be_escaped() -> None:
    row = np.frombuffer(b"\xff\xff\x7f\x3f" * 2, "<f4")
    assert "/" in encoded(row)
    body = json.dumps({"data": [{"embedding": encoded(row)}]}).replace("/", "\\/").encode()
    np.testing.assert_array_equal(decoded(body, 1).vectors[0], row)


def test_numbers_beyond_float32_are_infinite_and_left_to_the_check() -> None:
    assert np.isinf(decoded(reply([1e39, 1.0]), 1).vectors[0, 0])


def test_an_index_may_be_left_out() -> None:
    body = b'{"data": [{"embedding": [1, 2]}, {"embedding": [3, 4]}]}'
    np.testing.assert_array_equal(decoded(body, 2).vectors, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 9, "prompt_tokens": 0}, 9),
        ({"prompt_tokens": 4}, 4),
        ({"total_tokens": 5.0}, 5),
        ({"total_tokens": None}, None),
        ({"total_tokens": -1}, None),
        ({"total_tokens": "5"}, None),
        ({"total_tokens": True}, None),
        ({}, None),
        (None, None),
        ([1, 2], None),
        ("none", None),
    ],
)
def test_odd_usage_costs_no_vectors(usage: object, tokens: int | None) -> None:
    assert decoded(reply(TWO, usage=usage), 1).tokens == tokens


def test_token_count_takes_no_nonsense() -> None:
    assert [token_count(said) for said in (float("nan"), float("inf"), 10**30, 1e300)] == [None] * 4


def test_it_is_remembered_whether_base64_came() -> None:
    assert decoded(reply(TWO), 1).base64
    assert not decoded(reply([1.0, 2.0]), 1).base64


def test_an_abandoned_worker_thread_stops_writing() -> None:
    vectors = np.ones((4 * ROWS_PER_YIELD, 2), np.float32)
    body = reply(*map(encoded, vectors))
    rows = np.zeros_like(vectors)
    abandoned = Event()
    abandoned.set()
    with pytest.raises(ReplyError, match="is gone"):
        decode(body, OPENAI_REPLY, len(rows), rows, partial(yield_gil, abandoned))
    assert not rows[ROWS_PER_YIELD:].any()


@pytest.mark.parametrize("way", [encoded, written])
@pytest.mark.parametrize("given", [True, False])
def test_a_worker_thread_pauses_every_few_rows(way: Any, given: bool) -> None:
    """Each 16 where base64 is looked for and where rows are placed; each where numbers or rare JSON are."""
    vectors = np.ones((2 * ROWS_PER_YIELD, 2), np.float32)
    pauses: list[None] = []
    rows = np.empty_like(vectors) if given else None
    decode(reply(*map(way, vectors)), OPENAI_REPLY, len(vectors), rows, lambda: pauses.append(None))
    assert len(pauses) == (4 if way is encoded else 6 * ROWS_PER_YIELD + 2)
    assert ROWS_PER_YIELD == 16


def values(count: int) -> bytes:
    """A reply of one vector, and so many values that it does not need."""
    return b'{"data": [{"embedding": [1, 2]}], "usage": null, "more": [' + b"true," * count + b"true]}"


def test_how_many_values_an_answer_may_have() -> None:
    """65,536, and 16 more for each text; a body as short as that may have any number."""
    most = 2**16 + 16
    around = 2 + 3 + 2  # braces, brackets and commas of the others
    for count, is_fine in ((most - around, True), (most - around + 1, False)):
        if is_fine:
            np.testing.assert_array_equal(decoded(values(count), 1).vectors, [[1, 2]])
        else:
            with pytest.raises(ReplyError, match="more JSON values than these texts can need"):
                decoded(values(count), 1)
