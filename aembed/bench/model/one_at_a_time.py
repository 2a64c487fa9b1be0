"""Parts of a report on one operation at a time: time, memory, cost, and their growth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aembed.bench.model.estimates import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPoint:
    """One value of the parameter that is swept."""

    x: float
    value: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """``fixed + per_unit * x``."""

    fixed: Estimate
    per_unit: Estimate
    r2: float
    lack_of_fit: float | None
    """p-value: small means that a straight line does not describe the points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UslFit:
    """Universal scalability law: throughput ``gain * n / (1 + contention * (n - 1) + coherence * n * (n - 1))``."""

    gain: Estimate
    contention: Estimate
    coherence: Estimate
    r2: float
    peak: float | None
    """The concurrency beyond which throughput falls; ``None``: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A sweep over one parameter, such as the batch size (seconds) or the concurrency (operations per second)."""

    parameter: str
    unit: Literal["s", "1/s", "B"]
    points: tuple[ScalingPoint, ...]
    linear: LinearFit | None = None
    usl: UslFit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Micro:
    """One operation at a time, in fresh processes: seconds per operation, wall clock and CPU."""

    wall: Estimate
    cpu: Estimate
    processes: int
    blocks: int
    """Per process."""
    operations: int
    """Per block."""
    samples: tuple[tuple[float, ...], ...]
    """Wall seconds per operation: a row for each process, a value for each block."""
    cpu_samples: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory per operation, and the part that is not freed."""

    operations: int
    bytes: float | None
    """Allocated per operation, freed or not; ``None``: no tool to see it, ``pip install memray``."""
    allocations: float | None
    peak: int | None
    """Peak memory of one operation, beyond the memory in use before it."""
    retained: Estimate
    """Blocks of memory kept per operation: Theil-Sen slope after collections."""
    rss: Estimate
    """Bytes per operation the process grew: the slope of the lower envelope."""
    smallest_leak: float
    """Blocks per operation: a leak of less would not have been seen."""
    leaking: bool
    filling: bool
    """More stays, but ever less of it: a cache or a pool, or too few operations to distinguish it from a leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Exact cost of one operation in asyncio and Python: counted, not timed, and equal on every run and machine.

    ``None`` where this Python cannot count it.
    """

    operations: int
    exact: bool
    """Two passes counted the same. If not, the operation itself varies, and equality cannot be its gate."""
    tasks: float
    callbacks: float
    """Calls of ``call_soon``, those of tasks' steps included."""
    timers: float
    threads: float
    """Calls handed to executors."""
    calls: float
    """Python functions called, generators and coroutines resumed."""
    allocations: float | None
