"""Cases 58 to 60 and 64: event loops that end, two of them at once, forks, and closing."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import ClosedError, Config, Embedder, EmbedderFactory, EventLoopError, Limits, Vectors
from aembed._lifecycle import LoopAffinity
from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import DIM, PATIENCE, mock, open_files, settled
from tests.faults.privacy import KEY, TEXTS, assert_private
from tests.loops import matrix

EVERY_LOOP = pytest.mark.parametrize("loop_factory", matrix().values(), ids=matrix())
LAYERS = pytest.mark.parametrize("layers", [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}])


async def opened(factory: EmbedderFactory, server: LoopbackServer, **options: Any) -> Embedder:
    given = {"base_url": server.base_url, "api_key": KEY, "limits": Limits(max_concurrency=2), **options}
    return await factory.new_embedder("openai:m", **given)


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("busy", [False, True])
def test_fault_60_a_fork_makes_its_own_connections(busy: bool) -> None:
    """In a child process, since this one has threads; the parent keeps its connections."""
    import subprocess

    code = CHILD.format(busy=busy, dim=DIM, key=KEY)
    with LoopbackServer(dim=DIM, api_key=KEY, faults=[None, Hang()] if busy else ()) as server:
        found = subprocess.run(
            [sys.executable, "-c", code, server.base_url], capture_output=True, timeout=60, check=False
        )
        said = found.stdout.decode().split("\n")[:-1]
        assert found.returncode == 0, found.stderr.decode()
        if busy:
            assert said == ["child: had calls in flight", "parent: done"]
        else:
            assert said == ["child: done", "parent: done"]
            assert server.counters.connections_opened == 2, "they talk through one connection"
            assert sorted(server.counters.requests_per_connection.values()) == [1, 2]


CHILD = """
import asyncio, os, sys
from aembed import Config, EmbedderFactory, EventLoopError

async def ask(embedder, text):
    return await embedder.embed_query(text)

async def parent(factory):
    embedder = await factory.new_embedder("openai:m", base_url=sys.argv[1], api_key="{key}")
    await ask(embedder, "before")
    call = asyncio.create_task(ask(embedder, "meanwhile")) if {busy} else None
    while call and not embedder.statistics().in_flight:
        await asyncio.wait([call], timeout=0)
    child = os.fork()
    if child == 0:
        return embedder
    os.waitpid(child, 0)
    if call:
        call.cancel()
        await asyncio.wait([call])
    else:
        assert len(await ask(embedder, "after")) == {dim}
    await factory.aclose()
    print("parent: done", flush=True)

