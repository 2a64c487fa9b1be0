"""Public calls, one at a time: on the mock, the local model and a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aembed import bench
from perf.suite.corpora import SMALL, Corpus
from perf.suite.subjects import embedder


@bench.scenario(on=["mock", "local", "http"])
async def embed_query(case: Any) -> AsyncIterator[bench.Subject]:
    async with embedder(case.on) as opened:
        yield bench.query(opened, Corpus().queries(1)[0])


@bench.scenario(on=["mock"], documents=[5, 20, 100, 2000])
async def embed_documents(case: Any) -> AsyncIterator[bench.Subject]:
    async with embedder(case.on) as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, case.documents))


@bench.scenario(on=["local", "http"], documents=[5, 20])
async def embed_documents_of(case: Any) -> AsyncIterator[bench.Subject]:
    """Providers that compute or send bytes."""
    async with embedder(case.on) as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, case.documents))


@bench.scenario
async def get_dimension(_: Any) -> AsyncIterator[bench.Subject]:
    async with embedder() as opened:
        yield bench.Subject(opened.get_dimension, lambda dim: None if dim == 128 else f"dimension {dim}")


@bench.scenario(dimensions=[64, 128, 256, 512, 1024])
async def dimensions(case: Any) -> AsyncIterator[bench.Subject]:
    """20 documents on the mock."""
    async with embedder(dimensions=case.dimensions) as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, 20))
