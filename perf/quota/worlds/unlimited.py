"""Servers without a quota that take only so much at once: a number of workers, or of connections."""

from __future__ import annotations

from random import Random

from perf.quota.worlds.dice import log_uniform, pick
from perf.quota.worlds.sizes import MOST_BATCHES, QUERIES_PER_S
from perf.quota.worlds.world import Beyond, Queries, Workers, World


def with_workers(random: Random, seed: int) -> World:
    """A server without a quota: its workers share a queue, may be of two speeds, and may change in number."""
    workers = random.choice((2, 4, 8, 8, 16))
    service = log_uniform(random, 0.08, 0.4)
    kind = pick(random, {"constant": 55, "changes": 25, "two backends": 20})
    asked = pick(random, {0.0: 30, 0.05: 40, 0.15: 30})
    batches = round(min(MOST_BATCHES, random.uniform(60, 120) * workers / service))
    seconds = batches * service / workers
    counts: tuple[tuple[float, int], ...] = ((0.0, workers),)
    if kind == "changes":
        few = max(1, workers // 4)
        counts = ((0.0, workers), (round(seconds / 4, 1), few), (round(seconds / 2, 1), 2 * workers))
    per_query = 0.3 * service
    rate = round(min(QUERIES_PER_S, asked * min(count for _, count in counts) / per_query), 4)
    per_token = 0.8 * service / 160
    return World(
        seed,
        slots=random.choice((32, 64)),
        latency=round(log_uniform(random, 0.01, 0.06), 3),
        spread=random.choice((0.0, 0.2, 0.5)),
        known=False,
        batches=batches,
        texts=random.choice((4, 16)),
        batch_tokens=160.0,
        length_spread=random.choice((0.0, 0.5)),
        queries=Queries(rate, round(max(5.0, (per_query - 0.2 * service) / per_token))) if rate else Queries(),
        errors=0.05 if random.random() < 0.05 else 0.0,
        workers=Workers(
            counts,
            per_request=round(0.2 * service, 5),
            per_token=round(per_token, 7),
            spread=random.choice((0.0, 0.1, 0.3)),
            speeds=(1.0, 0.4) if kind == "two backends" else (1.0,),
            most_waiting=4 * workers if random.random() < 0.15 else None,
        ),
    )


def with_few_connections(random: Random, seed: int) -> World:
    """A server without a quota that takes only so many requests at once."""
    beyond: Beyond = pick(random, {"reset": 60, "503": 20, "429": 20})
    return World(
        seed,
        known=False,
        slots=random.choice((128, 256, 512)),
        latency=round(random.uniform(0.3, 0.8), 2),
        spread=random.choice((0.0, 0.2, 0.4)),
        batches=MOST_BATCHES,
        texts=random.choice((4, 16)),
        most_in_flight=round(log_uniform(random, 10, 100)),
        beyond=beyond,
    )
