"""Several models, servers or async defs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from aembed import bench
from aembed.bench import Case, Report
from aembed.bench.discovery import find
from aembed.bench.scenario import only_case
from aembed.cli.bench.load_options import LOAD, RequestOptions, SteadyArrivingOption, Why
from aembed.cli.bench.options import SUBJECT, Recorded, with_options
from aembed.cli.bench.schedules import steady
from aembed.cli.bench.session import Watch, measure_all
from aembed.cli.bench.text_options import TextOptions
from aembed.cli.bench.values import rate_per_s, seconds
from aembed.cli.errors import CommandError, one_sentence

TURNS = "Turns"


@dataclass(frozen=True, kw_only=True)
class VersusOptions(TextOptions, Recorded, RequestOptions, Why):
    """Options of all sides, with files of the requests."""


@with_options(VersusOptions)
def versus(
    options: VersusOptions,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET]...", help="Async defs, such as app.queries:get_user.", show_default=False),
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME[@URL]",
            help="Model or profile, with @ and the base URL of its server; give two or more.",
            rich_help_panel=SUBJECT,
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option("--rate", "-r", parser=rate_per_s, metavar="N", help="Requests per second.", rich_help_panel=LOAD),
    ] = 20.0,
    duration: Annotated[
        float,
        typer.Option(
            "--duration",
            "-d",
            parser=seconds,
            metavar="TIME",
            help="Time that each is measured, in blocks; all together take that many times as long.",
            show_default="90s",
            rich_help_panel=TURNS,
        ),
    ] = 90.0,
    block: Annotated[
        float,
        typer.Option(
            "--block",
            parser=seconds,
            metavar="TIME",
            help="Length of each subject's turn.",
            show_default="3s",
            rich_help_panel=TURNS,
        ),
    ] = 3.0,
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="PERCENTILE", help="Percentile that ranks: p50, p90 or p95.", rich_help_panel=TURNS
        ),
    ] = "p50",
    arrivals: SteadyArrivingOption = "poisson",
) -> None:
    """Compare models or servers in turns: same texts, same schedule, alternating blocks, ranks with ties.

    - aembed bench versus -m openai:text-embedding-3-small -m voyage:voyage-3.5-lite --rate 20

    - aembed bench versus -m local -m mock --documents 8 --slo p95=200ms
    """
    load = options.options("load")
    load["why"] = options.why
    with one_sentence():
        files = options.files()
        schedule = steady(arrivals, rate)
    if files.wants_rows:
        load["keep"] = files.runs.append

    def sides() -> dict[str, Case]:
        found = dict(_of_model(options, name) for name in model or ())
        found |= {target: only_case(find(target)[0]) for target in targets or ()}
        if len(found) < 2:
            given = [*(model or ()), *(targets or ())]
            if len(given) > len(found):
                raise CommandError(
                    f"both sides are {given[0]}; to compare settings of one model, make two profiles in aembed.toml "
                    "and give their names to -m"
                )
            raise CommandError("versus compares two or more: give -m twice, or two targets")
        return found

    async def run(watch: Watch) -> tuple[Report, ...]:
        chosen = sides()
        watch.say(f"measuring {', '.join(chosen)} in turns; Ctrl-C ends")
        load["stop"], load["progress"] = watch.stop, watch.tell
        return await bench.versus(
            chosen, arrivals=schedule, duration=duration, block_s=block, by=by, seed=options.seed, **load
        )

    measure_all(options, run, files)


def _of_model(options: TextOptions, written: str) -> tuple[str, Case]:
    """``NAME`` or ``NAME@URL``."""
    name, at, address = written.partition("@http")
    return written, only_case(options.of_model(name or None, f"http{address}" if at else None))


COMMANDS = (versus,)
