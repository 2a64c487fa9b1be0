"""One run of one scenario with one client, on virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import anyio
import numpy as np

from aembed import AembedError, Config, EmbedderFactory, Limits
from aembed.testing import VirtualTimeLoop
from perf.quota.server import ServerConfig, StrictServer


@dataclass(frozen=True)
class Scenario:
    name: str
    server: ServerConfig = field(default_factory=ServerConfig)
    limits: Limits = Limits()
    batches: int = 6000
    texts: int = 4
    tokens: float = 160
    """Tokens of a batch, by four characters."""
    queries: float = 0.5
    """A second."""


@dataclass(frozen=True)
class Outcome:
    seconds: float
    bound: float
    failed: int
    refused: int
    answered: int
    queries: tuple[float, ...]

    @property
    def efficiency(self) -> float:
        return self.bound / self.seconds


def run(scenario: Scenario, seed: int, debug: Callable[..., None] | None = None) -> Outcome:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_run(scenario, seed, debug))


async def _run(scenario: Scenario, seed: int, debug=None) -> Outcome:
    server = StrictServer(scenario.server, seed, scenario.texts)
    random = Random(seed + 1)
    mean = scenario.tokens * 4 / scenario.texts
    texts = ["x" * max(1, int(random.gammavariate(4, mean / 4))) for _ in range(scenario.batches * scenario.texts)]
    waits: list[float] = []
    failed = 0
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(server, limits=scenario.limits, batch_size=scenario.texts)

        async def query() -> None:
            nonlocal failed
            started = anyio.current_time()
            try:
                await embedder.embed_query("q" * 40)
            except AembedError:
                failed += 1
            waits.append(anyio.current_time() - started)

        async def queries() -> None:
            while True:
                await anyio.sleep(random.expovariate(scenario.queries))
                tasks.start_soon(query)

        async def watch():
            while True:
                await anyio.sleep(2)
                debug(server, embedder._engine.gate)

        async with anyio.create_task_group() as tasks:
            if scenario.queries:
                tasks.start_soon(queries)
            if scenario.server.foreign:
                tasks.start_soon(server.spend_as_others)
            if debug:
                tasks.start_soon(watch)
            result = await embedder.embed(texts, on_error="return")
            seconds = anyio.current_time()
            tasks.cancel_scope.cancel()
        failed += len(result.failures) + len(result.not_attempted)
    return Outcome(seconds, bound(scenario, server), failed, server.refused, server.answered, tuple(waits))


def bound(scenario: Scenario, server: StrictServer) -> float:
    """The least time in which a server like this can have let in what it let in."""
    config = scenario.server
    candidates = [config.latency]
    for total, limit in ((server.admitted_requests, config.requests), (server.admitted_tokens, config.tokens)):
        if config.rule == "bucket":
            burst = limit * config.burst_seconds / 60
            candidates.append(config.latency + max(0.0, total - burst) / (limit / 60))
        elif config.rule in {"sliding", "fixed"}:
            candidates.append(config.latency + 60 * (math.ceil(total / limit) - 1))
    slots = scenario.limits.max_concurrency or server.spec.max_concurrency
    candidates.append(scenario.batches * config.latency / slots)
    if config.workers:
        candidates.append(config.latency + server.admitted_tokens * config.per_token / config.workers)
    return max(candidates)


BUCKET = ServerConfig()
TUNED = (
    Scenario("bucket, known", limits=Limits(requests_per_minute=3000, tokens_per_minute=1_000_000)),
    Scenario("bucket, headers only"),
    Scenario(
        "short burst",
        server=ServerConfig(burst_seconds=10),
        limits=Limits(requests_per_minute=3000, tokens_per_minute=1_000_000),
    ),
    Scenario(
        "sliding, known",
        server=ServerConfig(rule="sliding", headers=False),
        limits=Limits(requests_per_minute=3000, tokens_per_minute=1_000_000),
        batches=18000,
    ),
    Scenario("sliding, headers", server=ServerConfig(rule="sliding"), batches=18000),
    Scenario("fixed, headers", server=ServerConfig(rule="fixed"), batches=18000),
    Scenario("hidden bucket", server=ServerConfig(headers=False, tells_wait=False), batches=18000),
    Scenario("hidden sliding", server=ServerConfig(rule="sliding", headers=False, tells_wait=False), batches=18000),
    Scenario("foreign 30 %", server=ServerConfig(foreign=0.3)),
    Scenario("tokens x1.4", server=ServerConfig(token_factor=1.4, tokens=300_000), tokens=400),
    Scenario("gpu", server=ServerConfig(rule="none", headers=False, workers=4, per_token=5e-4, latency=0.02)),
    Scenario("tiny", server=ServerConfig(requests=3, tokens=10_000), batches=30, tokens=1500, queries=0.002),
)

if __name__ == "__main__":
    import sys
    import time

    for s in TUNED:
        if len(sys.argv) > 1 and not any(a in s.name for a in sys.argv[1:]):
            continue
        t = time.time()
        outs = [run(s, seed) for seed in range(2)]
        q = np.concatenate([o.queries for o in outs]) if any(len(o.queries) for o in outs) else np.zeros(1)
        print(
            f"{s.name:24} eff {min(o.efficiency for o in outs):.3f}-{max(o.efficiency for o in outs):.3f} failed {sum(o.failed for o in outs)} 429s {sum(o.refused for o in outs) / sum(o.answered for o in outs):.4f} q p50 {np.percentile(q, 50):.2f} p95 {np.percentile(q, 95):.2f} max {q.max():.2f}  ({outs[0].seconds:.0f}s / {outs[0].bound:.0f}s) cpu {time.time() - t:.1f}",
            flush=True,
        )
