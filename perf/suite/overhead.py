"""The cost of aembed itself, part by part. The floor is the mock alone, called without an embedder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aembed import bench
from aembed.providers.mock import MockProvider
from perf.suite.corpora import SMALL, Corpus
from perf.suite.subjects import embedder


@bench.scenario(documents=[1, 20, 100, 2000])
async def mock_alone(case: Any) -> AsyncIterator[bench.Subject]:
    """The floor: no embedder, gate or check."""
    mock, texts = MockProvider(), Corpus().of_length(SMALL, case.documents)

    async def call() -> Any:
        return (await mock.embed(texts, kind="document")).vectors

    yield bench.Subject(call, bench.vectors((case.documents, 128)))


@bench.scenario(batches=[1, 2, 10, 50])
async def batches(case: Any) -> AsyncIterator[bench.Subject]:
    """100 documents in so many requests: what a request costs, and from two on the fan-out."""
    async with embedder(batch_size=100 // case.batches) as opened:
        yield bench.documents(opened, Corpus().of_length(SMALL, 100))


@bench.scenario(documents=[1, 100, 2000])
async def cache_hit(case: Any) -> AsyncIterator[bench.Subject]:
    """All of them in memory."""
    async with embedder(cache=True) as opened:
        texts = Corpus().of_length(SMALL, case.documents)
        await opened.embed_documents(texts)
        yield bench.documents(opened, texts)


@bench.scenario
async def refusal_of_bad_input(_: Any) -> AsyncIterator[bench.Subject]:
    """100 documents, the last of which is blank: the check, and the error."""
    from aembed import InputError

    async with embedder() as opened:
        texts = [*Corpus().of_length(SMALL, 99), " "]

        async def call() -> int | None:
            try:
                await opened.embed_documents(texts)
            except InputError as error:
                return error.index
            return None

        yield bench.Subject(call, lambda index: None if index == 99 else f"index {index}")


@bench.scenario(limits=["none", "requests", "requests and tokens"])
async def admission(case: Any) -> AsyncIterator[bench.Subject]:
    """A query on the mock with limits that are never reached: what differs is the gate."""
    from aembed import Limits

    given = {
        "none": Limits(),
        "requests": Limits(requests_per_minute=1e9),
        "requests and tokens": Limits(requests_per_minute=1e9, tokens_per_minute=1e12),
    }
    async with embedder(limits=given[case.limits]) as opened:
        yield bench.query(opened, Corpus().queries(1)[0])
