"""Commands that put a model under load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from aembed import bench
from aembed.bench import Case, Report, RunOptions
from aembed.cli.bench.load_options import LOAD, ArrivingOption, DurationOption, RateOption, SteadyArrivingOption
from aembed.cli.bench.objectives import ladder, written
from aembed.cli.bench.schedules import DEFAULT_RATE, any_schedule, seconds_for, steady
from aembed.cli.bench.session import Watch, measure
from aembed.cli.bench.target import RunShared, StepShared, with_run_options, with_step_options
from aembed.cli.bench.values import rate_per_s, seconds, share
from aembed.cli.errors import one_sentence

REQUESTS_BEFORE_SPIKE = 150
"""Requests before a spike, a quarter of the run, that nearly always show the usual latency."""


def _each(shared: StepShared, options: RunOptions, load: Callable[[Case, RunOptions], Any]) -> None:
    """Measure every case in turn."""
    with one_sentence():
        files = shared.files()
    if files.wants_rows:
        options["keep"] = files.runs.append

    async def run(case: Case, watch: Watch) -> Report:
        report: Report = await load(case, {**options, "stop": watch.stop, "progress": watch.tell})
        return report

    measure(shared, shared.cases, run, files)


@with_run_options
def load(
    shared: RunShared, *, rate: RateOption = None, duration: DurationOption = None, arrivals: ArrivingOption = "poisson"
) -> None:
    """Offer a rate of requests, answered or not, and measure the response times of users.

    - aembed bench load --model local --rate 50 --duration 30s

    - aembed bench load -m openai:text-embedding-3-small --query --rate 20 --html load.html
    """
    with one_sentence():
        schedule, length = any_schedule(arrivals, rate, duration)

    def run(case: Case, options: RunOptions) -> Any:
        return bench.load(case, arrivals=schedule, duration=length, seed=shared.seed, **options)

    _each(shared, shared.options("load"), run)


@with_run_options
def users(
    shared: RunShared,
    *,
    users: Annotated[
        int, typer.Option("--users", "-u", min=1, help="Number of concurrent users.", rich_help_panel=LOAD)
    ] = 10,
    think: Annotated[
        float,
        typer.Option(
            "--think",
            parser=seconds,
            metavar="TIME",
            help="Mean pause of a user between answer and next request.",
            show_default="1s",
            rich_help_panel=LOAD,
        ),
    ] = 1.0,
    duration: DurationOption = None,
) -> None:
    """Let users ask, wait for the answer, think, and ask again.

    - aembed bench users --users 20 --think 500ms --duration 1m
    """
    length = duration or seconds_for(users / think)

    def run(case: Case, options: RunOptions) -> Any:
        return bench.closed(case, users=users, think=think, duration=length, seed=shared.seed, **options)

    _each(shared, shared.options("users"), run)


@with_run_options
def burst(
    shared: RunShared,
    *,
    base: Annotated[
        float,
        typer.Option(
            "--base",
            parser=rate_per_s,
            metavar="N",
            help="Requests per second before and after the spike.",
            rich_help_panel=LOAD,
        ),
    ] = 20.0,
    spike: Annotated[
        float,
        typer.Option(
            "--spike", parser=rate_per_s, metavar="N", help="Requests per second in the spike.", rich_help_panel=LOAD
        ),
    ] = 200.0,
    spike_for: Annotated[
        float,
        typer.Option(
            "--spike-for",
            parser=seconds,
            metavar="TIME",
            help="Duration of the spike.",
            show_default="2s",
            rich_help_panel=LOAD,
        ),
    ] = 2.0,
    duration: DurationOption = None,
) -> None:
    """A spike of load: how slow it gets, and how long it takes to recover.

    - aembed bench burst --base 50 --spike 500 --spike-for 2s --duration 20s --html burst.html
    """
    length = duration or seconds_for(base, 4 * REQUESTS_BEFORE_SPIKE)

    def run(case: Case, options: RunOptions) -> Any:
        return bench.burst(
            case, base=base, spike=spike, spike_s=spike_for, duration=length, seed=shared.seed, **options
        )

    _each(shared, shared.options("burst"), run)


@with_run_options
def sustained(
    shared: RunShared,
    *,
    rate: RateOption = None,
    duration: Annotated[
        float,
        typer.Option(
            "--duration",
            "-d",
            parser=seconds,
            metavar="TIME",
            help="Length of the run, such as 10m.",
            show_default="5m",
            rich_help_panel=LOAD,
        ),
    ] = 300.0,
    arrivals: SteadyArrivingOption = "poisson",
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            parser=share,
            metavar="SHARE",
            show_default="10%",
            help="Relative change over the run that still counts as steady.",
            rich_help_panel=LOAD,
        ),
    ] = 0.1,
) -> None:
    """A long run: does it get slower, or larger, with time?

    - aembed bench sustained --rate 50 --duration 10m
    """
    with one_sentence():
        schedule = steady(arrivals, DEFAULT_RATE if rate is None else rate)

    def run(case: Case, options: RunOptions) -> Any:
        return bench.sustained(
            case, arrivals=schedule, duration=duration, tolerance=tolerance, seed=shared.seed, **options
        )

    _each(shared, shared.options("sustained"), run)


@with_step_options
def steps(
    shared: StepShared,
    *,
    start: Annotated[
        float,
        typer.Option(
            "--start", parser=rate_per_s, metavar="N", help="First rate, in requests per second.", rich_help_panel=LOAD
        ),
    ] = 10.0,
    step_for: Annotated[
        float,
        typer.Option(
            "--step-for",
            parser=seconds,
            metavar="TIME",
            help="Duration of each step.",
            show_default="10s",
            rich_help_panel=LOAD,
        ),
    ] = 10.0,
    highest: Annotated[
        float | None,
        typer.Option(
            "--highest", parser=rate_per_s, metavar="N", help="Rate that is not exceeded.", rich_help_panel=LOAD
        ),
    ] = None,
    precision: Annotated[
        float,
        typer.Option(
            "--precision",
            parser=share,
            metavar="SHARE",
            help="Relative distance of the last two rates.",
            show_default="5%",
            rich_help_panel=LOAD,
        ),
    ] = 0.05,
) -> None:
    """Raise the rate until the objective breaks, and find the highest rate within it.

    With rate=N/s among the objectives, that rate must be reached.

    - aembed bench steps --slo p95=50ms --start 20 --step-for 10s

    - aembed bench steps --slo p95=50ms,errors=0.1%,rate=200/s
    """

    def run(case: Case, options: RunOptions) -> Any:
        wanted, at_least = ladder(written("steps", shared.slo or ["p95=100ms"]), shared.min_good)
        return bench.steps(
            case,
            objective=wanted,
            start=start,
            step_s=step_for,
            highest=highest,
            precision=precision,
            at_least=at_least,
            seed=shared.seed,
            **options,
        )

    _each(shared, {"timeout": shared.timeout, "processes": shared.processes}, run)


COMMANDS = (load, users, burst, sustained, steps)
