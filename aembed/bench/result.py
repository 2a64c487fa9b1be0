"""What a measurement says. Every mode returns one :class:`Report`; parts it did not measure are ``None``.

Frozen and without behaviour, so that reports can be kept, compared and shown by code that has never run one. Times are
seconds, sizes bytes, rates per second, shares between 0 and 1. JSON by :func:`reports_to_json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

SCHEMA = 1
"""Of the JSON. Reports of another schema are refused, never guessed at."""

Mode: TypeAlias = Literal["open", "closed", "burst", "sustained", "steps", "scaling", "micro", "memory", "cost"]
State: TypeAlias = Literal["ok", "regressed", "over budget", "invalid", "inconclusive"]
Cause: TypeAlias = Literal["burnt", "blocked", "machine", "unknown"]
"""Of a stall: your code burnt CPU, your code blocked, the machine took the CPU away, or it could not be told."""
Parameter: TypeAlias = str | int | float | bool | None

EXIT_CODES: Mapping[State, int] = {"ok": 0, "regressed": 1, "over budget": 1, "invalid": 3, "inconclusive": 3}
"""2 is for usage: a run that never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its 95 % interval. No interval (both ``None``): too few samples for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the figures may be believed, and if so whether they are good."""

    state: State = "ok"
    reasons: tuple[str, ...] = ()
    """Sentences: what is wrong, with the values, and what to do."""
    possible_rate: float | None = None
    """Requests per second this machine could have offered, when the rate was beyond it."""

    @property
    def exit_code(self) -> int:
        """0 fine, 1 regressed or over budget, 3 invalid or inconclusive."""
        return EXIT_CODES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where it was measured. Figures of two machines are compared only in canary units."""

    machine: str
    """Fingerprint of CPU model, cores and system: equal on the same kind of machine."""
    cpu: str
    cores: int
    affinity: tuple[int, ...]
    """Cores this process may use; empty where the system does not say."""
    system: str
    python: str
    loop: str
    """Such as "uvloop 0.22.1" or "asyncio"."""
    packages: Mapping[str, str]
    revision: str | None
    """Of the git working tree; ``None`` outside one."""
    dirty: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How quiet the machine was, by a short look before or after the run."""

    load: float | None
    """Runnable processes, mean of the last minute."""
    steal: float | None
    """Share of CPU time the hypervisor gave to others during the look."""
    lost: float
    """Share of the look in which a spinning thread did not run."""
    longest_gap: float
    """The longest time it did not run."""
    canary: float
    """Seconds a fixed calculation took (best of some): the unit in which machines are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How the schedule was kept."""

    arrivals: str
    """Such as "poisson(rate=200)"; "closed loop" without a schedule."""
    seed: int | None
    pacer: Literal["timerfd", "call_at", "none"]
    fallback: str | None = None
    """Why the pacer is not the best one, and what that costs; ``None`` if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of failure: the error's class, "timeout", "wrong result" or "unfinished"."""

    kind: str
    count: int
    example: str
    """The first one's message, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was asked and what came of it. ``offered = ok + failed + wrong + timed_out + unfinished``."""

    offered: int
    ok: int
    failed: int
    wrong: int
    """Answered, but refused by the scenario's validation."""
    timed_out: int
    unfinished: int
    """Neither answered nor failed when the run ended; those never started among them."""
    offered_rate: float
    achieved_rate: float
    """Of starts."""
    good_rate: float
    """Of validated answers."""
    seconds: float
    """What the rates are over: the length of the schedule."""
    peak_in_flight: int
    peak_backlog: int
    """Due, but not started, at most."""
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """``value`` is ``None`` where the percentile falls among requests that failed: worse than all that was measured.

    ``low`` and ``high`` bound it with 95 % confidence. Both ``None``: too few samples; ``high`` alone ``None`` with a
    ``low``: the interval reaches into the failed.
    """

    q: float
    """Between 0 and 1."""
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts between log-linear edges, for charts: ``counts[i]`` lie in ``[edges[i], edges[i + 1])``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Times in seconds. The censored (failed, timed out, unfinished) count as longer than any that was measured."""

    count: int
    """The censored included."""
    censored: int
    mean: float | None
    """``None`` if any is censored: there is no honest mean then."""
    percentiles: tuple[Percentile, ...]
    """p50, p90, p95, p99, p99.9."""
    max: float | None
    """Of those measured."""
    histogram: Histogram

    def at(self, q: float) -> Percentile:
        """The percentile ``q``, such as 0.99; KeyError if it was not computed."""
        for percentile in self.percentiles:
            if abs(percentile.q - q) < 1e-9:
                return percentile
        raise KeyError(q)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One second, by default, of a run. Offered and percentiles are those of requests intended in it."""

    start: float
    seconds: float
    offered: int
    started: int
    done: int
    good: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    backlog: int
    """Intended but not done at the end of the window."""
    lag_max: float
    rss: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The loop stood still, beyond the watchdog's threshold."""

    at: float
    """Seconds since the run began."""
    seconds: float
    cause: Cause
    cpu: float | None
    """Seconds of CPU the loop's thread used meanwhile."""
    queued: float | None
    """Seconds it was ready to run, and the machine did not let it."""
    line: str | None
    """Where it stood: "file.py:12 in function"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopUse:
    """What the watchdog saw of the loop's thread over the run."""

    seconds: float
    cpu: float | None
    queued: float | None
    pings: int
    slowest_ping: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A closed loop: users who wait for their answer, then think."""

    users: int
    think: float
    """Seconds a user thought for each request, on average, as realised until the end of the run."""
    response: float
    """And waited."""
    rate: float
    """Realised requests per second."""
    little: float
    """``rate * (response + think)``: by Little's law the number of users. If it is not, the generator lost some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A spike of load, and the way back."""

    base_rate: float
    spike_rate: float
    spike_start: float
    spike_end: float
    band: tuple[float, float] | None
    """The p95 before the spike, as far as its interval allows, and a tenth more; ``None``: too few requests to say."""
    peak_response: float | None
    peak_backlog: int
    recovery: float | None
    """Seconds from the end of the spike until the p95 is back in the band for good; ``None``: it never was, or
    ``untold``. 0: it left the band no more than chance and the time before the spike explain."""
    untold: str | None = None
    """Why nobody can say how long the spike was felt."""
    drained: float | None
    """Seconds from the end of the spike until the backlog is what it was before."""
    drain_rate: float | None
    """Answers per second meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Sustained load: change over the whole run, relative to its median, by Theil-Sen slopes over windows."""

    response: Estimate
    """0.1: the p50 of the windows rose by 10 % from beginning to end."""
    rate: Estimate
    """Of the good answers, as a share of the requests offered meanwhile."""
    rss: Estimate | None
    """Bytes per second, of the lower envelope."""
    tolerance: float
    steady: bool | None
    """The intervals lie within the tolerance; ``None``: too wide to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What users must get: percentile ``q`` within ``seconds``, and no more than a share of ``errors``."""

    q: float = 0.95
    seconds: float
    errors: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rate of a staircase."""

    rate: float
    achieved: float
    good: float
    errors: float
    p50: float | None
    p95: float | None
    p99: float | None
    objective: Percentile
    """The percentile the objective is about."""
    within: bool
    valid: bool
    """Whether the generator kept the schedule; steps that are not say nothing about the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The rate is raised until the objective breaks."""

    objective: Objective
    steps: tuple[Step, ...]
    knee: Estimate | None
    """The highest rate within the objective; ``None``: even the lowest was not. No ``high``: it never broke."""


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
    """Memory per operation, and what stays."""

    operations: int
    bytes: float | None
    """Allocated per operation, freed or not; ``None``: no tool to see it, ``pip install memray``."""
    allocations: float | None
    peak: int | None
    """Highest sum of what one operation held, beyond what was there before."""
    retained: Estimate
    """Blocks of memory kept per operation: Theil-Sen slope after collections."""
    rss: Estimate
    """Bytes per operation the process grew: the slope of the lower envelope."""
    smallest_leak: float
    """Blocks per operation: a leak of less would not have been seen."""
    leaking: bool
    filling: bool
    """More stays, but ever less of it: a cache or a pool, or too few operations to tell it from a leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one operation asks of asyncio and Python: counted, not timed, and equal on every run and machine.

    ``None`` where this Python cannot count it.
    """

    operations: int
    exact: bool
    """Two passes counted the same. If not, the operation itself varies, and equality is no gate for it."""
    tasks: float
    callbacks: float
    """Calls of ``call_soon``, those of tasks' steps included."""
    timers: float
    threads: float
    """Calls handed to executors."""
    calls: float
    """Python functions called, generators and coroutines resumed."""
    allocations: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One measurement of one case."""

    schema: int = SCHEMA
    mode: Mode
    name: str
    parameters: Mapping[str, Parameter]
    started: str
    """UTC, ISO 8601."""
    seconds: float
    interrupted: bool = False
    """Ended by Ctrl-C: what is here was measured until then."""
    verdict: Verdict
    environment: Environment
    before: Noise | None = None
    """``None`` on virtual time."""
    after: Noise | None = None
    notes: tuple[str, ...] = ()
    """What a reader should know and the figures do not show."""

    pacing: Pacing | None = None
    traffic: Traffic | None = None
    response: Distribution | None = None
    """From the intended start to the answer: what users feel."""
    service: Distribution | None = None
    """From the real start to the answer."""
    lag: Distribution | None = None
    """From the intended to the real start."""
    windows: tuple[Window, ...] = ()
    stalls: tuple[Stall, ...] = ()
    loop: LoopUse | None = None

    closed: Closed | None = None
    burst: Burst | None = None
    drift: Drift | None = None
    steps: Steps | None = None
    scaling: Scaling | None = None
    micro: Micro | None = None
    memory: Memory | None = None
    cost: Cost | None = None

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.mode} {self.name}({given}): {self.verdict.state}"


def reports_to_json(reports: Iterable[Report]) -> bytes:
    """A JSON object ``{"schema": ..., "reports": [...]}``, indented so that it can be kept in git."""
    return msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, "reports": list(reports)}), indent=1)


def reports_from_json(data: bytes) -> tuple[Report, ...]:
    """What :func:`reports_to_json` wrote; ValueError with the reason for anything else."""
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
        if schema != SCHEMA:
            raise ValueError(f"these reports have schema {schema}, this aembed reads schema {SCHEMA}: measure again")
        return msgspec.json.decode(data, type=_File).reports
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a file of reports: {error}") from None


class _Head(msgspec.Struct):
    schema: int


class _File(msgspec.Struct):
    reports: tuple[Report, ...]
