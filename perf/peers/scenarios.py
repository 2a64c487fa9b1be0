"""The measurements, from inside a running event loop. Every result is compared with the vectors the server made."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import numpy as np

from perf.peers.candidates import Candidate
from perf.peers.candidates.batches import Rows
from perf.peers.clocks import Clocks, Figures
from perf.peers.memory import Memory
from perf.peers.server import Server

SEQUENTIAL, CONCURRENT, BULK = 300, 500, 20_000
QUERIES_IN_FLIGHT, BATCHES_IN_FLIGHT = 64, 32
ENOUGH_SECONDS, MOST_SECONDS, ENOUGH_RUNS = 1.0, 3.0, 3
CALM = 0.1
"""Other programs took less than this share of either core."""


@dataclass(frozen=True, slots=True)
class Run:
    """A candidate, its texts, and the vectors it has to get."""

    candidate: Candidate
    server: Server
    texts: Sequence[str]
    truth: Rows
    share: float

    def part(self, full: int) -> Sequence[str]:
        return self.texts[: max(100, round(full * self.share))]

    def check(self, vectors: Rows | Sequence[Rows]) -> None:
        """Shape, type and every bit."""
        assert all(row.dtype == np.float32 for row in vectors), "not float32"
        assert np.array_equal(vectors, self.truth[: len(vectors)]), "the vectors are not the server's"


async def sequential(run: Run, client: Any) -> Figures:
    """(a) One query after the other."""
    texts = run.part(SEQUENTIAL)
    for text in texts[:20]:  # other candidates have had the caches meanwhile
        await run.candidate.query(client, text)
    gc.collect()
    seconds, vectors = [], []
    clocks = Clocks(run.server)
    for text in texts:
        start = time.perf_counter()
        vectors.append(await run.candidate.query(client, text))
        seconds.append(time.perf_counter() - start)
    figures = clocks.figures(len(texts))
    run.check(vectors)
    return {"p50 us": median(seconds) * 1e6, "p99 us": quantiles(seconds, n=100)[-1] * 1e6, **figures}


async def concurrent(run: Run, client: Any) -> Figures:
    """(b) Single queries, many in flight."""
    texts = run.part(CONCURRENT)
    await at_once(run.candidate, client, texts[: 2 * QUERIES_IN_FLIGHT])
    gc.collect()
    clocks = Clocks(run.server)
    vectors = await at_once(run.candidate, client, texts)
    figures = clocks.figures(len(texts))
    run.check(vectors)
    return figures


async def bulk(run: Run, client: Any) -> Figures:
    """(c) All texts into one array: first for the memory, then, with everything warm, for the time."""
    texts = run.part(BULK)

    async def measure() -> Figures:
        clocks = Clocks(run.server)
        vectors = await run.candidate.documents(client, texts)
        figures = clocks.figures(len(texts))
        run.check(vectors)
        return figures

    await run.candidate.query(client, texts[0])
    gc.collect()
    memory = Memory()
    size = (await run.candidate.documents(client, texts)).nbytes
    peak = {"peak MB": memory.peak() / 1e6, "array MB": size / 1e6, "baseline MB": memory.baseline / 1e6}
    return {**peak, "peak / array": memory.peak() / size, **await settled(measure)}


@dataclass(frozen=True, slots=True)
class Scenario:
    """``measure(run, client)`` once, with a client opened for so many requests in flight."""

    measure: Callable[[Run, Any], Awaitable[Figures]]
    texts: int
    in_flight: int


SCENARIOS = {
    "a": Scenario(sequential, SEQUENTIAL, 1),
    "b": Scenario(concurrent, CONCURRENT, QUERIES_IN_FLIGHT),
    "c": Scenario(bulk, BULK, BATCHES_IN_FLIGHT),
}


async def at_once(candidate: Candidate, client: Any, texts: Sequence[str]) -> list[Rows]:
    """The texts' vectors, by workers over one iterator."""
    vectors: dict[int, Rows] = {}
    jobs = enumerate(texts)

    async def work(jobs: Iterable[tuple[int, str]]) -> None:
        for number, text in jobs:
            vectors[number] = await candidate.query(client, text)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(QUERIES_IN_FLIGHT):
            tasks.create_task(work(jobs))
    return [vectors[number] for number in range(len(texts))]


async def settled(measure: Callable[[], Awaitable[Figures]]) -> Figures:
    """The median of those of several runs that other programs disturbed least; of one, if it takes long.

    A second's worth of runs, and up to three while much of the cores is taken by others. Which are kept is decided by
    what others took, and not by how well the candidate did.
    """
    runs: list[Figures] = []
    start = time.perf_counter()
    while True:
        gc.collect()
        runs.append(await measure())
        seconds, calm = time.perf_counter() - start, sum(disturbance(run) < CALM for run in runs)
        if seconds > MOST_SECONDS or (seconds > ENOUGH_SECONDS and calm >= ENOUGH_RUNS) or calm >= 2 * ENOUGH_RUNS:
            break
    kept = calmest(runs)
    return {name: median(run[name] for run in kept) for name in runs[0]}


def calmest(runs: Sequence[Figures]) -> Sequence[Figures]:
    """The half that other programs disturbed least, or a few of a few."""
    return sorted(runs, key=disturbance)[: max(ENOUGH_RUNS, len(runs) // 2)]


def disturbance(run: Figures) -> float:
    """Share of the wall time that one side or the other waited for its core."""
    return max(run["stolen"], run["server stolen"])
