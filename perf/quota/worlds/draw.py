"""A seed -> a world. What makes a world possible is decided here, and nothing else: no client was looked at.

Three restrictions keep the rule of `judge` within reach of a perfect client:

- a batch fits into the smallest window or bucket; above a tenth of it, whole batches fill a window almost exactly;
- queries come where a request at full rate is at most half a second from the next;
- in windows of two seconds and less, round trips vary by a small part of the window: a client cannot control when
  its requests arrive.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from perf.quota.worlds.dice import log_uniform, pick
from perf.quota.worlds.events import is_known, over_time, with_day, with_limits_stated
from perf.quota.worlds.sizes import on_network, sized, with_batches, with_queries
from perf.quota.worlds.unlimited import with_few_connections, with_workers
from perf.quota.worlds.world import Algorithm, Headers, Resource, RetryAfter, World

RESOURCES: dict[tuple[Resource, ...], float] = {
    ("requests",): 25,
    ("tokens",): 15,
    ("requests", "tokens"): 40,
    ("inputs",): 8,
    ("requests", "inputs"): 4,
    ("requests", "tokens", "inputs"): 8,
}
HEADERS: dict[Headers, float] = {
    "all": 38, "none": 27, "requests": 9, "azure": 6, "zeros": 2, "delayed": 8, "too high": 4, "constant": 3,
    "per window": 2,
}  # fmt: skip
RETRY_AFTER: dict[RetryAfter, float] = {
    "exact": 35, "seconds": 20, "rounded": 10, "absent": 25, "zero": 3, "negative": 1, "nan": 1, "constant": 5,
}  # fmt: skip


def draw(seed: int) -> World:
    random = Random(f"world {seed}")
    kind = pick(random, {"quota": 85, "workers": 10, "in flight": 5})
    if kind == "workers":
        return with_workers(random, seed)
    if kind == "in flight":
        return with_few_connections(random, seed)
    return with_quota(random, seed)


def with_quota(random: Random, seed: int) -> World:
    algorithm: Algorithm = pick(random, {"bucket": 40, "sliding": 33, "fixed": 27})
    span = pick(random, {60.0: 55, 10.0: 13, 1.0: 13, log_uniform(random, 0.1, 0.5): 5, random.uniform(2, 45): 14})
    span = round(span, 1)
    resources = pick(random, RESOURCES)
    asked = pick(random, {0.0: 35, 0.05: 35, 0.15: 30})
    foreign = round(random.uniform(0.1, 0.5), 2) if random.random() < 0.2 else 0.0
    headers = pick(random, HEADERS)
    if headers == "per window" and span == 60:
        headers = "all"
    said = pick(random, RETRY_AFTER)
    world = World(
        seed,
        headers=headers,
        headers_delay=round(random.uniform(1, 10), 1) if headers == "delayed" else 0.0,
        headers_factor=random.choice((2.0, 10.0)) if headers == "too high" else 1.0,
        retry_after=said,
        retry_constant=random.choice((1.0, 5.0)) if said == "constant" else 1.0,
        counts_rejected=random.random() < 0.04,
        foreign=foreign,
        foreign_period=random.choice((0.0, 20.0, 60.0)) if foreign else 0.0,
        ratio=1.0 if random.random() < 0.3 else round(log_uniform(random, 0.7, 3), 2),
        drift=round(random.uniform(0.6, 1.7), 2) if random.random() < 0.15 else 1.0,
        tells_usage=random.random() < 0.9,
        texts=random.choice((1, 2, 4, 8, 16)),
        length_spread=random.choice((0.0, 0.3, 0.6, 1.0)),
        errors=0.05 if random.random() < 0.08 else 0.0,
        processes=3 if random.random() < 0.04 else 1,
    )
    world = sized(random, world, algorithm, span, resources=resources, asked=asked)
    world = on_network(random, world)
    world = with_queries(random, world, asked)
    world = with_batches(random, world, asked)
    if random.random() < 0.06 and not world.counts_rejected:
        world = with_day(random, world)
    world = with_limits_stated(random, world)
    world = over_time(random, world)
    return replace(world, known=is_known(world))
