"""One candidate in a separate process: ``python -m perf.merge.child SUBJECT CALLERS MERGE BASE_URL CALLS``.

Each caller asks one query after the other, without a pause: a closed loop. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from itertools import cycle

import numpy as np

from aembed import Config, Embedder, EmbedderFactory, EmbedderOptions, Limits
from perf.merge.subjects import LOCAL, SLOTS
from perf.peers.server import CLIENT_CORE, pin
from perf.peers.texts import sentences


async def load(embedder: Embedder, callers: int, calls: int) -> tuple[list[float], float]:
    """Times of the calls in seconds, and how many ended in a second.

    Measuring begins when every caller has had one answer: they all started at once.
    """
    texts = cycle(sentences(20_000, seed=1))
    left = callers * (calls + 1)
    times: list[float] = []
    ends: list[float] = []

    async def call() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            started = time.perf_counter()
            await embedder.embed_query(next(texts))
            ends.append(time.perf_counter())
            times.append(ends[-1] - started)

    await asyncio.gather(*(call() for _ in range(callers)))
    return times[callers:], (len(ends) - callers) / (ends[-1] - ends[callers - 1])


async def main(subject: str, callers: int, merge: bool, base_url: str, calls: int) -> None:
    options: EmbedderOptions = {"merge": merge}
    if subject != LOCAL:
        pin(os.getpid(), CLIENT_CORE)
        options |= {"base_url": base_url, "limits": Limits(max_concurrency=SLOTS)}
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("local" if subject == LOCAL else "openai:m", **options)
        await embedder.embed_query("the connection, and the dimension")
        cpu = time.process_time()
        times, rate = await load(embedder, callers, calls)
        cpu = time.process_time() - cpu
        seen = embedder.statistics()
    figures = {
        "per s": rate,
        "p50 ms": float(np.quantile(times, 0.5)) * 1e3,
        "p99 ms": float(np.quantile(times, 0.99)) * 1e3,
        "texts a request": seen.texts / seen.requests,
        "CPU us": cpu / (seen.texts or 1) * 1e6,
        "failed": float(seen.failed),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    import uvloop

    subject, callers, merge, base_url, calls = sys.argv[1:]
    uvloop.run(main(subject, int(callers), merge == "merge", base_url, int(calls)))
