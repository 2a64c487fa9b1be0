"""Scenarios: servers and their load."""

from __future__ import annotations

from dataclasses import dataclass, field

from aembed import Limits
from perf.quota.server import ServerConfig

STATED = Limits(requests_per_minute=3000, tokens_per_minute=1_000_000)
LEARNT = Limits()


@dataclass(frozen=True)
class Scenario:
    """One job: ``batches`` of ``texts`` texts, along with a random stream of queries."""

    name: str
    server: ServerConfig = field(default_factory=ServerConfig)
    limits: Limits = LEARNT
    batches: int = 6000
    texts: int = 4
    tokens: float = 160
    """Tokens of a batch on average, by four characters."""
    spread: float = 0.5
    """Standard deviation of the lengths of texts over their mean."""
    drift: float = 1.0
    """By how much texts are longer, usual and shorter, in turns of a sixth of the job."""
    queries: float = 0.5
    """A second."""
    target: float = 0.97
    """Efficiency asked for."""
    rejections: float = 0.1
    """429s for a success, at most."""


TUNED = (
    Scenario("bucket, stated", limits=STATED, target=0.98, rejections=0.005),
    Scenario("bucket, headers", target=0.98, rejections=0.005),
    Scenario("bucket of 10 s", ServerConfig(span=10), STATED, target=0.98, rejections=0.005),
    Scenario("bucket of 1 s", ServerConfig(span=1), rejections=0.005),
    Scenario("bucket of 10 s, silent", ServerConfig(span=10, headers=False), STATED, rejections=0.005),
    Scenario("sliding, stated", ServerConfig("sliding", headers=False), STATED, 18_000, rejections=0.005),
    Scenario("sliding, headers", ServerConfig("sliding"), batches=18_000, rejections=0.005),
    Scenario("fixed, headers", ServerConfig("fixed"), batches=18_000, rejections=0.005),
    Scenario("bucket, hidden", ServerConfig(headers=False, tells_wait=False), batches=18_000),
    Scenario("bucket, only Retry-After", ServerConfig(headers=False), batches=18_000),
    Scenario("sliding, hidden", ServerConfig("sliding", headers=False, tells_wait=False), batches=18_000),
    Scenario(
        "sliding, tokens hidden",
        ServerConfig("sliding", headers=False, tells_wait=False, tokens=300_000),
        batches=8500,
        tokens=300,
    ),
    Scenario(
        "tokens hidden, drifting",
        ServerConfig(headers=False, tells_wait=False, tokens=300_000),
        batches=5000,
        tokens=300,
        drift=3.0,
    ),
    Scenario(
        "sliding, tokens, drifting",
        ServerConfig("sliding", headers=False, tells_wait=False, tokens=300_000),
        batches=8150,
        tokens=300,
        drift=2.0,
    ),
    Scenario("fixed, hidden", ServerConfig("fixed", headers=False, tells_wait=False), batches=18_000),
    Scenario("others use 30 %", ServerConfig(foreign=0.3), rejections=0.005),
    Scenario(
        "sliding, others use 20 %", ServerConfig("sliding", foreign=0.2, spread=0.8), batches=14_400, rejections=0.005
    ),
    Scenario("40 % more tokens", ServerConfig(token_factor=1.4, tokens=300_000), tokens=400, rejections=0.005),
    Scenario("many queries", ServerConfig("sliding"), batches=15_000, queries=5.0, rejections=0.005),
    Scenario("tiny", ServerConfig(requests=3, tokens=10_000), batches=30, tokens=1500, queries=0.002, target=0.95),
    Scenario("no quota, 4 workers", ServerConfig(None, workers=4, per_token=5e-4, latency=0.02), rejections=0.0),
)

HELD_OUT = (
    Scenario("bucket raised on the way", ServerConfig(raised_at=60.0), batches=12_000, target=0.98, rejections=0.005),
    Scenario(
        "sliding, latency 1 s", ServerConfig("sliding", latency=1.0, spread=0.5), batches=18_000, rejections=0.005
    ),
    Scenario(
        "sliding, tokens, uneven",
        ServerConfig("sliding", tokens=300_000),
        batches=3_700,
        tokens=400,
        spread=1.5,
        rejections=0.005,
    ),
    Scenario("bucket, out for 30 s", ServerConfig(down=(40.0, 70.0)), batches=12_000, target=0.98, rejections=0.005),
    Scenario("fixed, others use 30 %", ServerConfig("fixed", foreign=0.3), batches=11_500, rejections=0.005),
    Scenario("sliding, Retry-After", ServerConfig("sliding", headers=False, latency=0.5), batches=16_600),
    Scenario(
        "10 s of tokens, others 40 %",
        ServerConfig(span=10, tokens=300_000, foreign=0.4),
        batches=3000,
        tokens=400,
        rejections=0.005,
    ),
)
"""Never tuned on, and run with separate seeds. A scenario examined after it missed counts as tuned."""
