"""Bytes, allocations and leaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from aembed import Config, EmbedderFactory, EmbedderOptions, bench
from perf.suite.corpora import SMALL, Corpus
from perf.suite.subjects import embedder, loopback


@bench.scenario(documents=[50, 500, 1000, 2000])
async def memory_of_documents(case: Any) -> AsyncIterator[bench.Subject]:
    """Grows with the input, and no faster."""
    async with embedder() as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, case.documents))


@bench.scenario(on=["mock", "http"])
async def repetitions(case: Any) -> AsyncIterator[bench.Subject]:
    """The same call thousands of times: nothing may stay."""
    async with embedder(case.on) as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, 5))


@bench.scenario(on=["mock", "http"])
async def lifetimes(case: Any) -> AsyncIterator[bench.Subject]:
    """Opened, asked and closed again: nothing may stay of a factory, its account or its connections."""
    async with AsyncExitStack() as stack:
        options: EmbedderOptions = {}
        model = case.on
        if case.on == "http":
            options = {"base_url": await stack.enter_async_context(loopback()), "api_key": "none"}
            model = "openai:text-embedding-3-small"
        texts = Corpus().of_length(SMALL, 5)

        async def call() -> Any:
            async with EmbedderFactory(Config()) as factory:
                return await (await factory.new_embedder(model, **options)).embed_documents(texts)

        yield bench.Subject(call, bench.vectors((5, None)))


@bench.scenario
async def buffer_reused(_: Any) -> AsyncIterator[bench.Subject]:
    """``out=``: no new array for 500 documents."""
    async with embedder() as opened:
        texts, rows = Corpus().of_length(SMALL, 500), np.empty((500, 128), np.float32)

        async def call() -> Any:
            return await opened.embed_documents(texts, out=rows)

        yield bench.Subject(call, bench.vectors((500, 128)))
