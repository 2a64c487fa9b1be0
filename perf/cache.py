"""``python -m perf.cache``: cost of a hit in microseconds per text, compared with a plain dict of arrays.

Every round asks each way for the same texts, one after the other, so that a busy machine slows all of them. The time is
that of the processor, of all threads. ``longest`` is the longest the event loop was kept from others, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.lowlevel
import numpy as np

from aembed import Config, EmbedderFactory, Vectors
from perf.rounds import table

DIM = 384


class DictOfArrays:
    """The least a cache can do: the text's SHA-256, a dict, and a copy of each row."""

    def __init__(self, texts: list[str], vectors: Vectors) -> None:
        self._rows = dict(zip(map(self._key, texts), vectors, strict=True))

    async def embed_documents(self, texts: list[str]) -> Vectors:
        return np.stack([self._rows[self._key(text)] for text in texts])

    @staticmethod
    def _key(text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()


async def measure(embed: Callable[[list[str]], Awaitable[Vectors]], texts: list[str]) -> tuple[float, float]:
    """Microseconds of processor time for a text, and the longest turn of the loop in milliseconds."""
    longest, before = 0.0, time.perf_counter()

    async def watch() -> None:
        nonlocal longest, before
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    watcher = asyncio.create_task(watch())
    await anyio.lowlevel.checkpoint()
    await embed(texts)
    await anyio.lowlevel.checkpoint()
    watcher.cancel()
    await asyncio.wait([watcher])
    started = time.process_time()
    await embed(texts)
    return (time.process_time() - started) / len(texts) * 1e6, longest * 1e3


async def main(n: int, rounds: int) -> None:
    texts = [f"a sentence of some fifty characters, number {i:07}" for i in range(n)]
    with tempfile.TemporaryDirectory() as directory:
        async with EmbedderFactory(Config()) as factory:
            memory = await factory.new_embedder("mock", dimensions=DIM, cache=True)
            file = await factory.new_embedder("mock", dimensions=DIM, cache=Path(directory) / "vectors.db")
            vectors = await memory.embed_documents(texts)
            await file.embed_documents(texts)
            ways: dict[str, Callable[[list[str]], Awaitable[Vectors]]] = {
                "dict of arrays": DictOfArrays(texts, vectors).embed_documents,
                "cache=True": memory.embed_documents,
                "cache=path": file.embed_documents,
            }
            figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, embed in ways.items():
                    figures[name].append(await measure(embed, texts))
            assert memory.statistics().cache_misses == file.statistics().cache_misses == n
            floor = [cost for cost, _ in figures["dict of arrays"]]
            rows = [
                [
                    name,
                    f"{min(cost for cost, _ in own):.2f}",
                    f"{statistics.median(cost for cost, _ in own):.2f}",
                    f"{statistics.median(cost / least for (cost, _), least in zip(own, floor, strict=True)):.2f}",
                    f"{statistics.median(longest for _, longest in own):.1f}",
                ]
                for name, own in figures.items()
            ]
            print(f"{n} hits of {DIM} dimensions, {rounds} rounds")
            print(table(["", "best us", "median us", "of the dict", "longest ms"], rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.cache", description=__doc__)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    asyncio.run(main(options.texts, options.rounds))
