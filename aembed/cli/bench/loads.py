"""Commands that put a model under load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from aembed import bench
from aembed.bench import Case, Report, RunOptions
from aembed.cli.bench.load_options import (
    LOAD,
    AbortOption,
    Arriving,
    Gaps,
    MinGood,
    ProcessesOption,
    Rate,
    Seconds,
    Seed,
    SloOption,
    Timeout,
    WhyOption,
    arrivals_of,
    run_options,
)
from aembed.cli.bench.objectives import ladder, written
from aembed.cli.bench.session import Watch, measure
from aembed.cli.bench.target import LoadShared, with_load_options
from aembed.cli.bench.values import seconds
from aembed.cli.errors import one_sentence


def _each(shared: LoadShared, options: RunOptions, load: Callable[[Case, RunOptions], Any]) -> None:
    """Measure every case in turn."""
    with one_sentence():
        files = shared.files()
    if files.wants_rows:
        options["keep"] = files.runs.append

    async def run(case: Case, watch: Watch) -> Report:
        report: Report = await load(case, {**options, "stop": watch.stop, "progress": watch.tell})
        return report

    measure(shared, shared.cases, run, files)


@with_load_options
def load(
    shared: LoadShared,
    *,
    rate: Rate = 100.0,
    duration: Seconds = 30.0,
    arrivals: Arriving = Gaps.poisson,
    timeout: Timeout = None,
    min_good: MinGood = None,
    slo: SloOption = None,
    abort: AbortOption = False,
    why: WhyOption = False,
    seed: Seed = 0,
    processes: ProcessesOption = 1,
) -> None:
    """Offer a rate of requests, answered or not, and measure the response times of users.

    - aembed bench load --model local --rate 50 --duration 30s

    - aembed bench load -m openai:text-embedding-3-small --query --rate 20 --html load.html
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.load(case, arrivals=arrivals_of(arrivals, rate), duration=duration, seed=seed, **options)

    _each(shared, run_options("load", timeout, min_good, slo, abort=abort, why=why, processes=processes), run)


@with_load_options
def users(
    shared: LoadShared,
    *,
    users: Annotated[
        int, typer.Option("--users", "-u", min=1, help="Number of users at once.", rich_help_panel=LOAD)
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
    duration: Seconds = 30.0,
    timeout: Timeout = None,
    min_good: MinGood = None,
    slo: SloOption = None,
    abort: AbortOption = False,
    why: WhyOption = False,
    seed: Seed = 0,
    processes: ProcessesOption = 1,
) -> None:
    """Let users ask, wait for the answer, think, and ask again.

    - aembed bench users --users 20 --think 500ms --duration 1m
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.closed(case, users=users, think=think, duration=duration, seed=seed, **options)

    _each(shared, run_options("users", timeout, min_good, slo, abort=abort, why=why, processes=processes), run)


@with_load_options
def burst(
    shared: LoadShared,
    *,
    base: Annotated[
        float,
        typer.Option(
            "--base",
            min=1e-6,
            metavar="N",
            help="Requests per second before and after the spike.",
            rich_help_panel=LOAD,
        ),
    ] = 20.0,
    spike: Annotated[
        float,
        typer.Option("--spike", min=1e-6, metavar="N", help="Requests per second in the spike.", rich_help_panel=LOAD),
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
    duration: Seconds = 30.0,
    timeout: Timeout = None,
    min_good: MinGood = None,
    slo: SloOption = None,
    abort: AbortOption = False,
    why: WhyOption = False,
    seed: Seed = 0,
    processes: ProcessesOption = 1,
) -> None:
    """A spike of load: how slow it gets, and how long it takes to recover.

    - aembed bench burst --base 50 --spike 500 --spike-for 2s --duration 20s --html burst.html
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.burst(case, base=base, spike=spike, spike_s=spike_for, duration=duration, seed=seed, **options)

    _each(shared, run_options("burst", timeout, min_good, slo, abort=abort, why=why, processes=processes), run)


@with_load_options
def sustained(
    shared: LoadShared,
    *,
    rate: Rate = 100.0,
    duration: Seconds = 300.0,
    arrivals: Arriving = Gaps.poisson,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            min=0.001,
            help="Relative change over the run that still counts as steady.",
            rich_help_panel=LOAD,
        ),
    ] = 0.1,
    timeout: Timeout = None,
    min_good: MinGood = None,
    slo: SloOption = None,
    abort: AbortOption = False,
    why: WhyOption = False,
    seed: Seed = 0,
    processes: ProcessesOption = 1,
) -> None:
    """A long run: does it get slower, or larger, with time?

    - aembed bench sustained --rate 50 --duration 10m
    """

    def run(case: Case, options: RunOptions) -> Any:
        return bench.sustained(
            case, arrivals=arrivals_of(arrivals, rate), duration=duration, tolerance=tolerance, seed=seed, **options
        )

    _each(shared, run_options("sustained", timeout, min_good, slo, abort=abort, why=why, processes=processes), run)


@with_load_options
def steps(
    shared: LoadShared,
    *,
    slo: SloOption = None,
    start: Annotated[
        float,
        typer.Option(
            "--start", min=1e-6, metavar="N", help="First rate, in requests per second.", rich_help_panel=LOAD
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
    timeout: Timeout = None,
    min_good: MinGood = None,
    seed: Seed = 0,
    processes: ProcessesOption = 1,
) -> None:
    """Raise the rate until the objective breaks, and find the highest rate within it.

    With rate=N/s among the objectives, that rate must be reached.

    - aembed bench steps --slo p95=50ms --start 20 --step-for 10s

    - aembed bench steps --slo p95=50ms,errors=0.1%,rate=200/s
    """

    def run(case: Case, options: RunOptions) -> Any:
        wanted, at_least = ladder(written("steps", slo or ["p95=100ms"]), min_good)
        return bench.steps(
            case, objective=wanted, start=start, step_s=step_for, at_least=at_least, seed=seed, **options
        )

    _each(shared, {"timeout": timeout, "processes": processes}, run)


COMMANDS = (load, users, burst, sustained, steps)
