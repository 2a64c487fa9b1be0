"""Embedders to measure: on the mock, which costs nearly nothing; the local model; and a server on this machine."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Unpack

from aembed import Config, Embedder, EmbedderFactory, EmbedderOptions


@asynccontextmanager
async def embedder(on: str = "mock", **options: Unpack[EmbedderOptions]) -> AsyncIterator[Embedder]:
    """``on`` is "mock", "local" or "http"; opened, and used once."""
    async with AsyncExitStack() as stack:
        model = on
        if on == "http":
            options = {"base_url": await stack.enter_async_context(loopback()), "api_key": "none", **options}
            model = "openai:text-embedding-3-small"
        factory = await stack.enter_async_context(EmbedderFactory(Config()))
        opened = await factory.new_embedder(model, **options)
        await opened.embed_query("warm")
        yield opened


@asynccontextmanager
async def loopback(*options: str) -> AsyncIterator[str]:
    """The base URL of a server in a separate process."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "aembed.testing.server", "--until-eof", "--dim", "1536", *options]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["base_url"]
    finally:
        process.stdin.close()
        await process.wait()
