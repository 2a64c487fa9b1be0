"""Streams of a SyncEmbedder are lazy, ordered, and may be left anywhere."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import BadTextError, ClosedError, Config, InputError, Kind, Limits, Reply, SyncEmbedder
from aembed._sync.process import loop
from aembed._sync.stream import SyncDocumentStream
from aembed._sync.thread import ThreadCall
from aembed.testing import ScriptedProvider


@pytest.fixture
def embedder() -> Iterator[SyncEmbedder]:
    """It takes three chunks ahead, of ten items each."""
    with SyncEmbedder("mock", config=Config(), limits=Limits(max_concurrency=2), batch_size=10) as opened:
        yield opened


def in_flight() -> int:
    thread = loop._current
    return 0 if thread is None else len(thread.calls)


def numbers(taken: list[int], end: int) -> Iterator[int]:
    for number in range(end):
        taken.append(number)
        yield number


def test_chunks_come_in_order_with_their_items(embedder: SyncEmbedder) -> None:
    rows = [(number, f"text {number}") for number in range(25)]
    chunks = list(embedder.stream_documents(rows, text=lambda row: row[1], chunk_size=10))
    assert [(chunk.start, len(chunk.items)) for chunk in chunks] == [(0, 10), (10, 10), (20, 5)]
    assert [item for chunk in chunks for item in chunk.items] == rows
    assert chunks[0].texts[3] == "text 3"
    np.testing.assert_array_equal(
        np.concatenate([chunk.vectors for chunk in chunks]), embedder.embed_documents([text for _, text in rows])
    )


def test_nothing_is_read_before_it_is_asked_for_and_little_ahead(embedder: SyncEmbedder) -> None:
    taken: list[int] = []
    with embedder.stream_documents(numbers(taken, 10**9), text=str, chunk_size=10) as chunks:
        assert taken == []
        next(chunks)
        assert len(taken) == 30
        next(chunks)
        assert len(taken) == 40


@pytest.mark.filterwarnings("ignore:never closed:ResourceWarning")
def test_it_can_be_left_anywhere(embedder: SyncEmbedder) -> None:
    taken: list[int] = []
    with embedder.stream_documents(numbers(taken, 10**9), text=str, chunk_size=10) as chunks:
        for chunk in chunks:
            if chunk.start == 30:
                break
    assert in_flight() == 0
    before = len(taken)
    assert list(chunks) == []
    assert len(taken) == before
    for _ in embedder.stream_documents(numbers(taken, 10**9), text=str, chunk_size=10):
        break
    gc.collect()
    embedder.close()
    assert in_flight() == 0


class Stuck(ScriptedProvider):
    """It answers the first request alone."""

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        if self.calls:
            await anyio.sleep_forever()
        return await super().embed(texts, kind=kind)


def test_closing_waits_until_the_requests_are_cancelled() -> None:
    with SyncEmbedder(Stuck(), limits=Limits(max_concurrency=2)) as embedder:
        stream = embedder.stream_documents(map(str, range(30)), chunk_size=10)
        assert next(stream).start == 0
        assert in_flight() == 2
        stream.close()
        assert in_flight() == 0
        stream.close()


def drop(held: list[SyncDocumentStream[str]]) -> None:
    held.clear()
    gc.collect()


def test_one_that_is_dropped_before_its_end_says_so_and_cancels_its_requests() -> None:
    with SyncEmbedder(Stuck(), limits=Limits(max_concurrency=2)) as embedder:
        held = [embedder.stream_documents(map(str, range(30)), chunk_size=10)]
        next(held[0])
        ahead = list(held[0]._ahead)
        with pytest.warns(ResourceWarning, match="never closed: a stream of documents, left before its end"):
            drop(held)
        for call in ahead:
            with pytest.raises(ClosedError):
                call.result()


def test_one_that_was_read_to_its_end_is_dropped_in_silence(embedder: SyncEmbedder) -> None:
    assert [chunk.start for chunk in embedder.stream_documents(map(str, range(20)), chunk_size=10)] == [0, 10]
    gc.collect()


def test_interrupted_a_stream_ends_and_cancels_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    wait, interrupts = ThreadCall.wait, [KeyboardInterrupt()]

    def interrupted(call: ThreadCall[Any]) -> None:
        if interrupts:
            raise interrupts.pop()
        wait(call)

    with SyncEmbedder(Stuck(), limits=Limits(max_concurrency=2)) as embedder:
        stream = embedder.stream_documents(map(str, range(30)), chunk_size=10)
        next(stream)
        with monkeypatch.context() as patched:
            patched.setattr(ThreadCall, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                next(stream)
        assert in_flight() == 0
        assert list(stream) == []


def test_an_error_carries_the_index_in_the_input_and_ends_the_stream() -> None:
    provider = ScriptedProvider(refused={"text 17": BadTextError("no")})
    with SyncEmbedder(provider) as embedder:
        texts = [f"text {number}" for number in range(30)]
        stream = embedder.stream_documents(texts, chunk_size=10)
        assert next(stream).start == 0
        with pytest.raises(BadTextError) as caught:
            next(stream)
        assert caught.value.index == 17
        assert in_flight() == 0
        assert list(stream) == []
        returned = list(embedder.stream_documents(texts, chunk_size=10, on_error="return"))
        assert [list(chunk.failures) for chunk in returned] == [[], [7], []]
        assert returned[1].failures[7].index == 17


def test_an_error_of_the_source_comes_after_the_items_before_it(embedder: SyncEmbedder) -> None:
    def broken() -> Iterator[str]:
        yield from ["one", "two", "three"]
        raise ZeroDivisionError

    stream = embedder.stream_documents(broken(), chunk_size=2)
    assert [next(stream).texts, next(stream).texts] == [["one", "two"], ["three"]]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(stream) == []


def test_sources_that_cannot_be_read_are_input_errors(embedder: SyncEmbedder) -> None:
    class Asynchronous:
        def __aiter__(self) -> AsyncIterator[str]:
            raise AssertionError

    wrong: list[Any] = ["text", {"a": "b"}, 7, Asynchronous()]
    for items in wrong:
        with pytest.raises(InputError):
            embedder.stream_documents(items)
    with pytest.raises(InputError, match="chunk_size"):
        embedder.stream_documents(["text"], chunk_size=0)
    with pytest.raises(InputError, match="on_error"):
        embedder.stream_documents(["text"], on_error="ignore")  # type: ignore[call-overload]


def test_a_stream_reads_while_it_is_in_another_thread(embedder: SyncEmbedder) -> None:
    """It is made in one thread and read in another, as a web server does with a response."""
    stream = embedder.stream_documents(["one", "two"], chunk_size=1)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(chunk.start for chunk in stream))
    thread.start()
    thread.join()
    assert found == [0, 1]
