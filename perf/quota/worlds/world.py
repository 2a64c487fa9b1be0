"""One server and the load put on it. Seconds, tokens and requests throughout; times count from the start of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal, TypeAlias

Resource: TypeAlias = Literal["requests", "tokens", "inputs"]
Algorithm: TypeAlias = Literal["bucket", "sliding", "fixed"]
Headers: TypeAlias = Literal[
    "all", "requests", "azure", "zeros", "none", "delayed", "too high", "constant", "per window", "per day"
]
"""``azure``: tokens are -1. ``zeros``: 0 of 0 left. ``constant``: everything is always left. ``per window`` and
``per day``: of such a length instead of a minute."""
RetryAfter: TypeAlias = Literal["exact", "seconds", "rounded", "absent", "zero", "negative", "nan", "constant"]
"""``seconds`` are rounded up; ``rounded`` to the nearest second, so half of the time too soon."""
OutageKind: TypeAlias = Literal["503", "connect", "429", "pause"]
Beyond: TypeAlias = Literal["reset", "503", "429"]
Pattern: TypeAlias = Literal["steady", "starts", "stops", "bursts"]

DAY = 86_400.0
RATIO_STEPS = 10
"""Steps in which the token ratio drifts from the first text to the last."""


@dataclass(frozen=True)
class Rule:
    """One limit. ``span`` is the length of a window, or the seconds of quota a bucket holds."""

    resource: Resource
    per_minute: float
    algorithm: Algorithm = "bucket"
    span: float = 60.0
    phase: float = 0.0
    """Start of a fixed window, after the start of the run."""

    @property
    def capacity(self) -> float:
        return self.per_minute * self.span / 60

    def __str__(self) -> str:
        length = "day" if self.span == DAY else f"{self.span:g} s"
        return f"{self.per_minute:g} {self.resource}/min in a {self.algorithm} of {length}"


@dataclass(frozen=True)
class Stated:
    """Limits per minute that the user gives to aembed."""

    requests: float | None = None
    tokens: float | None = None
    inputs: float | None = None


@dataclass(frozen=True)
class Queries:
    """``rate`` is per second on average, while they are asked; a burst is that many at once."""

    rate: float = 0.0
    tokens: float = 10.0
    """Estimated by four characters, like all tokens that a client counts."""
    pattern: Pattern = "steady"
    start: float = 0.0
    stop: float = float("inf")
    burst: int = 1


@dataclass(frozen=True)
class Outage:
    """``pause`` answers 429 with the exact time that is left; ``429`` with ``retry_after``."""

    start: float
    stop: float
    kind: OutageKind
    retry_after: float | None = None


@dataclass(frozen=True)
class Workers:
    """``counts`` are (from second, workers). Worker number i works at ``speeds[i % len(speeds)]``."""

    counts: tuple[tuple[float, int], ...]
    per_request: float = 0.0
    per_token: float = 0.0
    spread: float = 0.0
    """Standard deviation of the logarithm of a service time."""
    speeds: tuple[float, ...] = (1.0,)
    most_waiting: int | None = None
    """Length of the queue; 503 beyond it."""


@dataclass(frozen=True)
class World:
    """Defaults are a polite server; ``seed`` decides every random number of a run."""

    seed: int
    rules: tuple[Rule, ...] = ()
    headers: Headers = "none"
    headers_delay: float = 0.0
    headers_factor: float = 1.0
    retry_after: RetryAfter = "exact"
    retry_constant: float = 1.0
    counts_rejected: bool = False
    """Rejected requests use up the quota of requests."""
    stated: Stated = Stated()
    known: bool = True
    """The limits that bind are stated, or correctly reported by the server: nothing has to be found by trying."""
    slots: int = 32
    latency: float = 0.2
    """Median of a round trip."""
    spread: float = 0.2
    """Standard deviation of the logarithm of each half of it."""
    slow_replies: float = 0.0
    """Share of requests that take five times as long."""
    reorders: bool = True
    foreign: float = 0.0
    """Share of the quota used by others."""
    foreign_period: float = 0.0
    """Length of the spells in which others are active and silent, in turns; 0: always active."""
    ratio: float = 1.0
    """Tokens of the server for each that a client estimates."""
    drift: float = 1.0
    """Ratio at the last text over that at the first."""
    tells_usage: bool = True
    batches: int = 1000
    texts: int = 4
    """Texts in a batch."""
    batch_tokens: float = 160.0
    """Mean tokens in a batch, estimated by four characters."""
    length_spread: float = 0.5
    """Standard deviation of the length of texts over their mean."""
    queries: Queries = Queries()
    outages: tuple[Outage, ...] = ()
    errors: float = 0.0
    """Share of requests answered with 503."""
    changes: tuple[tuple[float, float], ...] = ()
    """(from second, factor of the quota)."""
    abandoned: float = 0.0
    """Calls with one batch, cancelled or out of time before their answer, per second."""
    processes: int = 1
    """Clients that do not know of each other and share the documents."""
    workers: Workers | None = None
    most_in_flight: int | None = None
    beyond: Beyond = "reset"
    """Answer to requests beyond ``most_in_flight``."""
    patient: bool = False
    """The user has aembed retry a batch as often as it takes."""
    clock_jump: tuple[float, float] = (0.0, 0.0)
    """When the clock of the clients jumps, and by how many seconds; that of the server does not."""

    @property
    def minute_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.span < DAY)

    @property
    def window(self) -> float:
        """Length of the longest rule, a day's apart."""
        return max((rule.span for rule in self.minute_rules), default=0.0)

    def factor(self, now: float) -> float:
        return next((factor for at, factor in reversed(self.changes) if now >= at), 1.0)

    def is_down(self, now: float) -> Outage | None:
        return next((outage for outage in self.outages if outage.start <= now < outage.stop), None)

    def describe(self) -> str:
        """The rules, and everything that differs from the default."""
        rules = "; ".join(map(str, self.rules)) or "no quota"
        return f"{rules} | {', '.join(_changed(self, skipped=frozenset({'seed', 'rules'})))}"


def _changed(record: object, skipped: frozenset[str] = frozenset()) -> Iterator[str]:
    """``name=value`` of each field of a dataclass that differs from its default."""
    assert is_dataclass(record), "every part of a world is one"
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name not in skipped and value != field.default:
            yield f"{field.name}={_text(value)}"


def _text(value: object) -> str:
    if is_dataclass(value):
        return f"({', '.join(_changed(value))})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
