"""``python -m perf.streaming``: is a stream of a million texts flat in memory?

Streams texts that are made as they are asked for through the mock, and prints the resident memory after every tenth
part. The slope is a least-squares line over all parts but the first, which includes the cost of starting. Exits with 1
where memory grows by more than a byte for each text.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import numpy as np

from aembed import Config, EmbedderFactory, Limits

PARTS = 10
MOST_BYTES_A_TEXT = 1.0


def resident() -> int:
    """Bytes of this process that are in memory; Linux only."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


async def stream(count: int, dim: int) -> list[tuple[int, int]]:
    """Texts read so far, and the resident bytes then."""
    texts = (f"a text of some fifty characters, which is number {number:09}" for number in range(count))
    seen: list[tuple[int, int]] = []
    done = 0
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock", dimensions=dim, limits=Limits(max_concurrency=4))
        async with embedder.stream_documents(texts) as chunks:
            async for chunk in chunks:
                done += len(chunk)
                if done * PARTS // count > len(seen):
                    seen.append((done, resident()))
                    print(f"{done:>12,} texts {seen[-1][1] / 2**20:9.1f} MiB")
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    options = parser.parse_args()
    started = time.perf_counter()
    seen = asyncio.run(stream(options.texts, options.dim))
    elapsed = time.perf_counter() - started
    texts, memory = np.array(seen[1:], np.float64).T
    slope = float(np.polyfit(texts, memory, 1)[0])
    print(f"{seen[-1][0]:,} texts in {elapsed:.1f} s; {slope:+.3f} bytes a text, where a vector is {4 * options.dim}")
    return int(slope > MOST_BYTES_A_TEXT)


if __name__ == "__main__":
    sys.exit(main())
