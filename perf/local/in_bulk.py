"""A query, and the event loop's timer, while a bulk job runs: ``python -m perf.local.in_bulk``.

All candidates are open in one process and take turns in short blocks, so that other programs disturb them alike.
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

from perf.local.candidates import CANDIDATES, Candidate
from perf.local.corpora import Corpora
from perf.local.model_files import assemble

OURS, RIVALS = "aembed", ("fastembed", "fastembed (32)")
UNITS = {"query p50": "ms", "loop lag p99": "ms", "bulk": "texts/s of CPU"}
TEXTS = 128
"""Texts per call of the bulk job."""
TICK_S = 0.001
PAUSE_S = 0.005
"""Between queries."""


async def compare(directory: Path, rounds: int, seconds: float, seed: int) -> dict[str, dict[str, list[float]]]:
    """Name of the candidate -> figure -> its value in each round."""
    corpora = Corpora(directory / "vocab.txt", seed=seed, scale=1)
    order = random.Random(seed)
    results: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in (OURS, *RIVALS)}
    async with AsyncExitStack() as stack:
        opened = {name: await stack.enter_async_context(CANDIDATES[name](directory)) for name in results}
        texts, queries = corpora.mixed()[:TEXTS], corpora.queries(100)
        for candidate in opened.values():
            await candidate.documents(texts)
            await candidate.query(queries[0])
        for _ in range(rounds):
            for name in order.sample(list(opened), len(opened)):
                for figure, value in (await block(opened[name], texts, queries, seconds)).items():
                    results[name][figure].append(value)
    return results


async def block(candidate: Candidate, texts: Sequence[str], queries: Sequence[str], seconds: float) -> dict[str, float]:
    """One turn: queries one after the other, and a timer, until the time is over; the bulk job ends its last call."""
    end = time.perf_counter() + seconds
    done, late, taken = 0, list[float](), list[float]()

    async def bulk() -> None:
        nonlocal done
        while time.perf_counter() < end:
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
            await asyncio.sleep(PAUSE_S)
    spent = time.process_time() - start_cpu
    lag = quantiles(late, n=100)[-1] if len(late) > 1 else seconds
    return {"query p50": 1e3 * median(taken), "loop lag p99": 1e3 * lag, "bulk": done / spent}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.local.in_bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one turn")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = asyncio.run(compare(assemble(Path(scratch)), options.rounds, options.seconds, options.seed))
    for name, figures in results.items():
        cells = [f"{figure} {median(figures[figure]):.2f} {unit}" for figure, unit in UNITS.items()]
        print(
            f"{name:>15}: {', '.join(cells)}; best {min(figures['query p50']):.2f}, {min(figures['loop lag p99']):.2f}"
        )
    for rival in RIVALS:
        for figure in UNITS:
            ratios = [a / b for a, b in zip(results[OURS][figure], results[rival][figure], strict=True)]
            low, middle, high = quantiles(ratios, n=4)
            print(f"{figure}: {middle:.2f}x that of {rival} (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
