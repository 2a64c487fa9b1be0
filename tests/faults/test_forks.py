"""Cases 60 and 85: processes that fork with open connections and stores."""

from __future__ import annotations

import os
import sys

import pytest

from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import DIM
from tests.faults.privacy import KEY


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
