"""Decoding replies: every valid one exactly, and of invalid ones nothing but a ReplyError."""

from __future__ import annotations

import json
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire import decode as decode_module
from aembed._wire.decode import ROWS_PER_YIELD, decode, yield_gil
from aembed._wire.openai_format import OPENAI_REPLY
from aembed._wire.split_vectors import split_strings
from tests.wire.written_replies import decoded, encoded, matrices, reply, written


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


def unused(*_: Any, **__: Any) -> None:
    pytest.fail("a usual reply went the long way")


@pytest.mark.parametrize("dim", [1, 1024, 50_000])
@pytest.mark.parametrize("around", [0, 2**16 - 100])
def test_a_usual_reply_to_one_text_is_decoded_straight(dim: int, around: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long its vector: only what is around it is parsed."""
    monkeypatch.setattr(decode_module, "split_strings", unused)
    row, rows = np.arange(dim, dtype=np.float32), np.empty((1, dim), np.float32)
    body = json.dumps({"data": [{"embedding": encoded(row)}], "note": "x" * around}).encode()
    np.testing.assert_array_equal(decode(body, OPENAI_REPLY, 1, rows).vectors, [row])


@pytest.mark.parametrize(("around", "is_straight"), [(2**16, True), (2**16 + 1, False)])
def test_a_reply_to_one_text_with_much_around_it_is_looked_at_first(
    around: int, is_straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could hold millions of values, which are counted before they are parsed."""
    split: list[bytes] = []

    def noted(body: bytes, *more: Any) -> Any:
        split.append(body)
        return split_strings(body, *more)

    monkeypatch.setattr(decode_module, "split_strings", noted)
    row = np.arange(100, dtype=np.float32)
    body = b'{"note":"","data":[{"embedding":"%s"}]}' % encoded(row).encode()
    body = body.replace(b'"note":"', b'"note":"' + b"x" * (around - len(body) + len(encoded(row))))
    np.testing.assert_array_equal(decode(body, OPENAI_REPLY, 1, np.empty((1, 100), np.float32)).vectors, [row])
    assert (not split) is is_straight


def test_a_usual_reply_to_several_texts_is_decoded_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "_decode_mixed", unused)
    monkeypatch.setattr(decode_module, "_decode_one", unused)
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    rows = np.empty_like(vectors)
    assert decode(reply(*map(encoded, vectors)), OPENAI_REPLY, 4, rows).vectors is rows
    np.testing.assert_array_equal(rows, vectors)