loop = asyncio.new_event_loop()
embedder = loop.run_until_complete(parent(EmbedderFactory(Config())))
if embedder:
    asyncio.events._set_running_loop(None)
    try:
        assert len(asyncio.run(ask(embedder, "child"))) == {dim}
        print("child: done", flush=True)
    except EventLoopError as error:
        assert "had calls in flight" in str(error)
        print("child: had calls in flight", flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("cache", ["True", "'vectors.db'", "MemoryStore()", "SQLiteStore('vectors.db')"])
def test_fault_85_a_fork_with_an_open_store(cache: str) -> None:
    """Child and parent both find the rows stored before, store more, and end: the child through all of its clean-up."""
    import subprocess

    code = FORKED.format(cache=cache)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    said = found.stdout.decode().split("\n")[:-1]
    assert found.returncode == 0, found.stderr.decode()
    once = ["child: hits 2 misses 2, then 4", "parent: hits 2 misses 2, then 4", "parent: child ended with 0"]
    assert said == once + once


FORKED = """
import asyncio, os, sys
from pathlib import Path
from aembed import Config, EmbedderFactory
from aembed.stores import MemoryStore, SQLiteStore

async def before(merge):
    embedder = await factory.new_embedder("mock", cache=store, merge=merge)
    await embedder.embed_documents(["one", "two"])
    for cache in factory._caches._caches.values():
        await cache.flush()
    return embedder

async def after(embedder, name):
    known = embedder.statistics()
    await embedder.embed_documents(["one", "two", name, name + "2"])
    now = embedder.statistics()
    hits, misses = now.cache_hits - known.cache_hits, now.cache_misses - known.cache_misses
    await embedder.embed_documents(["one", "two", name, name + "2"])
    again = embedder.statistics().cache_hits - now.cache_hits
    print(f"{{name}}: hits {{hits}} misses {{misses}}, then {{again}}", flush=True)
    await factory.aclose()
    if store is not True and not isinstance(store, str):
        await store.aclose()

for merge in (False, True):
    factory, store = EmbedderFactory(Config()), {cache}
    embedder = asyncio.run(before(merge))
    child = os.fork()
    if child == 0:
        asyncio.run(after(embedder, "child"))
        sys.exit(0)
    status = os.waitpid(child, 0)[1]
    asyncio.run(after(embedder, "parent"))
    print(f"parent: child ended with {{status}}", flush=True)
    for file in Path.cwd().glob("vectors.db*"):
        file.unlink()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fault_85_a_fork_while_a_thread_is_in_the_store() -> None:
    """In the child no thread exists that would release the lock."""
    import subprocess

    code = """
import asyncio, os, sys
import numpy as np
from aembed.stores import MemoryStore

async def main():
    store = MemoryStore()
    await store.put_many([b"k" * 32], np.ones((1, 4), np.float32))
    with store._locked():
        child = os.fork()
        if child == 0:
            assert len((await store.get_many([b"k" * 32], 4))[0]) == 0
            await store.put_many([b"k" * 32], np.ones((1, 4), np.float32))
            assert len((await store.get_many([b"k" * 32], 4))[0]) == 1
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert len((await store.get_many([b"k" * 32], 4))[0]) == 1

asyncio.run(main())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr.decode()


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


LEAVING = """
import asyncio, gc, os, sys
from aembed import Config, EmbedderFactory

way, url, cache = sys.argv[1:]

async def use(factory):
    embedder = await factory.new_embedder("openai:m", base_url=url, api_key="KEY", cache=cache)
    await embedder.embed_query("text")
    return embedder

async def main(factory):
    embedder = await use(factory)
    if way == "closed":
        await factory.aclose()
    if way == "its embedder closed":
        await embedder.aclose()
    if way == "exit":
        sys.exit()

async def dropped():
    await main(EmbedderFactory(Config()))
    gc.collect()

factory = EmbedderFactory(Config())
if way == "dropped":
    asyncio.run(dropped())
elif way == "in a hurry":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(factory))
    loop.close()
    del factory
    gc.collect()
else:
    asyncio.run(main(factory))
if way == "collected":
    del factory
    gc.collect()
if way == "closed on another loop":
    asyncio.run(factory.aclose())
if way == "forked":
    if os.fork() == 0:
        sys.exit()
    assert os.wait()[1] == 0
    asyncio.run(factory.aclose())
"""


def leave(way: str, cache: str) -> str:
    """The output of a program that leaves a factory in that way."""
    import subprocess

    with LoopbackServer(dim=DIM, api_key=KEY) as server:
        found = subprocess.run(
            [sys.executable, "-W", "always", "-c", LEAVING.replace("KEY", KEY), way, server.base_url, cache],
            capture_output=True,
            timeout=60,
            check=True,
        )
    return found.stderr.decode()


@pytest.mark.parametrize("way", ["at the end", "collected", "dropped", "exit", "in a hurry"])
def test_leaving_without_closing_is_one_warning_with_a_remedy(way: str, tmp_path: Path) -> None:
    printed = leave(way, str(tmp_path / "cache.sqlite"))
    warned = [line for line in printed.splitlines() if "ResourceWarning: never closed" in line or "nclosed" in line]
    if way == "in a hurry":  # asyncio adds a warning, of a loop that was closed around its sockets
        warned = [line for line in warned if "unclosed transport" not in line and "_warn(f" not in line]
    assert len(warned) == 1, printed
    assert "never closed: the embedder of openai:m. Use 'async with' " in warned[0]
    assert KEY not in printed


@pytest.mark.parametrize("way", ["closed", "closed on another loop", "its embedder closed", "forked"])
def test_closed_objects_are_not_warned_about(way: str, tmp_path: Path) -> None:
    if way == "forked" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    assert leave(way, str(tmp_path / "cache.sqlite")) == ""


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


async def test_fault_64_closing_waits_for_calls_and_rejects_new_ones() -> None:
    with LoopbackServer(dim=DIM, api_key=KEY, latency=0.05) as server:
        async with EmbedderFactory(Config()) as factory:
            embedder = await opened(factory, server, batch_size=1)
            call = asyncio.ensure_future(embedder.embed_documents(TEXTS))
            await settled(lambda: server.counters.requests > 0, "no request")
            closing = [asyncio.ensure_future(embedder.aclose()) for _ in range(3)]
            await anyio.lowlevel.checkpoint()
            with pytest.raises(ClosedError) as caught:
                await embedder.embed_query(TEXTS[0])
            assert_private(caught.value, embedder, factory)
            np.testing.assert_array_equal(await call, mock(TEXTS))
            await asyncio.gather(*closing)
            await embedder.aclose()
        await factory.aclose()
        await settled(lambda: server.counters.connections == 0, "connections are left open")


async def test_fault_64_closing_with_a_call_that_never_ends_can_be_given_up() -> None:
    with LoopbackServer(dim=DIM, api_key=KEY, faults=[Hang()]) as server:
        factory = EmbedderFactory(Config())
        embedder = await opened(factory, server)
        call = asyncio.ensure_future(embedder.embed_documents(TEXTS))
        await settled(lambda: server.counters.requests == 1, "no request")
        with anyio.move_on_after(0.01) as scope:
            await factory.aclose()
        assert scope.cancelled_caught
        call.cancel()
        await asyncio.wait([call])
        await factory.aclose()
        await settled(lambda: server.counters.connections == 0, "connections are left open")
