"""Closing a SyncEmbedder, and calls that come after it or from odd places."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import pytest

from aembed import ClosedError, Config, EventLoopError, Kind, Reply, RequestDone, SyncEmbedder
from aembed._sync.thread import JOIN_S, LoopThread
from aembed.testing import ScriptedProvider
from tests.loops import matrix
from tests.sync.conftest import TEXTS


def test_after_close_a_call_is_an_error() -> None:
    provider = ScriptedProvider()
    embedder = SyncEmbedder(provider)
    embedder.close()
    embedder.close()
    assert provider.closed == 1
    with pytest.raises(ClosedError):
        embedder.embed_query("text")


def test_close_gives_calls_in_flight_their_grace() -> None:
    entered = threading.Event()

    class Slow(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            entered.set()
            await anyio.sleep_forever()
            raise AssertionError

    embedder = SyncEmbedder(Slow())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(embedder.embed_query, "text")
        assert entered.wait(60)
        embedder.close(grace=0)
        with pytest.raises(ClosedError):
            call.result(60)


@pytest.mark.filterwarnings("ignore:never closed:ResourceWarning")
def test_one_that_is_dropped_is_closed() -> None:
    closed = threading.Event()

    class Noted(ScriptedProvider):
        async def aclose(self) -> None:
            closed.set()

    embedder = SyncEmbedder(Noted())
    embedder.embed_query("text")
    del embedder
    gc.collect()
    assert closed.wait(60)


@pytest.mark.parametrize("loop_factory", matrix().values(), ids=matrix())
def test_inside_a_running_loop_it_blocks_and_works(
    embedder: SyncEmbedder, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def cell() -> None:
        assert embedder.embed_query("text").shape == (128,)
        with SyncEmbedder("mock", config=Config()) as other:
            assert len(list(other.stream_documents(TEXTS))) == 1

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(cell())


def test_a_call_from_its_own_thread_is_an_error_and_no_deadlock() -> None:
    errors: list[Exception] = []

    def listen(event: object) -> None:
        if isinstance(event, RequestDone):
            try:
                mine.embed_query("text")
            except EventLoopError as error:
                errors.append(error)

    with SyncEmbedder("mock", config=Config(), on_event=listen) as mine:
        mine.embed_query("text")
    assert "Use an Embedder there" in str(errors[0])


def test_the_end_of_a_loop_may_take_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    thread = LoopThread()
    with monkeypatch.context() as patched:
        patched.setattr(thread._thread, "join", waits.append)
        thread.join()
    thread.end()
    assert waits == [JOIN_S] == [10.0]


def test_it_cannot_be_pickled(embedder: SyncEmbedder) -> None:
    import pickle

    with pytest.raises(TypeError, match="SyncEmbedder belongs to this process"):
        pickle.dumps(embedder)
