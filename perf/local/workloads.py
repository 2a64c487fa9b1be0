"""Workloads, run inside an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from statistics import median, quantiles

from perf.local.candidates import Candidate
from perf.local.corpora import Corpora

UNITS = {
    "short": "texts/s",
    "long": "texts/s",
    "mixed": "texts/s",
    "short by CPU": "texts/s",
    "long by CPU": "texts/s",
    "mixed by CPU": "texts/s",
    "query p50": "ms",
    "query p50 in bulk": "ms",
    "loop lag p99": "ms",
}
_TICK = 0.001


async def measure(candidate: Candidate, corpora: Corpora) -> dict[str, float]:
    """Every figure of one opened candidate, in the units of ``UNITS``."""
    short, long, mixed = corpora.short(), corpora.long(), corpora.mixed()
    queries = corpora.queries(60)
    await candidate.documents([*short[:32], *long[:4], *mixed[:16]])
    await latencies(candidate, queries[:5])
    return {
        **await throughput(candidate, "short", short),
        **await throughput(candidate, "long", long),
        **await throughput(candidate, "mixed", mixed),
        "query p50": 1e3 * median(await latencies(candidate, queries)),
        "query p50 in bulk": 1e3 * median(await latencies_in_bulk(candidate, queries, mixed)),
        "loop lag p99": 1e3 * await loop_lag(candidate, mixed[: len(mixed) // 2]),
    }


async def throughput(candidate: Candidate, name: str, texts: Sequence[str]) -> dict[str, float]:
    """Texts per second, and per second of processor time, which a busy machine distorts less."""
    start, start_cpu = time.perf_counter(), time.process_time()
    vectors = await candidate.documents(texts)
    elapsed, elapsed_cpu = time.perf_counter() - start, time.process_time() - start_cpu
    assert vectors.shape == (len(texts), 384)
    return {name: len(texts) / elapsed, f"{name} by CPU": len(texts) / elapsed_cpu}


async def latencies(candidate: Candidate, queries: Sequence[str]) -> list[float]:
    """Seconds of each query, one after the other, with a breath between them."""
    seconds = []
    for query in queries:
        start = time.perf_counter()
        await candidate.query(query)
        seconds.append(time.perf_counter() - start)
        await asyncio.sleep(0.005)
    return seconds


async def latencies_in_bulk(candidate: Candidate, queries: Sequence[str], texts: Sequence[str]) -> list[float]:
    """The same while a bulk job runs, for as long as it runs."""
    async with _running(candidate, texts) as bulk:
        await asyncio.sleep(0.1)
        seconds = []
        for query in queries:
            seconds += await latencies(candidate, [query])
            if bulk.done():
                break
        return seconds


async def loop_lag(candidate: Candidate, texts: Sequence[str]) -> float:
    """99th percentile of how late a timer fires while texts are embedded, in seconds."""
    late = []
    async with _running(candidate, texts) as bulk:
        while not bulk.done():
            start = time.perf_counter()
            await asyncio.sleep(_TICK)
            late.append(time.perf_counter() - start - _TICK)
    return quantiles(late, n=100)[-1]


@asynccontextmanager
async def _running(candidate: Candidate, texts: Sequence[str]) -> AsyncGenerator[asyncio.Task[object]]:
    task: asyncio.Task[object] = asyncio.ensure_future(candidate.documents(texts))
    yield task
    await task
