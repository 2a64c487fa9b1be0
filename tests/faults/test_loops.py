"""Cases 58 and 59: event loops that end, and two of them at once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import Config, Embedder, EmbedderFactory, EventLoopError, Vectors
from aembed._lifecycle import LoopAffinity
from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import DIM, PATIENCE, mock, open_files, settled
from tests.faults.embedders import opened
from tests.faults.privacy import KEY, TEXTS, assert_private
from tests.loops import matrix

EVERY_LOOP = pytest.mark.parametrize("loop_factory", matrix().values(), ids=matrix())
LAYERS = pytest.mark.parametrize("layers", [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}])


async def embed(embedder: Embedder) -> Vectors:
    """With every lane and layer at work."""
    await asyncio.gather(*(embedder.embed_query(text) for text in TEXTS))
    return await embedder.embed_documents(TEXTS)


@EVERY_LOOP
@LAYERS
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the ended loops left connections open
@pytest.mark.filterwarnings("ignore:.*TCPTransport:ResourceWarning")  # and uvloop never ends if its warning is raised
def test_fault_58_the_next_loop_takes_over(loop_factory: Callable[[], Any], layers: dict[str, Any]) -> None:
    """A program may run several loops, one after the other, and its embedder continues with new connections."""
    factory = EmbedderFactory(Config())
    with LoopbackServer(dim=DIM, api_key=KEY) as server:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            embedder = runner.run(opened(factory, server, **layers))
        for _ in range(4):
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                np.testing.assert_array_equal(runner.run(embed(embedder)), mock(TEXTS))
            gc.collect()
        # those of the last loop, two for documents and one for queries; the one before was found when it began
        end = monotonic() + PATIENCE
        while server.counters.connections > 6:
            assert monotonic() < end, "each loop leaves connections behind"
        asyncio.run(factory.aclose())
        gc.collect()


@EVERY_LOOP
def test_fault_58_a_loop_that_was_cut_off(loop_factory: Callable[[], Any]) -> None:
    """Its calls were cancelled as it ended: nothing of them stays."""
    factory = EmbedderFactory(Config())

    async def begin() -> Embedder:
        embedder = await opened(factory, server)
        calls.extend(asyncio.ensure_future(embedder.embed_documents(TEXTS)) for _ in range(5))
        await settled(lambda: server.counters.requests >= 2, "no request")
        return embedder

    calls: list[asyncio.Future[Vectors]] = []
    with LoopbackServer(dim=DIM, api_key=KEY, faults=[Hang(), Hang()]) as server:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            embedder = runner.run(begin())
        assert all(call.cancelled() for call in calls)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            np.testing.assert_array_equal(runner.run(embed(embedder)), mock(TEXTS))
            runner.run(factory.aclose())


def test_fault_58_a_loop_closed_under_its_calls() -> None:
    """The loop ended without notice: which resources are still held is unknown, and the error says so."""
    home = LoopAffinity(lambda: True)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(entering(home))
    loop.close()
    with pytest.raises(EventLoopError, match=r"had calls in flight .* make a new factory"):
        asyncio.run(entering(home))


async def entering(home: LoopAffinity) -> None:
    home.enter("it")


@EVERY_LOOP
def test_fault_59_two_loops_in_two_threads(loop_factory: Callable[[], Any]) -> None:
    """The second gets a typed error, at once, whether the first is busy or not; with a second factory it works."""
    ready, done = threading.Event(), threading.Event()
    factory = EmbedderFactory(Config())
    embedders: list[Embedder] = []

    async def first() -> None:
        async with factory:
            embedders.append(await opened(factory, server))
            embedders.append(await opened(factory, server))
            await embed(embedders[0])
            ready.set()
            for _ in range(50):
                np.testing.assert_array_equal(await embed(embedders[0]), mock(TEXTS))
            await anyio.to_thread.run_sync(done.wait)

    async def second() -> None:
        for embedder in embedders:
            with pytest.raises(EventLoopError, match="one EmbedderFactory per event loop") as caught:
                await embed(embedder)
            assert caught.value.fatal
            assert_private(caught.value, embedder)
        async with EmbedderFactory(Config()) as own:
            np.testing.assert_array_equal(await embed(await opened(own, server)), mock(TEXTS))

    def run(main: Any) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    with LoopbackServer(dim=DIM, api_key=KEY) as server, ThreadPoolExecutor() as threads:
        one = threads.submit(run, first)
        try:
            assert ready.wait(PATIENCE)
            threads.submit(run, second).result(PATIENCE)
        finally:
            done.set()
        one.result()


@EVERY_LOOP
@LAYERS
def test_a_loop_that_ends_closes_its_connections(loop_factory: Callable[[], Any], layers: dict[str, Any]) -> None:
    """``asyncio.run`` for every request, with warnings as errors: nothing waits for the collector."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(anyio.lowlevel.checkpoint())  # uvloop opens some files for good
    files = open_files()
    factory = EmbedderFactory(Config())
    gc.disable()
    try:
        with LoopbackServer(dim=DIM, api_key=KEY) as server:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                embedder = runner.run(opened(factory, server, **layers))
            for number in range(3):
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    runner.run(embedder.embed_documents([f"text {number}"]))
                end = monotonic() + PATIENCE
                while server.counters.connections:
                    assert monotonic() < end, "an ended loop leaves connections behind"
            asyncio.run(factory.aclose())
        assert open_files() <= files
    finally:
        gc.enable()


@EVERY_LOOP
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # of asyncio, for the loop closed in a hurry
@pytest.mark.filterwarnings("ignore:.*TCPTransport:ResourceWarning")  # and of uvloop
def test_the_next_loop_closes_the_sockets_of_one_that_was_closed_in_a_hurry(loop_factory: Callable[[], Any]) -> None:
    """``loop.close()`` alone ends no generators, and asyncio leaves its sockets to the collector."""
    gc.disable()
    try:
        with LoopbackServer(dim=DIM, api_key=KEY) as server:
            factory = EmbedderFactory(Config())
            loop = loop_factory()
            embedder = loop.run_until_complete(opened(factory, server))
            loop.run_until_complete(embedder.embed_query("text"))
            loop.close()
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(embedder.embed_query("another"))
                end = monotonic() + PATIENCE
                while server.counters.connections > 1:
                    assert monotonic() < end, "a closed loop leaves connections behind"
                runner.run(factory.aclose())
    finally:
        gc.enable()
    gc.collect()
