"""``python -m perf.sync``: cost of a synchronous call, and queries from many threads against the ``openai`` package.

``cost``: microseconds of ``SyncEmbedder.embed_query`` beyond ``await embedder.embed_query``, of the clock and of the
processor (all threads), with the mock provider; and those of an Embedder behind ``asyncio.run_coroutine_threadsafe``.
``requests``: the same with a request to the loopback server, compared with ``openai.OpenAI``. All run in turns, in
blocks of 200 calls, so that a busy machine slows each alike.
``threads``: queries a second of 64 threads, on the loopback server in a separate process, with
micro-batching and with ``openai.OpenAI`` (one client for all threads, as its documentation advises), in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from aembed import Config, SyncEmbedder, new_embedder
from perf.peers.server import running, warm
from perf.rounds import cell, table

QUERIES = [f"query {number}" for number in range(200)]
"""Queries of one block. Without a cache, each costs the same."""
DIM = 1536
Clocks = tuple[float, float]


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def per_call(before: Clocks, calls: int) -> Clocks:
    """Microseconds a call: clock, processor."""
    wall, processor = clocks()
    return (wall - before[0]) / calls * 1e6, (processor - before[1]) / calls * 1e6


def cost(rounds: int) -> str:
    """With the mock provider: what a call costs more on another thread, in two ways."""
    with (
        asyncio.Runner() as runner,
        asyncio_thread() as loop,
        SyncEmbedder("mock", config=Config()) as synchronous,
    ):
        embedder = runner.run(open_mock())
        other = asyncio.run_coroutine_threadsafe(open_mock(), loop).result()
        ways: dict[str, Callable[[], Clocks]] = {
            "await": lambda: runner.run(awaited(embedder.embed_query, QUERIES)),
            "SyncEmbedder": lambda: called(synchronous.embed_query, QUERIES),
            "run_coroutine_threadsafe": lambda: called(
                lambda text: asyncio.run_coroutine_threadsafe(other.embed_query(text), loop).result(), QUERIES
            ),
        }
        rows = compared(ways, rounds)
        runner.run(embedder.aclose())
        asyncio.run_coroutine_threadsafe(other.aclose(), loop).result()
    return rows


def requests(rounds: int) -> str:
    """One thread, a request each: the event loop sleeps until the reply comes, however it is called."""
    from openai import OpenAI

    with running(dim=DIM) as server, asyncio.Runner() as runner:
        warm(server, QUERIES)
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "any", "config": Config()}
        with SyncEmbedder("openai:m", **options) as synchronous, OpenAI(base_url=server.base_url, api_key="any") as sdk:
            embedder = runner.run(opened("openai:m", **options))
            ways: dict[str, Callable[[], Clocks]] = {
                "await": lambda: runner.run(awaited(embedder.embed_query, QUERIES)),
                "SyncEmbedder": lambda: called(synchronous.embed_query, QUERIES),
                "openai.OpenAI": lambda: called(lambda text: sdk.embeddings.create(model="m", input=text), QUERIES),
            }
            rows = compared(ways, rounds)
            runner.run(embedder.aclose())
    return rows


def compared(ways: dict[str, Callable[[], Clocks]], rounds: int) -> str:
    """Blocks of all ways in turns, so that a busy machine slows each alike."""
    found: dict[str, list[Clocks]] = {name: [] for name in ways}
    for block in ways.values():
        block()
    for _ in range(rounds):
        for name, block in ways.items():
            found[name].append(block())
    rows = []
    for number, clock in enumerate(("clock", "processor")):
        for name, blocks in found.items():
            values = [each[number] for each in blocks]
            extra = [each[number] - plain[number] for each, plain in zip(blocks, found["await"], strict=True)]
            rows.append([clock, name, f"{median(values):.1f}", f"{median(extra):.1f}", f"{min(extra):.1f}"])
    return table(["us a call", "way", "median", "beyond await, median", "least"], rows)


async def awaited(query: Callable[[str], Awaitable[Any]], texts: Sequence[str]) -> Clocks:
    before = clocks()
    for text in texts:
        await query(text)
    return per_call(before, len(texts))


def called(query: Callable[[str], Any], texts: Sequence[str]) -> Clocks:
    before = clocks()
    for text in texts:
        query(text)
    return per_call(before, len(texts))


@contextmanager
def asyncio_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of asyncio in a separate thread, as one would write it without SyncEmbedder."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def opened(model: str, **options: Any) -> Any:
    return await new_embedder(model, **options)


async def open_mock() -> Any:
    return await opened("mock", config=Config())


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
    parser.add_argument("--only", choices=["cost", "requests", "threads"])
    options = parser.parse_args()
    ways: dict[str, Callable[[], str]] = {
        "cost": lambda: cost(options.rounds),
        "requests": lambda: requests(options.rounds),
        "threads": lambda: threads(max(3, options.rounds // 6), options.threads, options.queries),
    }
    for name, measure in ways.items():
        if options.only in {None, name}:
            print(measure(), end="\n\n")


if __name__ == "__main__":
    main()
