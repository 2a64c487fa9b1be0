"""Options of the commands that put a subject under load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from aembed.bench import RunOptions
from aembed.cli.bench.objectives import written
from aembed.cli.bench.values import rate_per_s, seconds, share
from aembed.cli.errors import one_sentence

LOAD, OBJECTIVES = "Load", "Objectives"
DurationOption = Annotated[
    float | None,
    typer.Option(
        "--duration",
        "-d",
        parser=seconds,
        metavar="TIME",
        help="Length of the run, such as 30s or 2m. By default 30s, or longer (5m at most) where fewer than 400 "
        "requests would come.",
        show_default=False,
        rich_help_panel=LOAD,
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        "-r",
        parser=rate_per_s,
        metavar="N",
        help="Requests per second.",
        show_default="100",
        rich_help_panel=LOAD,
    ),
]
ArrivingOption = Annotated[
    str,
    typer.Option(
        "--arrivals",
        metavar="SCHEDULE",
        help="poisson: as independent users come. constant: evenly. gamma:2: in bunches. ramp:10..200: from one rate "
        "to another. trace:FILE: recorded times, a number of seconds per line, or a file of --rows.",
        rich_help_panel=LOAD,
    ),
]
SteadyArrivingOption = Annotated[
    str,
    typer.Option(
        "--arrivals",
        metavar="SCHEDULE",
        help="poisson: as independent users come. constant: evenly. gamma:2: in bunches.",
        rich_help_panel=LOAD,
    ),
]


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Limits of a request, and the source of requests."""

    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            parser=seconds,
            metavar="TIME",
            help="Time after which a request has failed.",
            rich_help_panel=LOAD,
        ),
    ] = None
    min_good: Annotated[
        float | None,
        typer.Option(
            "--min-good",
            parser=share,
            metavar="SHARE",
            help="Share of the requests that must be good, or the run has failed; 99% without an objective for errors.",
            rich_help_panel=LOAD,
        ),
    ] = None
    slo: Annotated[
        list[str] | None,
        typer.Option(
            "--slo",
            metavar="OBJECTIVES",
            help="Objectives such as p95=50ms,errors=1%,rate=200/s, or a TOML file of them; may be repeated.",
            rich_help_panel=OBJECTIVES,
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Random seed of schedule and texts.", rich_help_panel=LOAD)] = 0

    def options(self, mode: str) -> RunOptions:
        """Options of a run, with its objectives. Ends the command for those that ``mode`` does not measure."""
        with one_sentence():
            return {"timeout": self.timeout, "min_good": self.min_good, "slo": written(mode, self.slo)}


@dataclass(frozen=True, kw_only=True)
class Why:
    """The time of requests, part by part."""

    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="Say where the time of requests went, and list the slowest: gate, network, parts that your code "
            "marks.",
            rich_help_panel=LOAD,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class InProcesses:
    """Number of processes that offer the load."""

    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            min=1,
            metavar="N",
            help="Processes that offer the load together, each with a separate subject.",
            rich_help_panel=LOAD,
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True)
class OneRun(RequestOptions, Why, InProcesses):
    """One run: its end, and notes in it."""

    abort: Annotated[
        bool,
        typer.Option(
            "--abort",
            help="Stop once an objective is surely broken, after a minute at the soonest.",
            rich_help_panel=OBJECTIVES,
        ),
    ] = False
    drain: Annotated[
        float,
        typer.Option(
            "--drain",
            parser=seconds,
            metavar="TIME",
            help="Time after the run during which answers still count.",
            show_default="10s",
            rich_help_panel=LOAD,
        ),
    ] = 10.0
    max_in_flight: Annotated[
        int,
        typer.Option(
            "--max-in-flight",
            min=1,
            metavar="N",
            help="Most requests at once; others wait for a place, which counts as response time.",
            rich_help_panel=LOAD,
        ),
    ] = 10_000

    def options(self, mode: str) -> RunOptions:
        """Options of a run, with its objectives. Ends the command for those that ``mode`` does not measure."""
        return {
            **super().options(mode),
            "abort": self.abort,
            "why": self.why,
            "processes": self.processes,
            "drain": self.drain,
            "max_in_flight": self.max_in_flight,
        }
