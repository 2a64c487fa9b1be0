"""Parts of a report on a run under load, or on several. Times are seconds, rates per second, shares from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import ObjectiveState

Cause: TypeAlias = Literal["cpu", "blocked", "descheduled", "unknown"]
"""Cause of a stall: your code used CPU, your code blocked, the machine took the CPU away, or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The schedule and the timer that kept it."""

    arrivals: str
    """Such as "poisson(rate=200)"; "closed loop" without a schedule."""
    seed: int | None
    pacer: Literal["timerfd", "call_at", "none"]
    fallback: str | None = None
    """Reason why the pacer is not the best one, and the cost of that; ``None`` if it is."""


WRONG_RESULT = "wrong result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of failure: the error's class, "timeout", "wrong result" or "unfinished"."""

    kind: str
    count: int
    example: str
    """The first one's message, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counts of requests by outcome. ``offered = ok + failed + wrong + timed_out + unfinished``."""

    offered: int
    started: int
    ok: int
    failed: int
    wrong: int
    """Answered, but rejected by the scenario's validation."""
    timed_out: int
    unfinished: int
    """Neither answered nor failed when the run ended; those never started among them."""
    offered_rate: float
    achieved_rate: float
    """Starts per second."""
    good_rate: float
    """Validated answers per second."""
    seconds: float
    """Length of the schedule, which the rates are over."""
    peak_in_flight: int
    peak_backlog: int
    """Due, but not started, at most."""
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWindow:
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
    backlog_peak: int | None = None
    """Most of them at once within the window; ``None`` in runs too long for every request to be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The loop was blocked for longer than the watchdog's threshold."""

    at: float
    """Seconds since the run began."""
    seconds: float
    cause: Cause
    cpu: float | None
    """Seconds of CPU the loop's thread used meanwhile."""
    queued: float | None
    """Seconds it was ready to run, and the machine did not let it."""
    line: str | None
    """Line of code: "file.py:12 in function"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopUse:
    """CPU, waiting and pings of the loop's thread over the run."""

    seconds: float
    cpu: float | None
    queued: float | None
    pings: int
    slowest_ping: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessShare:
    """The part of a run that one of several processes offered."""

    offered: int
    """Requests."""
    lag_p99: float | None
    """Seconds; ``None``: more than one of 100 never started, or the process gave no result."""
    cpu: float | None
    """Share of a core that its loop's thread used; ``None`` where the system does not say."""
    valid: bool
    """Nothing disturbed it: one that is not voids the whole run."""


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
    ``recovery_unknown``. 0: it left the band no more than chance and the time before the spike explain."""
    recovery_unknown: str | None = None
    """Reason why the recovery time is unknown."""
    drained: float | None
    """Seconds from the end of the spike until the backlog is back at its level before the spike."""
    drain_rate: float | None
    """Answers per second meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Sustained load: change over the whole run, relative to its median, by Theil-Sen slopes over windows."""

    response: Estimate
    """0.1: the p50 of the windows rose by 10 % from beginning to end."""
    rate: Estimate
    """Change of the good answers as a share of the requests offered meanwhile."""
    rss: Estimate | None
    """Bytes per second, of the lower envelope."""
    tolerance: float
    steady: bool | None
    """Neither gets worse by more than the tolerance; ``None``: the intervals are too wide to say."""


USUAL_ERRORS = 0.01
"""Share of the requests that may fail where nothing else is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """An objective for ``steps``: percentile ``q`` within ``seconds``, and no more than a share of ``errors``."""

    q: float = 0.95
    seconds: float
    errors: float | None = None
    """Judged on its interval. Without it, no more than 1 % of the requests of a step may fail, as measured: a step of
    less than some 440 requests cannot show more."""

    @property
    def most_errors(self) -> float:
        """The share of errors that a step may have."""
        return USUAL_ERRORS if self.errors is None else self.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
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
    state: ObjectiveState
    """The decision on percentile and errors, by their intervals."""
    valid: bool
    """The generator kept the schedule; steps that are not say nothing about the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The rate is raised until the objective breaks."""

    objective: Objective
    steps: tuple[RateStep, ...]
    knee: Estimate | None
    """The highest rate within the objective; ``None``: even the lowest was measured beyond it. ``low`` is 0 where no
    rate surely keeps it, and there is no ``high`` where none surely breaks it."""
