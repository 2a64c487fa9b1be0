"""Event loop lag that decoding causes: ``python -m perf.peers.lag``.

A ticker in the client's loop asks for its next turn every millisecond and notes how late it comes: at rest, and while
replies of 2048 vectors of 3072 dimensions come in, as base64 and as numbers, one after the other or four at once,
through a whole embedder. Each case runs in a fresh process, on one core that is not the server's: worker threads
share it with the loop. While the loop stands still, every tick that falls into that time counts, as late as it comes.
The floor is the same body read by aiohttp and dropped piece by piece.
"Own" is the part of the lateness that this process computed, in any thread: on a machine that does other things
as well the rest is theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from array import array
from collections.abc import Coroutine
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from perf.peers.candidates.batches import Rows
from perf.peers.child import run_in, truth
from perf.peers.clocks import Clocks
from perf.peers.server import CLIENT_CORE, Server, pin, running, warm
from perf.peers.texts import sentences
from perf.rounds import cell, in_fresh_process, interleaved, keep, table

COUNT, DIM = 2048, 3072
TICK = 0.001
MOST_LAG_MS = 5.0
FLOOR = "base64, read and dropped"
CASES = {
    "at rest": (0, COUNT),
    FLOOR: (1, COUNT),
    "base64": (1, COUNT),
    "numbers": (1, COUNT),
    "base64, 4 at once": (4, COUNT),
    "numbers, 4 at once": (4, COUNT),
    "base64, in batches of 128": (1, 128),
}
"""Number of calls in flight at once, and of their texts in a request."""
FIGURES = ("p50 ms", "p99 ms", "p99.9 ms", "max ms", "own p99 ms", "own p99.9 ms", "own max ms", "stolen", "replies")


async def measure(server: Server, load: tuple[int, int], expected: Rows, seconds: float) -> dict[str, float]:
    from aembed import Config, EmbedderFactory

    texts = sentences(COUNT, 1)
    calls, batch = load
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=server.base_url, timeout=60.0)
        engine = embedder._engine
        engine.spec = replace(engine.spec, max_batch_texts=batch)  # a self-hosted server is given fewer
        await embedder.embed_query(texts[0])
        vectors: list[Rows] = [expected]
        end = time.perf_counter() + seconds

        async def work() -> int:
            replies = 0
            while time.perf_counter() < end:
                vectors[0] = await embedder.embed_documents(texts)
                replies += 1
            return replies

        figures = await ticked(server, seconds, *(work() for _ in range(calls)))
    assert np.array_equal(vectors[0], expected), "the vectors are not the server's"
    return figures


async def read_and_drop(server: Server, seconds: float) -> dict[str, float]:
    import aiohttp

    body = json.dumps({"model": "m", "input": sentences(COUNT, 1), "encoding_format": "base64"}).encode()
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        end = time.perf_counter() + seconds

        async def work() -> int:
            replies = 0
            while time.perf_counter() < end:
                async with session.post(f"{server.base_url}/embeddings", data=body) as response:
                    async for _ in response.content.iter_any():
                        pass
                replies += 1
            return replies

        return await ticked(server, seconds, work())


async def ticked(server: Server, seconds: float, *work: Coroutine[Any, Any, int]) -> dict[str, float]:
    clocks = Clocks(server)
    with Ticker() as ticker:
        replies = sum(await asyncio.gather(asyncio.sleep(seconds, 0), *work))
    stolen = clocks.figures(1)["stolen"]
    late, own = (np.percentile(values, [50, 99, 99.9, 100]) * 1e3 for values in (ticker.late, ticker.own))
    return dict(zip(FIGURES, (*map(float, (*late, *own[1:])), stolen, replies), strict=True))


class Ticker:
    """Notes how many seconds late each tick is, and how much of that this process computed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.late, self.own = array("d"), array("d")

    def __enter__(self) -> Ticker:
        self._due, self._used = time.perf_counter() + TICK, time.process_time()
        self._handle = self._loop.call_later(TICK, self._tick)
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.cancel()

    def _tick(self) -> None:
        now, used = time.perf_counter(), time.process_time()
        while self._due <= now:
            self.late.append(now - self._due)
            self.own.append(min(now - self._due, used - self._used))
            self._due += TICK
        self._used = used
        self._handle = self._loop.call_later(self._due - now, self._tick)


def main() -> None:
    options = arguments()
    if options.case:
        pin(os.getpid(), CLIENT_CORE)
        server = Server(options.base_url, options.pid)
        expected = truth(sentences(COUNT, 1), DIM)
        if options.case == FLOOR:
            work = read_and_drop(server, options.seconds)
        else:
            work = measure(server, CASES[options.case], expected, options.seconds)
        print(json.dumps(run_in(options.loop, work)))
        return
    results: dict[str, list[Any]] = {case: [] for case in CASES}
    with running(dim=DIM) as plain, running("--always-floats", dim=DIM) as numbers:
        texts = sentences(COUNT, 1)
        for server in (plain, numbers):
            warm(server, texts)
        for _, case in interleaved(list(CASES), options.rounds, options.seed):
            server = numbers if case.startswith("numbers") else plain
            command = [sys.executable, "-m", "perf.peers.lag", "--case", case, "--base-url", server.base_url]
            command += ["--pid", str(server.pid), "--seconds", str(options.seconds), "--loop", options.loop]
            results[case].append(in_fresh_process(case, command))
    path = keep("peers-lag", {"loop": options.loop, "seconds": options.seconds}, results=results)
    rows = [[case, *(cell([each[name] for each in rounds]) for name in FIGURES)] for case, rounds in results.items()]
    print(table([f"loop lag, {options.loop}", *FIGURES], rows), "", sep="\n")
    for case, rounds in results.items():
        lag = median(each["own p99.9 ms"] for each in rounds)
        print(f"{case}: own p99.9 {lag:.2g} ms, under {MOST_LAG_MS:g}: {'met' if lag < MOST_LAG_MS else 'NOT met'}")
    print(f"\nwritten to {path}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.peers.lag", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
