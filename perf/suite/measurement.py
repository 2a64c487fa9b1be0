"""One measurement of the suite, and how long each kind takes at a pace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from aembed import bench
from aembed.bench import Case, Report, Scenario, Target
from aembed.bench.opening import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Duration of a measurement."""

    processes: int
    """Fresh processes for each timed operation; 0: this one, which is quicker and less accurate."""
    timed: float
    """Seconds in each of them."""
    load: float
    """Seconds of each run under load."""
    operations: int
    """In a search for leaks, at most."""
    searched: float
    """Seconds of that search, at most."""
    isolated: bool = True
    """The search for leaks runs in a separate process."""


FULL = Pace(processes=5, timed=0.2, load=8.0, operations=10_000, searched=6.0)
QUICK = Pace(processes=0, timed=0.05, load=1.0, operations=1_000, searched=2.0)
MOMENT = Pace(processes=0, timed=0.001, load=0.5, operations=48, searched=1.0, isolated=False)
"""To see that it works, in this process."""

Measure: TypeAlias = Callable[[Pace], Awaitable[Report]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """``kind`` is that of the report: "micro", "memory", "open", and so on. ``on`` the provider: mock, local, http."""

    group: str
    name: str
    kind: str
    measure: Measure
    on: str = "mock"


def timed(group: str, *scenarios: Scenario, ends: bool = False) -> Iterator[Measurement]:
    """Each case, or the first and the last, one operation at a time."""
    for case in (case for scenario in scenarios for case in _cases(scenario, ends=ends)):
        yield Measurement(group=group, name=str(case), kind="micro", measure=_micro(case), on=_on(case))


def searched(group: str, *scenarios: Scenario, ends: bool = False) -> Iterator[Measurement]:
    """The memory of each case."""
    for case in (case for scenario in scenarios for case in _cases(scenario, ends=ends)):
        yield Measurement(group=group, name=str(case), kind="memory", measure=_memory(case), on=_on(case))


def loaded(kind: str, name: str, measure: Measure, on: str = "mock") -> Measurement:
    """A run under load."""
    return Measurement(group="load", name=name, kind=kind, measure=measure, on=on)


def _cases(scenario: Scenario, *, ends: bool) -> Iterator[Case]:
    every = scenario.cases()
    return (case for i, case in enumerate(every) if not ends or i in {0, len(every) - 1})


def _on(case: Case) -> str:
    return str(case.parameters.get("on", "mock"))


def _micro(case: Case) -> Measure:
    def measure(pace: Pace) -> Awaitable[Report]:
        def micro(target: Target) -> Awaitable[Report]:
            return bench.micro(target, processes=max(1, pace.processes), seconds=pace.timed)

        return micro(case) if pace.processes else _here(case, micro)

    return measure


def _memory(case: Case) -> Measure:
    def measure(pace: Pace) -> Awaitable[Report]:
        def memory(target: Target) -> Awaitable[Report]:
            return bench.memory(target, operations=pace.operations, seconds=pace.searched)

        return memory(case) if pace.isolated else _here(case, memory)

    return measure


async def _here(case: Case, measure: Callable[[Target], Awaitable[Report]]) -> Report:
    """In this process, for subjects that are not scenarios."""
    async with opened(case) as subject:
        report = await measure(subject)
    return replace(report, name=case.scenario.name, parameters=case.parameters)
