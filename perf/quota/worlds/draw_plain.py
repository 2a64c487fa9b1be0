"""A second generator of worlds, independent of `draw`: it shares no code and no choice of sizes with it.

A gate that is tuned on one generator fits its habits. This one draws what a user of a hosted API most likely meets:
requests and tokens under one rule, windows of 1, 10 and 60 s, limits stated, reported or hidden, and one event.
"""

from __future__ import annotations

import math
from random import Random

from perf.quota.worlds.world import Algorithm, Headers, Outage, Queries, Rule, Stated, World

FIRST_SEED = 1_000_000
"""Added to the seed of a world, so that no cached outcome of the other generator is taken for one of these."""
FEWEST_PER_MINUTE = {1.0: 300, 10.0: 60, 60.0: 60}
"""Requests per minute, by the length of the window in seconds: a shorter window must hold a few requests."""
MAX_BATCH_SHARE = 0.35
"""Largest share of a window's tokens in one batch."""
QUERY_TOKENS = 10
QUERIES_PER_S = 6.0
BINDING = 0.8
"""Share of the tightest limit's rate from which on another limit may bind as well."""


def draw_plain(seed: int) -> World:
    random = Random(f"simple {seed}")
    algorithm: Algorithm = random.choice(("bucket", "sliding", "fixed"))
    span = random.choice((1.0, 10.0, 60.0))
    requests = max(random.choice((60, 120, 300, 600, 1200, 3000)), FEWEST_PER_MINUTE[span])
    share = math.exp(random.uniform(math.log(0.001), math.log(0.2)))
    ratio = round(math.exp(random.uniform(math.log(0.7), math.log(3))), 2)
    texts = random.choice((1, 4, 16))
    tokens = requests * random.choice((100, 300, 1000))
    batch = min(share * tokens, MAX_BATCH_SHARE * tokens * span / 60)
    length_spread = random.choice((0, 0.5)) if texts > 1 else 0.0
    rate = min(requests, tokens / batch)
    batches = int(min(3000, max(20, rate * random.uniform(2.5, 5))))
    asked = random.choice((0, 0.05, 0.15))
    queries = min(QUERIES_PER_S, asked * requests / 60, asked * tokens / 60 / (QUERY_TOKENS * ratio))
    reported: Headers = random.choice(("all", "requests", "none"))
    is_stated = random.choice((False, True))
    outages, errors = _event(random, batches / rate * 60)
    latency = random.choice((0.05, 0.2, 0.6))
    phase = round(random.uniform(0, span), 3) if algorithm == "fixed" else 0.0
    return World(
        seed + FIRST_SEED,
        rules=(Rule("requests", requests, algorithm, span, phase), Rule("tokens", tokens, algorithm, span, phase)),
        headers=reported,
        retry_after=random.choice(("exact", "seconds", "absent")),
        stated=Stated(requests, tokens) if is_stated else Stated(),
        known=is_stated or _reports_binding(reported, requests, tokens / batch),
        slots=random.choice((16, 32, 64)),
        latency=latency,
        spread=random.choice((0, 0.2, 0.4)),
        ratio=ratio,
        batches=batches,
        texts=texts,
        batch_tokens=round(batch / ratio, 2),
        length_spread=length_spread,
        queries=Queries(round(queries, 4)) if queries > 0.05 else Queries(),
        errors=errors,
        outages=outages,
    )


def _event(random: Random, seconds: float) -> tuple[tuple[Outage, ...], float]:
    """Outages of a job that takes ``seconds``, and its share of 503s."""
    event = random.choice(("none", "none", "429", "pause", "errors"))
    start = round(0.3 * seconds, 1)
    if event == "429":
        stop = round(0.3 * seconds + random.uniform(5, 60), 1)
        return (Outage(start, stop, "429", random.choice((2.0, None))),), 0.0
    if event == "pause":
        return (Outage(start, round(start + random.uniform(5, 60), 1), "pause", None),), 0.0
    return (), 0.05 if event == "errors" else 0.0


def _reports_binding(reported: Headers, requests: float, batches_of_tokens: float) -> bool:
    """True if headers report every limit that may bind."""
    tightest = min(requests, batches_of_tokens)
    return (reported != "none" or tightest < BINDING * requests) and (
        reported == "all" or tightest < BINDING * batches_of_tokens
    )
