"""Options of the commands of ``aembed bench``, written once: outputs and event loop."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from aembed.bench.rows.output import Files

SUBJECT, OUTPUT = "What is measured", "Where results go"


class Loop(StrEnum):
    """Event loops to measure on."""

    uvloop = "uvloop"
    asyncio = "asyncio"


@dataclass(frozen=True, kw_only=True)
class ReportOutputs:
    """Outputs in addition to the terminal."""

    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="HTML page with charts.", rich_help_panel=OUTPUT),
    ] = None
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="JUnit XML for CI.", rich_help_panel=OUTPUT)
    ] = None
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also print service time, lag and facts about the machine.", rich_help_panel=OUTPUT),
    ] = False
    github: Annotated[
        bool, typer.Option("--github", help="GitHub annotations and step summary.", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(ReportOutputs):
    """A command that measures: its loop, and its reports as JSON."""

    loop: Annotated[Loop | None, typer.Option("--loop", help="Event loop; uvloop where it is installed.")] = None
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="JSON, for programs and for compare.", rich_help_panel=OUTPUT),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Recorded(MeasuringOptions):
    """A command that puts a subject under load: files of its requests."""

    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="FILE", help="A row per request, .csv or .parquet.", rich_help_panel=OUTPUT),
    ] = None
    hlog: Annotated[
        Path | None,
        typer.Option("--hlog", metavar="FILE", help="HdrHistogram log, each second.", rich_help_panel=OUTPUT),
    ] = None
    openmetrics: Annotated[
        Path | None,
        typer.Option("--openmetrics", metavar="FILE", help="OpenMetrics text.", rich_help_panel=OUTPUT),
    ] = None

    def files(self) -> Files:
        """The files; InputError for a place where none can go."""
        return Files(rows=self.rows, hlog=self.hlog, openmetrics=self.openmetrics)


def with_options(kind: type[ReportOutputs]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``command(options, ...)``, taking the options of ``kind`` in addition to the command's."""
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(kind)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        taken = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *shared]
        taken.sort(key=lambda parameter: (_place_in_help(parameter.annotation), parameter.name != "model"))

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(kind(**{parameter.name: given.pop(parameter.name) for parameter in shared}), **given)

        run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
        return run

    return decorate


def _place_in_help(annotation: Any) -> int:
    """The subject comes first, results last. Arguments keep their order."""
    about = getattr(annotation, "__metadata__", (None,))[0]
    return {SUBJECT: 0, OUTPUT: 2}.get(getattr(about, "rich_help_panel", None) or "", 1)
