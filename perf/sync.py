"""``python -m perf.sync``: cost of a synchronous call, and queries from many threads against the ``openai`` package.

``cost``: microseconds that ``SyncEmbedder.embed_query`` takes beyond ``await embedder.embed_query`` with the mock
provider, of the clock and of the processor (all threads). Both run in turns, in blocks of 200 calls, so that a busy
machine slows both. ``threads``: queries a second of 64 threads, on the loopback server in a process of its own, with
micro-batching and with ``openai.OpenAI`` (one client for all threads, as its documentation advises), in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from aembed import Config, SyncEmbedder, new_embedder
from perf.peers.server import running, warm
from perf.rounds import cell, table

BLOCK = 200
DIM = 1536
Clocks = tuple[float, float]


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def per_call(before: Clocks, calls: int) -> Clocks:
    """Microseconds a call: clock, processor."""
    wall, processor = clocks()
    return (wall - before[0]) / calls * 1e6, (processor - before[1]) / calls * 1e6


def cost(rounds: int) -> str:
    async def block() -> Clocks:
        before = clocks()
        for _ in range(BLOCK):
            await embedder.embed_query("a query")
        return per_call(before, BLOCK)

    def synchronous_block() -> Clocks:
        before = clocks()
        for _ in range(BLOCK):
            synchronous.embed_query("a query")
        return per_call(before, BLOCK)

    with asyncio.Runner() as runner, SyncEmbedder("mock", config=Config()) as synchronous:
        embedder = runner.run(open_mock())
        found = [(runner.run(block()), synchronous_block()) for _ in range(rounds)]
        runner.run(embedder.aclose())
    rows = []
    for clock, name in enumerate(("clock", "processor")):
        plain, threaded = ([each[way][clock] for each in found] for way in (0, 1))
        extra = [late - early for early, late in zip(plain, threaded, strict=True)]
        rows.append(
            [name, f"{median(plain):.1f}", f"{median(threaded):.1f}", f"{median(extra):.1f}", f"{min(extra):.1f}"]
        )
    return table(["us a call", "await", "SyncEmbedder", "extra, median", "extra, least"], rows)


async def open_mock() -> Any:
    return await new_embedder("mock", config=Config())


def threads(rounds: int, width: int, queries: int) -> str:
    from openai import OpenAI

    texts = [f"a query of some length, number {number:05}" for number in range(width * queries)]
    rates: dict[str, list[float]] = {"SyncEmbedder(merge=True)": [], "openai.OpenAI": []}
    with running(dim=DIM) as server:
        warm(server, texts)
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "any", "config": Config()}
        with (
            SyncEmbedder("openai:m", merge=True, **options) as embedder,
            OpenAI(base_url=server.base_url, api_key="any") as client,
        ):
            ways: dict[str, Callable[[str], Any]] = {
                "SyncEmbedder(merge=True)": embedder.embed_query,
                "openai.OpenAI": lambda text: client.embeddings.create(model="m", input=text).data[0].embedding,
            }
            for _ in range(rounds):
                for name, query in ways.items():
                    rates[name].append(rate(query, texts, width))
    ours, theirs = rates.values()
    ratio = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return table(
        [f"queries/s, {width} threads", "median (lowest-highest)"],
        [*([name, cell(values)] for name, values in rates.items()), ["ratio", cell(ratio)]],
    )


def rate(query: Callable[[str], Any], texts: list[str], width: int) -> float:
    """Queries a second, once all threads have started."""
    gate = threading.Barrier(width + 1)

    def work(own: list[str]) -> None:
        gate.wait()
        for text in own:
            query(text)

    workers = [threading.Thread(target=work, args=(texts[start::width],)) for start in range(width)]
    for worker in workers:
        worker.start()
    gate.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return len(texts) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.sync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="number of turns of each way")
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--queries", type=int, default=20, help="queries of each thread in a turn")
    parser.add_argument("--only", choices=["cost", "threads"])
    options = parser.parse_args()
    if options.only != "threads":
        print(cost(options.rounds), end="\n\n")
    if options.only != "cost":
        print(threads(max(3, options.rounds // 6), options.threads, options.queries))


if __name__ == "__main__":
    main()
