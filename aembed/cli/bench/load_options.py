"""Options of the commands that put a subject under load."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from aembed import bench
from aembed.bench import Arrivals, RunOptions
from aembed.cli.bench.objectives import written
from aembed.cli.bench.values import seconds, share
from aembed.cli.errors import one_sentence

LOAD, OBJECTIVES = "Load", "Objectives"
Seconds = Annotated[
    float,
    typer.Option(
        "--duration",
        "-d",
        parser=seconds,
        metavar="TIME",
        help="Length of the run, such as 30s or 2m.",
        show_default="30s",
        rich_help_panel=LOAD,
    ),
]
Rate = Annotated[
    float, typer.Option("--rate", "-r", min=1e-6, metavar="N", help="Requests per second.", rich_help_panel=LOAD)
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", parser=seconds, metavar="TIME", help="Time after which a request has failed.", rich_help_panel=LOAD
    ),
]
MinGood = Annotated[
    float | None,
    typer.Option(
        "--min-good",
        parser=share,
        metavar="SHARE",
        help="Share of the requests that must be good, or the run has failed; 99% without an objective for errors.",
        rich_help_panel=LOAD,
    ),
]
SloOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        metavar="OBJECTIVES",
        help="Objectives such as p95=50ms,errors=1%,rate=200/s, or a TOML file of them; may be repeated.",
        rich_help_panel=OBJECTIVES,
    ),
]
AbortOption = Annotated[
    bool,
    typer.Option(
        "--abort",
        help="Stop as soon as an objective is surely broken (wrong in 1 % of runs at most).",
        rich_help_panel=OBJECTIVES,
    ),
]
WhyOption = Annotated[
    bool,
    typer.Option(
        "--why",
        help="Say where the time of requests went, and list the slowest: gate, network, parts that your code marks.",
        rich_help_panel=LOAD,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Random seed of schedule and texts.", rich_help_panel=LOAD)]

ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes",
        min=1,
        help="Processes that offer the load together, each with a separate subject.",
        rich_help_panel=LOAD,
    ),
]


class Gaps(StrEnum):
    """Between requests."""

    poisson = "poisson"
    constant = "constant"


Arriving = Annotated[
    Gaps, typer.Option("--arrivals", help="poisson: as independent users come. constant: evenly.", rich_help_panel=LOAD)
]


def arrivals_of(gaps: Gaps, rate: float) -> Arrivals:
    """The schedule that the options describe."""
    return bench.poisson(rate=rate) if gaps is Gaps.poisson else bench.constant(rate=rate)


def run_options(
    mode: str,
    timeout: float | None,
    min_good: float | None,
    slo: list[str] | None,
    *,
    abort: bool,
    why: bool = False,
    processes: int = 1,
) -> RunOptions:
    """Options of a run under load, with its objectives."""
    with one_sentence():
        return {
            "timeout": timeout,
            "min_good": min_good,
            "slo": written(mode, slo),
            "abort": abort,
            "why": why,
            "processes": processes,
        }
