"""Case 64: closing, and leaving without it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import ClosedError, Config, EmbedderFactory
from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import DIM, mock, settled
from tests.faults.embedders import opened
from tests.faults.privacy import KEY, TEXTS, assert_private

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
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: a fork beside a thread, here of the cache
    if os.fork() == 0:
        sys.exit()
    assert os.wait()[1] == 0
    asyncio.run(factory.aclose())
"""


MADE = dict.fromkeys(["at the end", "collected", "exit", "in a hurry"], "factory = EmbedderFactory(Config())")
MADE["dropped"] = "    await main(EmbedderFactory(Config()))"
"""The line of the program that made what it did not close."""


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
    made_at = LEAVING.splitlines().index(MADE[way]) + 1
    expected = f"<string>:{made_at}: ResourceWarning: never closed: the embedder of openai:m. Use 'async with' "
    assert warned[0].startswith(expected)
    assert KEY not in printed


@pytest.mark.parametrize("way", ["closed", "closed on another loop", "its embedder closed", "forked"])
def test_closed_objects_are_not_warned_about(way: str, tmp_path: Path) -> None:
    if way == "forked" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    assert leave(way, str(tmp_path / "cache.sqlite")) == ""


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
