"""Many callers on one embedder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from aembed import Limits, Registry, bench
from perf.suite.corpora import SMALL, Corpus
from perf.suite.subjects import embedder


@bench.scenario(callers=[1, 5, 10, 20, 100])
async def callers(case: Any) -> AsyncIterator[bench.Subject]:
    """Each with 5 documents, all at once, on the mock: a round of all of them."""
    async with embedder() as opened:
        corpus = Corpus()
        texts = [corpus.of_length(SMALL, 5) for _ in range(case.callers)]

        async def round_of_all() -> list[Any]:
            return await asyncio.gather(*(opened.embed_documents(own) for own in texts))

        one = bench.vectors((5, 128))
        yield bench.Subject(round_of_all, lambda found: one(found[0]) or _shapes(found, case.callers))


def _shapes(found: list[Any], expected: int) -> str | None:
    return None if [rows.shape for rows in found] == [(5, 128)] * expected else "not the vectors of every caller"


@bench.scenario(slots=[1, 4, 16])
async def contention(case: Any) -> AsyncIterator[bench.Subject]:
    """20 callers for so many slots, 1 ms each."""
    options = {"latency": 0.001}
    async with embedder(limits=Limits(max_concurrency=case.slots), provider_options=options) as opened:
        texts = Corpus().of_length(SMALL, 1)

        async def round_of_all() -> list[Any]:
            return await asyncio.gather(*(opened.embed_documents(texts) for _ in range(20)))

        yield bench.Subject(round_of_all, lambda found: None if len(found) == 20 else "some are missing")


@bench.scenario
async def queries_beside_bulk(_: Any) -> AsyncIterator[bench.Subject]:
    """A query while 500 documents are under way, of 1 ms a request: it must not wait for them."""
    async with embedder(batch_size=10, provider_options={"latency": 0.001}) as opened:
        texts, question = Corpus().of_length(SMALL, 500), Corpus().queries(1)[0]

        async def bulk() -> None:
            while True:
                await opened.embed_documents(texts)

        running = asyncio.create_task(bulk())
        try:
            yield bench.query(opened, question)
        finally:
            running.cancel()
            await asyncio.wait([running])


@bench.scenario
async def registry_in_threads(_: Any) -> AsyncIterator[bench.Subject]:
    """Two threads register while names are looked up."""
    registry, end = Registry(), threading.Event()

    def register() -> None:
        for number in range(20_000):
            if end.is_set():
                return
            registry.register(f"{threading.get_ident()}-{number}", "aembed.providers.mock:open_provider")

    threads = [threading.Thread(target=register) for _ in range(2)]
    for thread in threads:
        thread.start()

    async def call() -> Any:
        return registry.get("mock")

    try:
        yield bench.Subject(call, lambda found: None if callable(found) else "no opener")
    finally:
        end.set()
        for thread in threads:
            thread.join()
