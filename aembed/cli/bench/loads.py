"""Commands that put a model under load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from aembed import bench
from aembed.bench import Arrivals, Case, Objective, Report, RunOptions
from aembed.cli.bench.options import Shared, with_shared
from aembed.cli.bench.session import Watch, measure
from aembed.cli.bench.values import objective, seconds, share

LOAD = "Load"
Seconds = Annotated[
    float,
    typer.Option("--duration", "-d", parser=seconds, metavar="TIME", help="Such as 30s or 2m.", rich_help_panel=LOAD),
]
Rate = Annotated[float, typer.Option("--rate", "-r", min=1e-6, help="Requests a second.", rich_help_panel=LOAD)]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", parser=seconds, metavar="TIME", help="After which a request has failed.", rich_help_panel=LOAD
    ),
]
MinGood = Annotated[
    float,
    typer.Option(
        "--min-good",
        parser=share,
        metavar="SHARE",
        help="Share of the requests that must be good, or the run has failed.",
        rich_help_panel=LOAD,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.", rich_help_panel=LOAD)]


class Gaps(StrEnum):
    """Between requests."""

    poisson = "poisson"
    constant = "constant"


Arriving = Annotated[
    Gaps, typer.Option("--arrivals", help="poisson: as independent users come. constant: evenly.", rich_help_panel=LOAD)
]


def _arrivals(gaps: Gaps, rate: float) -> Arrivals:
    return bench.poisson(rate=rate) if gaps is Gaps.poisson else bench.constant(rate=rate)


def _each(shared: Shared, options: RunOptions, load: Callable[[Case, RunOptions], Any]) -> None:
    """Measure every case in turn."""

    async def run(case: Case, watch: Watch) -> Report:
        report: Report = await load(case, {**options, "stop": watch.stop, "progress": watch.tell})
        return report

    measure(shared, shared.cases, run)


@with_shared
def load(
    shared: Shared,
    *,
    rate: Rate = 100.0,
    duration: Seconds = 30.0,
    arrivals: Arriving = Gaps.poisson,
    timeout: Timeout = None,
    min_good: MinGood = 0.99,
    seed: Seed = 0,
) -> None:
    """Offer a rate of requests, answered or not, and measure what users would feel.

    - aembed bench load --model local --rate 50 --duration 30s

    - aembed bench load -m openai:text-embedding-3-small --query --rate 20 --html load.html
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.load(case, arrivals=_arrivals(arrivals, rate), duration=duration, seed=seed, **options)

    _each(shared, {"timeout": timeout, "min_good": min_good}, run)


@with_shared
def users(
    shared: Shared,
    *,
    users: Annotated[int, typer.Option("--users", "-u", min=1, help="How many.", rich_help_panel=LOAD)] = 10,
    think: Annotated[
        float,
        typer.Option(
            "--think", parser=seconds, metavar="TIME", help="Mean pause before the next.", rich_help_panel=LOAD
        ),
    ] = 1.0,
    duration: Seconds = 30.0,
    timeout: Timeout = None,
    min_good: MinGood = 0.99,
    seed: Seed = 0,
) -> None:
    """Let users ask, wait for the answer, think, and ask again.

    - aembed bench users --users 20 --think 500ms --duration 1m
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.closed(case, users=users, think=think, duration=duration, seed=seed, **options)

    _each(shared, {"timeout": timeout, "min_good": min_good}, run)


@with_shared
def burst(
    shared: Shared,
    *,
    base: Annotated[float, typer.Option("--base", min=1e-6, help="Requests a second.", rich_help_panel=LOAD)] = 20.0,
    spike: Annotated[float, typer.Option("--spike", min=1e-6, help="In the spike.", rich_help_panel=LOAD)] = 200.0,
    spike_for: Annotated[
        float, typer.Option("--spike-for", parser=seconds, metavar="TIME", help="Its length.", rich_help_panel=LOAD)
    ] = 2.0,
    duration: Seconds = 30.0,
    timeout: Timeout = None,
    min_good: MinGood = 0.99,
    seed: Seed = 0,
) -> None:
    """A spike of load: how slow it gets, and how long it takes to recover.

    - aembed bench burst --base 50 --spike 500 --spike-for 2s --duration 20s --html burst.html
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.burst(case, base=base, spike=spike, spike_s=spike_for, duration=duration, seed=seed, **options)

    _each(shared, {"timeout": timeout, "min_good": min_good}, run)


@with_shared
def sustained(
    shared: Shared,
    *,
    rate: Rate = 100.0,
    duration: Seconds = 300.0,
    arrivals: Arriving = Gaps.poisson,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.001, help="Change that is still steady.", rich_help_panel=LOAD)
    ] = 0.1,
    timeout: Timeout = None,
    min_good: MinGood = 0.99,
    seed: Seed = 0,
) -> None:
    """A long run: does it get slower, or larger, with time?

    - aembed bench sustained --rate 50 --duration 10m
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.sustained(
            case, arrivals=_arrivals(arrivals, rate), duration=duration, tolerance=tolerance, seed=seed, **options
        )

    _each(shared, {"timeout": timeout, "min_good": min_good}, run)


@with_shared
def steps(
    shared: Shared,
    *,
    slo: Annotated[
        Objective,
        typer.Option("--slo", parser=objective, metavar="pQ=TIME", help="What users must get.", rich_help_panel=LOAD),
    ] = "p95=100ms",  # type: ignore[assignment]
    start: Annotated[float, typer.Option("--start", min=1e-6, help="The first rate.", rich_help_panel=LOAD)] = 10.0,
    step_for: Annotated[
        float, typer.Option("--step-for", parser=seconds, metavar="TIME", help="Each.", rich_help_panel=LOAD)
    ] = 10.0,
    timeout: Timeout = None,
    min_good: MinGood = 0.99,
    seed: Seed = 0,
) -> None:
    """Raise the rate until the objective breaks: the highest rate users can have.

    - aembed bench steps --slo p95=50ms --start 20 --step-for 10s
    """

    wanted = replace(slo, errors=1 - min_good)

    def run(case: Case, options: RunOptions) -> Any:
        return bench.steps(case, objective=wanted, start=start, step_s=step_for, seed=seed, **options)

    _each(shared, {"timeout": timeout}, run)


COMMANDS = (load, users, burst, sustained, steps)
