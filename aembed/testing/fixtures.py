"""Fixtures for pytest: put ``pytest_plugins = ["aembed.testing.fixtures"]`` into your top ``conftest.py``.

    async def test_a_broken_connection_is_survived(loopback):
        server = loopback(LoopbackServer("openai", faults=[Reset("body")]))
        async with EmbedderFactory() as factory:
            embedder = await factory.new_embedder("openai", base_url=server.base_url, api_key="any")
            assert (await embedder.embed_query("text")).any()
        assert server.counters.requests == 2

The fixture is not a coroutine: it serves tests of asyncio, anyio, trio, and of programs without any loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from aembed.testing.server import LoopbackServer

Serve: TypeAlias = Callable[[LoopbackServer], LoopbackServer]


@pytest.fixture
def loopback() -> Generator[Serve]:
    """Start a server in a thread; it ends with the test."""
    with ExitStack() as servers:
        yield servers.enter_context
