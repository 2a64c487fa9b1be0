"""A SyncEmbedder in the child of a fork. The hooks of a fork are called here; test_process has real ones."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest

from aembed import ClosedError, Config, Embedder, SyncEmbedder
from aembed._sync.process import loop
from aembed._sync.thread import ThreadCall
from aembed.testing import ScriptedProvider


def fork() -> None:
    loop._before_fork()
    loop._in_child()


@pytest.fixture
def cut_off() -> Iterator[list[Embedder]]:
    """A call is in flight on the loop; embedders of the parent are closed there after the test."""
    embedders: list[Embedder] = []
    loop.run(anyio.lowlevel.checkpoint())
    call = ThreadCall(anyio.sleep_forever())
    loop.begin(call)
    yield embedders
    (thread,) = loop._inherited
    for embedder in embedders:
        closing = ThreadCall(embedder.aclose())
        assert closing.submit(thread)
        closing.wait()
    call.cancel()
    thread.end()
    loop._inherited.clear()


def test_after_a_fork_an_embedder_goes_on_and_is_closed_at_exit() -> None:
    with SyncEmbedder(ScriptedProvider()) as embedder:
        embedder.embed_query("one")
        inner = embedder._embedder
        fork()
        assert inner not in loop._open
        embedder.embed_query("two")
        assert embedder._embedder is inner
        assert inner in loop._open
        assert embedder.statistics().requests == 2
    assert inner not in loop._open


def test_an_embedder_that_the_child_never_used_can_be_closed_there() -> None:
    provider = ScriptedProvider()
    embedder = SyncEmbedder(provider)
    fork()
    embedder.close()
    assert provider.closed == 1
    with pytest.raises(ClosedError):
        embedder.embed_query("one")
    assert embedder._embedder not in loop._open


def test_cut_off_by_a_fork_an_embedder_is_opened_again(cut_off: list[Embedder]) -> None:
    embedder = SyncEmbedder("mock", config=Config())
    inner = embedder._embedder
    cut_off.append(inner)
    fork()
    assert embedder.embed_query("one").shape == (128,)
    assert embedder._embedder is not inner
    assert loop._open == {embedder._embedder}
    again = embedder._embedder
    fork()
    embedder.embed_query("two")
    assert embedder._embedder is again
    embedder.close()


def test_closed_in_the_child_an_embedder_that_was_cut_off_stays_closed(cut_off: list[Embedder]) -> None:
    provider = ScriptedProvider()
    embedder = SyncEmbedder(provider)
    cut_off.append(embedder._embedder)
    fork()
    embedder.close()
    assert provider.closed == 0  # its connections are those of the parent
    with pytest.raises(ClosedError, match="this SyncEmbedder is closed"):
        embedder.embed_query("one")


def test_closed_before_a_fork_an_embedder_stays_closed() -> None:
    embedder = SyncEmbedder(ScriptedProvider())
    embedder.close()
    fork()
    with pytest.raises(ClosedError):
        embedder.embed_query("one")
    assert embedder._embedder not in loop._open


def drop(held: list[SyncEmbedder]) -> None:
    held.clear()
    gc.collect()


def test_one_that_is_dropped_says_so_once() -> None:
    provider = ScriptedProvider()
    held = [SyncEmbedder(provider)]
    inner = held[0]._embedder
    assert held[0]._finalizer.atexit is False
    with pytest.warns(ResourceWarning, match="never closed: the SyncEmbedder of scripted:scripted") as warned:
        drop(held)
    assert len(warned) == 1
    assert inner not in loop._open


def test_one_that_was_closed_is_dropped_in_silence() -> None:
    held = [SyncEmbedder(ScriptedProvider())]
    held[0].close()
    drop(held)
