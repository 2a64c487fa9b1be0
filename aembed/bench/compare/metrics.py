"""The numbers of a report that are worth comparing with another day's. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aembed.bench.model.estimates import Distribution, Estimate
from aembed.bench.model.one_at_a_time import Cost, Memory, Micro
from aembed.bench.model.result import Report

Nature: TypeAlias = Literal["count", "computing", "waiting", "size"]
"""Counts are equal on every run, sizes nearly so; computing takes longer on a slower machine, waiting may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number, and how it may be compared. Without ``value``, it is worse than all that was measured."""

    metric: str
    unit: str
    nature: Nature
    value: Estimate | None
    more_is_better: bool = False
    interval: bool = False
    """It varies from run to run, so that without an interval it says nothing."""


def figures_of(report: Report) -> tuple[Metric, ...]:
    """The figures of ``report`` that can be compared; none of an invalid one."""
    return tuple(_figures(report)) if report.is_measured else ()


def canary(report: Report) -> float:
    """Seconds of a fixed calculation, the better of before and after the run; 1 on virtual time, which has none."""
    return min((noise.canary for noise in (report.before, report.after) if noise is not None), default=1.0)


def _figures(report: Report) -> Iterator[Metric]:
    if report.micro is not None:
        yield from _micro(report.micro)
    if report.response is not None:
        yield from _response(report.response)
    if report.traffic is not None and report.mode != "steps":
        rate = Estimate(value=report.traffic.good_rate)
        yield Metric(metric="good rate", unit="1/s", nature="waiting", value=rate, more_is_better=True)
    if report.steps is not None and report.steps.knee is not None:
        knee = report.steps.knee
        yield Metric(metric="knee", unit="1/s", nature="waiting", value=knee, more_is_better=True, interval=True)
    if report.memory is not None:
        yield from _memory(report.memory)
    if report.cost is not None and report.cost.exact:
        yield from _cost(report.cost)


def _micro(micro: Micro) -> Iterator[Metric]:
    yield Metric(metric="time", unit="s", nature="computing", value=micro.wall, interval=True)
    yield Metric(metric="CPU time", unit="s", nature="computing", value=micro.cpu, interval=True)


def _response(response: Distribution) -> Iterator[Metric]:
    for p in response.percentiles:
        value = None if p.value is None else Estimate(value=p.value, low=p.low, high=p.high)
        yield Metric(metric=f"response p{100 * p.q:g}", unit="s", nature="waiting", value=value, interval=True)


def _memory(memory: Memory) -> Iterator[Metric]:
    for metric, unit, size in (("memory", "B", memory.bytes), ("allocations", "", memory.allocations)):
        if size is not None:
            yield Metric(metric=metric, unit=unit, nature="size", value=Estimate(value=size))


def _cost(cost: Cost) -> Iterator[Metric]:
    for metric in ("tasks", "callbacks", "timers", "threads", "calls", "allocations"):
        count: float | None = getattr(cost, metric)
        if count is not None:
            yield Metric(metric=metric, unit="", nature="count", value=Estimate(value=count))
