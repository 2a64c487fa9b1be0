"""Reports that were never measured."""

from __future__ import annotations

from collections.abc import Mapping

from aembed.bench.model.estimates import Distribution, Estimate, Histogram, Percentile
from aembed.bench.model.one_at_a_time import Cost, Memory, Micro
from aembed.bench.model.result import Environment, Noise, Parameter, Report, Verdict
from aembed.bench.model.under_load import RunWindow

HERE = Environment(
    machine="here",
    cpu="fast",
    cores=2,
    affinity=(0, 1),
    system="Linux",
    python="CPython 3.11.7",
    loop="uvloop 0.22.1",
    packages={},
    revision="abc123",
    dirty=False,
)
COST = Cost(operations=100, exact=True, tasks=1.0, callbacks=3.0, timers=0.0, threads=0.0, calls=41.0, allocations=None)


def noise(canary: float = 0.01) -> Noise:
    return Noise(load=0.1, steal=0.0, lost=0.0, longest_gap=1e-4, canary=canary)


def around(value: float, share: float = 0.01) -> Estimate:
    return Estimate(value=value, low=value * (1 - share), high=value * (1 + share))


def micro(seconds: float, share: float = 0.01) -> Micro:
    rows = ((seconds, seconds),)
    return Micro(
        wall=around(seconds, share),
        cpu=around(seconds, share),
        processes=5,
        blocks=2,
        operations=100,
        samples=rows,
        cpu_samples=rows,
    )


def response(p99: float | None, share: float = 0.01) -> Distribution:
    ends = (None, None) if p99 is None else (p99 * (1 - share), p99 * (1 + share))
    return Distribution(
        count=1000,
        censored=0,
        mean=None,
        percentiles=(Percentile(q=0.99, value=p99, low=ends[0], high=ends[1]),),
        max=1.0,
        histogram=Histogram(edges=(0.0, 1.0), counts=(1000,)),
    )


def memory(size: float) -> Memory:
    return Memory(
        operations=100,
        bytes=size,
        allocations=None,
        peak=None,
        retained=Estimate(value=0.0),
        rss=Estimate(value=0.0),
        smallest_leak=0.01,
        leaking=False,
        filling=False,
    )


def report(
    name: str = "embed",
    *,
    parameters: Mapping[str, Parameter] | None = None,
    where: Environment = HERE,
    canary: float = 0.01,
    verdict: Verdict = Verdict(),  # noqa: B008  frozen
    started: str = "2026-01-01T00:00:00Z",
    micro: Micro | None = None,
    response: Distribution | None = None,
    memory: Memory | None = None,
    cost: Cost | None = None,
) -> Report:
    """A report of the parts given."""
    return Report(
        mode="open" if response else "memory" if memory else "cost" if cost else "micro",
        name=name,
        parameters=parameters or {},
        started=started,
        seconds=1.0,
        verdict=verdict,
        environment=where,
        before=noise(canary),
        after=noise(canary * 1.1),
        micro=micro,
        response=response,
        memory=memory,
        cost=cost,
    )


def window(start: int, p50: float | None, *, good: int = 10, rss: int | None = None) -> RunWindow:
    return RunWindow(
        start=float(start),
        seconds=1,
        offered=10,
        started=10,
        done=10,
        good=good,
        errors=0,
        p50=p50,
        p95=p50,
        p99=p50,
        backlog=0,
        lag_max=0,
        rss=rss,
    )
