"""One candidate in a fresh process: ``python -m perf.peers.child NAME BASE_URL PID SEED SCALE`` prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np

from perf.peers.candidates import CANDIDATES
from perf.peers.candidates.batches import DIM, Rows
from perf.peers.scenarios import BULK, Run, bulk, concurrent, sequential
from perf.peers.server import CLIENT_CORE, Server, pin
from perf.peers.texts import sentences

T = TypeVar("T")


async def measure(run: Run) -> dict[str, dict[str, float]]:
    """Memory is measured first, while nothing has been freed that could be used again."""
    return {"c": await bulk(run), "b": await concurrent(run), "a": await sequential(run)}


def main(name: str, base_url: str, pid: str, seed: str, scale: str) -> None:
    entry = CANDIDATES[name]
    texts = sentences(BULK, int(seed))
    run = Run(entry.load(), Server(base_url, int(pid)), texts, truth(texts), entry.share * float(scale))
    print(json.dumps(run_in(entry.loop, measure(run))))


def truth(texts: Sequence[str], dim: int = DIM) -> Rows:
    """The server's answer: the mock provider's vectors."""
    from aembed.providers.mock import MockOptions, MockProvider

    provider = MockProvider(MockOptions(dim=dim))

    async def embed() -> Rows:
        batches = [texts[start : start + 100] for start in range(0, len(texts), 100)]
        return np.concatenate([(await provider.embed(batch, kind="document")).vectors for batch in batches])

    return asyncio.run(embed())


def run_in(loop: str, work: Coroutine[Any, Any, T]) -> T:
    if loop == "asyncio":
        return asyncio.run(work)
    import uvloop

    result: T = uvloop.run(work)
    return result


if __name__ == "__main__":
    pin(os.getpid(), CLIENT_CORE)
    main(*sys.argv[1:])
