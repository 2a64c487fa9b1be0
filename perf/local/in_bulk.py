"""A query, and the event loop's timer, alone and during a bulk job: ``python -m perf.local.in_bulk``.

All candidates are open in one process and take turns in short blocks, so that other programs disturb them alike. The
floor is onnxruntime without a library around it, in the same threads. For the lag alone there is a second one, threads
that sleep: a timer of asyncio is late whenever another event wakes the loop before it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles

import psutil
import uvloop

from perf.local.candidates import CANDIDATES, Candidate, InThread
from perf.local.corpora import Corpora
from perf.local.model_files import assemble

OURS, FLOOR, RIVALS = "aembed", "onnxruntime", ("fastembed", "fastembed (32)")
IDLE = "sleeping threads"
SLEEP_S, QUERY_SLEEP_S = 0.05, (0.003, 0.005)
"""Seconds that a document and a query sleep: a query's are random, or its answers would keep in step with the timer."""
UNITS = {
    "query alone": "ms",
    "lag p99 alone": "ms",
    "query": "ms",
    "lag p99": "ms",
    "bulk": "texts/s of CPU",
    "others": "cores",
}
"""``others``: cores that other programs took; there should be none."""
TEXTS = 64
"""Texts per call of the bulk job."""
TICK_S = 0.001
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Figures = dict[str, dict[str, list[float]]]
"""Name of the candidate -> figure -> its value in each round."""


async def compare(directory: Path, rounds: int, seconds: float, pause: float, seed: int) -> Figures:
    corpora = Corpora(directory / "vocab.txt", seed=seed, scale=1)
    order = random.Random(seed)
    results: Figures = {name: defaultdict(list) for name in (OURS, FLOOR, *RIVALS)}
    async with AsyncExitStack() as stack:
        opened = {name: await stack.enter_async_context(CANDIDATES[name](directory)) for name in results}
        results[IDLE] = defaultdict(list)
        opened[IDLE] = InThread(lambda _: time.sleep(SLEEP_S), lambda _: time.sleep(random.uniform(*QUERY_SLEEP_S)))
        texts, queries = corpora.mixed()[:TEXTS], corpora.queries(100)
        for candidate in opened.values():
            await candidate.documents(texts)
            for query in queries:
                await candidate.query(query)
        for _ in range(rounds):
            for name in order.sample(list(opened), len(opened)):
                for figure, value in (await turn(opened[name], texts, queries, seconds, pause)).items():
                    if name != IDLE or figure.startswith("lag"):
                        results[name][figure].append(value)
    return results


async def turn(
    candidate: Candidate, texts: Sequence[str], queries: Sequence[str], seconds: float, pause: float
) -> dict[str, float]:
    """A block of queries alone, and one during a bulk job."""
    start, start_busy, start_cpu = time.perf_counter(), busy_s(), time.process_time()
    alone, lag_alone, _ = await block(candidate, [], queries, seconds, pause)
    query, lag, bulk = await block(candidate, texts, queries, seconds, pause)
    others = busy_s() - start_busy - (time.process_time() - start_cpu)
    return {
        "query alone": 1e3 * alone,
        "lag p99 alone": 1e3 * lag_alone,
        "query": 1e3 * query,
        "lag p99": 1e3 * lag,
        "bulk": bulk,
        "others": max(0.0, others) / (time.perf_counter() - start),
    }


async def block(
    candidate: Candidate, texts: Sequence[str], queries: Sequence[str], seconds: float, pause: float
) -> tuple[float, float, float]:
    """Queries one after the other, and a timer, until the time is over; the bulk job ends its last call.

    The median of the queries, the 99th percentile of the timer's lateness, and texts of the job per second of CPU.
    """
    end = time.perf_counter() + seconds
    done, late, taken = 0, list[float](), list[float]()

    async def bulk() -> None:
        nonlocal done
        while texts and time.perf_counter() < end:
            await candidate.documents(texts)
            done += len(texts)

    async def tick() -> None:
        while time.perf_counter() < end:
            start = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - start - TICK_S)

    start_cpu = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bulk())
        tasks.create_task(tick())
        await asyncio.sleep(0.05)
        while time.perf_counter() < end or not taken:
            start = time.perf_counter()
            await candidate.query(queries[len(taken) % len(queries)])
            taken.append(time.perf_counter() - start)
            await asyncio.sleep(pause)
    spent = time.process_time() - start_cpu
    lag = quantiles(late, n=100)[-1] if len(late) > 1 else seconds
    return median(taken), lag, done / spent


def busy_s() -> float:
    """CPU seconds that this machine has spent, on all its cores."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.local.in_bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one block")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.005, help="seconds between queries")
    parser.add_argument("--loop", choices=sorted(LOOPS), default="asyncio")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
        directory = assemble(Path(scratch))
        results = runner.run(compare(directory, options.rounds, options.seconds, options.pause, options.seed))
    print(table(results))


def table(results: Figures) -> str:
    """Median and best round of every figure, and how many times that of others ours is: quartiles of rounds."""
    lines = [
        f"{name:>15}: "
        + ", ".join(f"{figure} {median(values):.2f} ({min(values):.2f})" for figure, values in row.items())
        for name, row in results.items()
    ]
    for other in (FLOOR, IDLE, *RIVALS):
        for figure in (figure for figure in results[other] if figure != "others"):
            ratios = [a / b for a, b in zip(results[OURS][figure], results[other][figure], strict=True)]
            low, middle, high = quantiles(ratios, n=4)
            lines.append(f"{figure}: {middle:.2f}x that of {other} (quartiles {low:.2f} to {high:.2f})")
    units = ", ".join(f"{figure}: {unit}" for figure, unit in UNITS.items())
    return "\n".join([f"median (best) of the rounds; {units}", *lines])


if __name__ == "__main__":
    main()
