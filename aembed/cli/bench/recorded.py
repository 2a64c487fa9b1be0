"""Files of earlier runs, read and shown again."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aembed.bench import Report, read_reports
from aembed.bench.rows.output import Files
from aembed.cli.bench.options import OUTPUT, ReportOutputs, with_options
from aembed.cli.bench.session import check_places, publish
from aembed.cli.bench.values import quantiles
from aembed.cli.errors import one_sentence


class Unit(StrEnum):
    """Units of the values in a histogram log."""

    ns = "ns"
    us = "us"
    ms = "ms"


@with_options(ReportOutputs)
def report(
    outputs: ReportOutputs,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Report: a file written by --json, --rows or --hlog.")],
    percentiles: Annotated[
        str | None,
        typer.Option(
            "--percentiles",
            parser=quantiles,
            metavar="P,P,...",
            help="More percentiles, such as 75,97.5.",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[
        Unit, typer.Option("--unit", help="Unit of the values in a histogram log of another program.")
    ] = Unit.ns,
    openmetrics: Annotated[
        Path | None,
        typer.Option("--openmetrics", metavar="FILE", help="OpenMetrics text.", rich_help_panel=OUTPUT),
    ] = None,
) -> None:
    """Show an earlier run, with any percentile: reports, rows, or a histogram log of any program.

    - aembed bench report run.parquet --percentiles 75,97.5

    - aembed bench report wrk2.hlog --unit us --html wrk2.html
    """
    with one_sentence():
        check_places(outputs)
        files = Files(openmetrics=openmetrics)
        reports: tuple[Report, ...] = read_reports(file, percentiles=quantiles(percentiles or ()), unit=unit)
        publish(outputs, reports, files=files)
        raise typer.Exit(max((report.verdict.exit_code for report in reports), default=0))


COMMANDS = (report,)
