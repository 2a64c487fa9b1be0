"""``python -m perf.overhead``: what aembed itself costs on the mock, beside the mock alone, in microseconds.

The best of several repetitions, so that a busy machine shows least. What the two columns differ by is the embedder:
checking the texts, the gate, the check of the reply, and putting rows in their place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from aembed import Config, EmbedderFactory
from aembed.providers.mock import MockProvider

REPEATS, CALLS = 15, 2000
TEXTS = [f"a sentence of some fifty characters, number {i:07}" for i in range(2000)]


async def microseconds(call: Callable[[], Awaitable[object]], calls: int = CALLS) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(calls):
            await call()
        best = min(best, (time.perf_counter() - started) / calls * 1e6)
    return best


async def main() -> None:
    mock = MockProvider()
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock")

        async def make_and_close() -> None:
            await (await factory.new_embedder("mock")).aclose()

        async def make_factory() -> None:
            EmbedderFactory(Config())

        print(f"{'':20} {'embedder':>9} {'mock alone':>11}")
        for n in (1, 5, 20, 100, 2000):
            texts = TEXTS[:n]
            calls = max(50, CALLS // n)
            whole = await microseconds(partial(embedder.embed_documents, texts), calls)
            alone = await microseconds(partial(mock.embed, texts, kind="document"), calls)
            print(f"{n:5} documents      {whole:9.1f} {alone:11.1f}")
        print(f"embed_query          {await microseconds(partial(embedder.embed_query, TEXTS[0])):9.1f}")
        print(f"new_embedder, closed {await microseconds(make_and_close):9.1f}")
        print(f"new factory          {await microseconds(make_factory):9.1f}")


if __name__ == "__main__":
    asyncio.run(main())
