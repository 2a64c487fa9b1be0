"""The time of a query, layer by layer: ``python -m perf.peers.layers``.

The same queries, 64 in flight, through ever more of aembed: a protocol that knows the one server, aembed's connections,
its provider (request and reply as JSON), its engine (gate, timeout, retry, check), and the whole embedder. All run in
this process, in alternating blocks on one core; the least CPU time of each is what other programs disturbed least.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median
from typing import Any, TypeAlias

import msgspec

from aembed._engine.call import EmbedCall
from perf.peers.candidates import CANDIDATES, aembed_embedder
from perf.peers.child import run_in
from perf.peers.scenarios import QUERIES_IN_FLIGHT
from perf.peers.server import CLIENT_CORE, Server, pin, running, warm
from perf.peers.texts import sentences
from perf.rounds import table

QUERIES = 320
"""Queries of a block."""

Query: TypeAlias = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def layers(server: Server) -> AsyncGenerator[dict[str, Query]]:
    hand_rolled, raw_aiohttp = (CANDIDATES[name].load() for name in ("hand-rolled protocol", "aiohttp"))
    async with (
        raw_aiohttp.opened(server.base_url, QUERIES_IN_FLIGHT) as session,
        hand_rolled.opened(server.base_url, QUERIES_IN_FLIGHT) as bare,
        aembed_embedder.opened(server.base_url, QUERIES_IN_FLIGHT) as embedder,
    ):
        engine = embedder._engine
        provider: Any = engine._provider.inner
        transport, headers, url = provider._transport, provider._credentials.headers, provider.url

        async def through_connection(text: str) -> None:
            body = msgspec.json.encode({"model": "m", "input": [text], "encoding_format": "base64"})
            await transport.post(url, body, headers, max_bytes=2**20)

        async def through_provider(text: str) -> None:
            await provider.embed([text], kind="query")

        async def through_engine(text: str) -> None:
            await engine.run(EmbedCall([text], "query"))

        yield {
            "(aiohttp)": lambda text: raw_aiohttp.query(session, text),
            "hand-rolled protocol": lambda text: hand_rolled.query(bare, text),
            "connection": through_connection,
            "provider": through_provider,
            "engine": through_engine,
            "embedder": embedder.embed_query,
        }


async def measure(server: Server, texts: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """CPU microseconds of a query, for each block."""
    async with layers(server) as queries:
        times: dict[str, list[float]] = {name: [] for name in queries}
        order, dice = list(queries), random.Random(1)
        for _ in range(rounds + 1):  # the first warms up
            dice.shuffle(order)
            for name in order:
                times[name].append(await block(queries[name], texts))
    return {name: each[1:] for name, each in times.items()}


async def block(query: Query, texts: Sequence[str]) -> float:
    jobs = iter(texts)

    async def work() -> None:
        for text in jobs:
            await query(text)

    began = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(QUERIES_IN_FLIGHT):
            tasks.create_task(work())
    return (time.process_time() - began) / len(texts) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.peers.layers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    texts = sentences(QUERIES, 1)
    with running() as server:
        warm(server, texts)
        pin(os.getpid(), CLIENT_CORE)
        times = run_in(options.loop, measure(server, texts, options.rounds))
    least = {name: min(each) for name, each in times.items()}
    added = ["", *(f"{after - before:+.1f}" for before, after in pairwise(least.values()))]
    rows = [
        [name, f"{least[name]:.1f}", more, f"{median(each):.1f}"]
        for (name, each), more in zip(times.items(), added, strict=True)
    ]
    print(table([f"CPU us a query, {options.loop}", "least", "more", "median"], rows))


if __name__ == "__main__":
    main()
