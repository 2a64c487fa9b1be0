"""The time of requests, part by part. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRequest:
    """One of the slowest requests."""

    at: float
    """Seconds from the begin of the run to its intended start."""
    time: str
    """Time of day of its intended start, in UTC: "03:12:45.123"."""
    response: float
    """From the intended start to its end, good or not."""
    outcome: str
    """"ok", "failed", "wrong", "timed_out" or "unfinished"."""
    label: str
    """Argument, length of the texts, or what the code gave to :func:`aembed.bench.label`."""
    main: str
    """Name of its longest part."""
    parts: Mapping[str, float]
    """They add up to ``response``."""
    attempts: int | None
    """Attempts of the request that needed most; ``None`` where the subject is not a model."""
    new_connection: bool | None
    request_ids: tuple[str, ...] = ()
    """Request ids that the server returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Means of the parts of good requests, and the slowest requests of any outcome."""

    requests: int
    """Good requests that the means are over: all, or 20,000 drawn from all."""
    mean: Mapping[str, float]
    """By part, in the order of the report. They add up to the mean response time."""
    slow: Mapping[str, float]
    """The same of those between p95 and p99; empty if there are none."""
    slow_requests: int
    slowest: tuple[SlowRequest, ...]
