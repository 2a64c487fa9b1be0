"""Programs that share an account, each with its part of the limits: together they keep the quota of the account."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import Config, Limits, new_embedder
from aembed.testing import VirtualTimeLoop
from perf.quota.server import ServerConfig, StrictServer

A_MINUTE, BATCHES = 240, 192


@pytest.mark.parametrize("programs", [1, 2, 4])
@pytest.mark.parametrize(
    ("algorithm", "span", "rejected"), [("bucket", 6.0, 1), ("bucket", 10.0, 1), ("fixed", 10.0, 4)]
)
def test_shares_add_up_to_the_quota(algorithm: str, span: float, rejected: int, programs: int) -> None:
    """Headers report the burst of the whole account, of which each program may have its part."""
    config = ServerConfig(algorithm=algorithm, requests=A_MINUTE, tokens=1e9, span=span, latency=0.05)  # type: ignore[arg-type]
    server = StrictServer(config, seed=1, max_batch_texts=64)

    async def program() -> None:
        async with new_embedder(
            server, config=Config(), limits=Limits(requests_per_minute=A_MINUTE / programs)
        ) as embedder:
            await embedder.embed_documents([f"text {number}" for number in range(64 * BATCHES // programs)])

    async def run() -> float:
        async with anyio.create_task_group() as tasks:
            for _ in range(programs):
                tasks.start_soon(program)
        return anyio.current_time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        seconds = runner.run(run())
    rate = A_MINUTE / 60
    assert server.answered == BATCHES
    assert server.rejected <= rejected
    if algorithm == "bucket":
        assert seconds < 1.05 * (BATCHES - rate * span) / rate
