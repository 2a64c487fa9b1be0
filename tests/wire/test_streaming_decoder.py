"""A reply decoded while it comes in: the same as decoded whole, wherever it is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire import streaming
from aembed._wire.decode import Decoded, decode, yield_gil
from aembed._wire.openai_format import OPENAI_REPLY
from aembed._wire.reply_format import ReplyFormat
from aembed._wire.split_vectors import Yield
from aembed._wire.streaming import StreamingDecoder
from aembed.providers.ollama import EMBEDDINGS
from tests.loops import run
from tests.wire.written_replies import encoded, matrices, reply, written

TWO = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def never() -> None:
    """No other task wants a turn."""


async def at_once(work: Callable[[Yield], None]) -> None:
    work(never)


def arrive(pieces: Sequence[bytes], rows: Vectors, shape: ReplyFormat[Any] = OPENAI_REPLY) -> Decoded:
    """The last piece is the rest at the end of the reply."""
    reply = StreamingDecoder(shape, rows, at_once)

    async def come_in() -> None:
        for piece in pieces[:-1]:
            await reply.take([piece])

    run(come_in())
    return reply.finish(pieces[-1], len(rows), never)


def parts(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


@given(matrices(), st.data())
def test_cut_anywhere_it_gives_the_same_vectors(vectors: Vectors, data: st.DataObject) -> None:
    separators = data.draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " :\t")]))
    ways: list[list[Any]] = (
        [[encoded], [written]] if separators == (" ,\n", " :\t") else [[encoded], [written], [encoded, written]]
    )
    way = st.sampled_from(data.draw(st.sampled_from(ways)))
    embeddings = [data.draw(way)(row) for row in vectors]
    items: list[dict[str, Any]] = [
        {"object": "embedding", "index": i, "embedding": embedding} for i, embedding in enumerate(embeddings)
    ]
    items = data.draw(st.permutations(items))
    items = [dict(data.draw(st.permutations(list(item.items())))) for item in items]
    notes = data.draw(
        st.lists(st.text() | st.sampled_from(['"embedding": "A"', "[1, 2]", '"', "\\", "[0"]), max_size=3)
    )
    whole = {"notes": notes, "data": items, "more": notes, "usage": {"total_tokens": 7}}
    body = json.dumps(whole, separators=separators, ensure_ascii=data.draw(st.booleans())).encode()
    rows = np.empty_like(vectors)
    result = arrive(parts(body, data.draw(st.lists(st.integers(0, len(body)), max_size=9))), rows)
    assert result.vectors is rows
    np.testing.assert_array_equal(rows, vectors)
    assert result.tokens == 7
    assert result.base64 is any(isinstance(embedding, str) for embedding in embeddings)


@given(matrices(), st.data())
def test_it_accepts_nothing_that_decode_rejects(vectors: Vectors, data: st.DataObject) -> None:
    body = bytearray(reply(*(data.draw(st.sampled_from([encoded, written]))(row) for row in vectors)))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    pieces = parts(bytes(body), data.draw(st.lists(st.integers(0, len(body)), max_size=9)))
    rows = np.empty_like(vectors)
    try:
        arrive(pieces, rows)
    except ReplyError:
        return
    np.testing.assert_array_equal(rows, decode(bytes(body), OPENAI_REPLY, len(rows), np.empty_like(rows)).vectors)


@given(matrices(), st.data())
def test_a_reply_cut_short_is_never_accepted(vectors: Vectors, data: st.DataObject) -> None:
    body = reply(*(data.draw(st.sampled_from([encoded, written]))(row) for row in vectors))
    body = body[: data.draw(st.integers(0, len(body) - 1))]
    with pytest.raises(ReplyError):
        arrive(parts(body, data.draw(st.lists(st.integers(0, len(body)), max_size=9))), np.empty_like(vectors))


@given(st.binary(), st.data())
def test_garbage_is_rejected(body: bytes, data: st.DataObject) -> None:
    with pytest.raises(ReplyError):
        arrive(parts(body, data.draw(st.lists(st.integers(0, len(body)), max_size=9))), np.empty((1, 2), np.float32))


def test_arrays_within_an_array() -> None:
    rows = np.empty_like(TWO)
    body = json.dumps({"embeddings": TWO.tolist(), "shape": [2, 2]}).encode()
    assert arrive(parts(body, range(len(body))), rows, EMBEDDINGS).vectors is rows
    np.testing.assert_array_equal(rows, TWO)


def test_other_numbers_are_no_vectors() -> None:
    rows = np.empty_like(TWO)
    body = json.dumps({"shape": [1, 2, 3], "embeddings": TWO.tolist()}).encode()
    arrive([body, b""], rows, EMBEDDINGS)
    np.testing.assert_array_equal(rows, TWO)


@pytest.mark.parametrize(
    ("embeddings", "index", "words"),
    [
        ([encoded(TWO[0]), encoded(TWO[1])[:-4]], 0, "damaged or incomplete"),
        ([encoded(TWO[0]), encoded(np.ones(3, np.float32))], 0, "dimension 3 where 2"),
        ([written(TWO[0]), [1.0]], 0, "dimension 1 where 2"),
        ([written(TWO[0]), [1.0, None]], 0, "not a number"),
        ([written(TWO[0]), encoded(TWO[1])[:-4]], 0, "damaged or incomplete"),
        ([[1.0], encoded(TWO[1])], 1, "dimension 1 where 2"),
    ],
)
def test_a_fault_is_that_of_its_text(embeddings: list[Any], index: int, words: str) -> None:
    """The first in the body is the second in the call."""
    items = [{"index": 1 - position, "embedding": embedding} for position, embedding in enumerate(embeddings)]
    body = json.dumps({"data": items}).encode()
    with pytest.raises(ReplyError, match=words) as caught:
        arrive([body, b""], np.empty_like(TWO))
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (reply(*map(encoded, [*TWO, TWO[0]])), "3 vectors for 2 texts"),
        (reply(*map(written, [*TWO, TWO[0]])), "3 vectors for 2 texts"),
        (json.dumps({"x": [5.0, 6.0], "embedding": 1, "embeddings": TWO.tolist()}).encode(), "more vectors than"),
        (reply(encoded(TWO[0]), None), "exactly one vector per text"),
        (reply(written(TWO[0]), None, encoded(TWO[1])), "3 vectors for 2 texts"),
        (reply(written(TWO[0]), ""), "dimension 0 where 2"),
    ],
)
def test_vectors_of_other_texts_are_rejected(body: bytes, words: str) -> None:
    with pytest.raises(ReplyError, match=words):
        arrive([body, b""], np.empty_like(TWO), EMBEDDINGS if b'"embeddings"' in body else OPENAI_REPLY)


def test_no_gap_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    assert streaming.LONGEST_GAP == 16 * 2**20
    monkeypatch.setattr(streaming, "LONGEST_GAP", 100)
    beginning = f'{{"data":[{{"embedding":"{encoded(TWO[0])}'.encode()
    with pytest.raises(ReplyError, match="109 bytes without a vector"):
        arrive([beginning + b'","note":"' + b"x" * 50, b"x" * 49, b'"}]}'], TWO)


def test_an_abandoned_thread_stops_writing() -> None:
    abandoned = Event()
    abandoned.set()
    rows = np.zeros_like(TWO)
    with pytest.raises(ReplyError, match="is gone"):
        StreamingDecoder(OPENAI_REPLY, rows, at_once).finish(reply(*map(encoded, TWO)), 2, lambda: yield_gil(abandoned))
    assert not rows.any()


def test_escaped_slashes() -> None:
    row: Vectors = np.frombuffer(b"\xff\xff\xff\x3f" * 3, "<f4")
    body = reply(encoded(row)).replace(b"/", b"\\/")
    rows = np.empty((1, 3), np.float32)
    arrive([body, b""], rows)
    assert rows.tobytes() == row.tobytes()


@pytest.mark.parametrize("length", [100, 101])
def test_a_gap_may_have_so_many_bytes(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LONGEST_GAP", 100)
    beginning = f'{{"data":[{{"embedding":"{encoded(TWO[0])}'.encode()
    end = b'"},{"embedding":"' + encoded(TWO[1]).encode() + b'"}]}'
    rows = np.empty_like(TWO)
    note = b'","note":"'
    pieces = [beginning + note + b"x" * (length - len(note)), end, b""]
    if length == 100:
        np.testing.assert_array_equal(arrive(pieces, rows).vectors, TWO)
    else:
        with pytest.raises(ReplyError, match="101 bytes without a vector"):
            arrive(pieces, rows)


@pytest.mark.parametrize(("way", "pauses"), [(encoded, 1), (written, 3)])
def test_others_have_their_turn_after_each_vector_of_numbers(way: Callable[[Vectors], Any], pauses: int) -> None:
    taken: list[None] = []
    StreamingDecoder(OPENAI_REPLY, np.empty_like(TWO), at_once).finish(
        reply(*map(way, TWO)), 2, lambda: taken.append(None)
    )
    assert len(taken) == pauses


def test_it_says_that_it_has_begun() -> None:
    async def take() -> list[bool]:
        coming = StreamingDecoder(OPENAI_REPLY, np.empty_like(TWO), at_once)
        before = coming.begun
        await coming.take([b'{"data"'])
        return [before, coming.begun]

    assert run(take()) == [False, True]


def test_everything_but_the_vectors_is_kept() -> None:
    coming = StreamingDecoder(OPENAI_REPLY, np.empty_like(TWO), at_once)
    body = reply(encoded(TWO[0]), written(TWO[1]), usage={"total_tokens": 7})
    result = coming.finish(body, 2, never)
    assert coming.skeleton == body.replace(encoded(TWO[0]).encode(), b"").replace(b"[3.0, 4.0]", b"[0]")
    assert (result.tokens, result.base64) == (7, True)


def test_a_reply_that_is_held_whole_is_kept_whole() -> None:
    coming = StreamingDecoder(OPENAI_REPLY, np.empty_like(TWO), at_once)
    body = json.dumps({"data": [{"embedding": encoded(row)} for row in TWO]}, separators=(",", " :")).encode()
    np.testing.assert_array_equal(coming.finish(body, 2, never).vectors, TWO)
    assert coming.skeleton == body


def test_what_comes_around_the_vectors_is_counted_before_it_is_parsed() -> None:
    body = json.dumps({"data": [{"embedding": encoded(row)} for row in TWO], "more": [True] * 100_000}).encode()
    with pytest.raises(ReplyError, match="more JSON values than these texts can need"):
        arrive(parts(body, [1000, 5000]), np.empty_like(TWO))
