"""One candidate in a process of its own: ``python -m perf.peers.child NAME BASE_URL PID SEED SCALE SCENARIOS``.

Every line of its input is the letter of a scenario, and is answered with a line of figures in JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import numpy as np

from perf.peers.candidates import CANDIDATES
from perf.peers.candidates.batches import DIM, Rows
from perf.peers.scenarios import SCENARIOS, Run
from perf.peers.server import CLIENT_CORE, Server, pin
from perf.peers.texts import sentences

T = TypeVar("T")


async def serve(run: Run, letters: str) -> None:
    """Measure when asked to. The loop runs meanwhile: a client may have to notice that its server has hung up."""
    async with AsyncExitStack() as stack:
        clients = {
            letter: await stack.enter_async_context(
                run.candidate.opened(run.server.base_url, SCENARIOS[letter].in_flight)
            )
            for letter in letters
        }
        while letter := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(json.dumps(await SCENARIOS[letter].measure(run, clients[letter])), flush=True)


def main() -> None:
    name, base_url, pid, seed, scale, letters = sys.argv[1:]
    entry = CANDIDATES[name]
    texts = sentences(max(SCENARIOS[letter].texts for letter in letters), int(seed))
    run = Run(entry.load(), Server(base_url, int(pid)), texts, truth(texts), entry.share * float(scale))
    run_in(entry.loop, serve(run, letters))


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
    main()
