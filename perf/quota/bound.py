"""The least time a scenario can take, by the rule its server keeps.

Requests of queries and others are not part of the job: they take from the rate at which the job can go. Counting them
as work done would reward the slow, whose job shares its time with more of them.
"""

from __future__ import annotations

import math

from perf.quota.scenarios import Scenario
from perf.quota.server import StrictServer


def least_time(scenario: Scenario, server: StrictServer, seconds: float) -> float:
    """Seconds for the documents that the server admitted, besides the use by others in ``seconds``."""
    config = server.config
    candidates = [config.latency + _in_turns(server.admitted["document"][0], scenario, server)]
    for unit, limit in ((0, config.requests), (1, config.tokens)):
        documents = float(server.admitted["document"][unit])
        others = (server.admitted["query"][unit] + server.admitted["foreign"][unit]) / seconds
        if config.algorithm == "bucket":
            candidates.append(config.latency + _bucket(documents, others, limit / 60, server))
        elif config.algorithm is not None:
            quota = limit - others * 60
            windows = math.ceil(documents / quota - 1e-9) - 1
            left = (documents - windows * quota) / documents * server.admitted["document"][0]
            candidates.append(60 * windows + config.latency + _in_turns(left, scenario, server))
    if config.workers:
        free = config.workers - server.admitted["query"][1] / seconds * config.per_token
        candidates.append(config.latency + server.admitted["document"][1] * config.per_token / free)
    return max(candidates)


def _in_turns(requests: float, scenario: Scenario, server: StrictServer) -> float:
    """Beyond the first, as many at once as the server is asked to take."""
    slots = scenario.limits.max_concurrency or server.spec.max_concurrency
    mean = server.config.latency * math.exp(server.config.spread**2 / 2)
    return max(0.0, requests / slots - 1) * mean


def _bucket(documents: float, others: float, rate: float, server: StrictServer) -> float:
    config = server.config
    beyond = max(0.0, documents - rate * config.span)
    raised_at = config.raised_at
    if raised_at is None or beyond <= (rate - others) * raised_at:
        return beyond / (rate - others)
    return raised_at + (beyond - (rate - others) * raised_at) / (2 * rate - others)
