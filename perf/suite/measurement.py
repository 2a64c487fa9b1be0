"""One measurement of the suite, and how long each kind takes at a pace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aembed import bench
from aembed.bench import Case, Report, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to measure."""

    processes: int
    """Fresh ones for each operation that is timed."""
    timed: float
    """Seconds in each of them."""
    load: float
    """Seconds of each run under load."""
    operations: int
    """In a search for leaks, at most."""
    searched: float
    """Seconds of that search, at most."""


FULL = Pace(processes=5, timed=0.25, load=8.0, operations=10_000, searched=6.0)
QUICK = Pace(processes=2, timed=0.05, load=1.5, operations=2_000, searched=1.0)
MOMENT = Pace(processes=1, timed=0.001, load=0.1, operations=48, searched=1.0)
"""To see that it works."""

Measure: TypeAlias = Callable[[Pace], Awaitable[Report]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """``kind`` is that of the report: "micro", "memory", "open", and so on."""

    group: str
    name: str
    kind: str
    measure: Measure


def timed(group: str, *scenarios: Scenario) -> Iterator[Measurement]:
    """Each case, one operation at a time."""
    for case in (case for scenario in scenarios for case in scenario.cases()):
        yield Measurement(group=group, name=str(case), kind="micro", measure=_micro(case))


def searched(group: str, *scenarios: Scenario) -> Iterator[Measurement]:
    """The memory of each case."""
    for case in (case for scenario in scenarios for case in scenario.cases()):
        yield Measurement(group=group, name=str(case), kind="memory", measure=_memory(case))


def loaded(kind: str, name: str, measure: Measure) -> Measurement:
    """A run under load."""
    return Measurement(group="load", name=name, kind=kind, measure=measure)


def _micro(case: Case) -> Measure:
    return lambda pace: bench.micro(case, processes=pace.processes, seconds=pace.timed)


def _memory(case: Case) -> Measure:
    return lambda pace: bench.memory(case, operations=pace.operations, seconds=pace.searched)
