"""The measured subject: a model, any async def, the scenarios of a file, or a web application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Annotated

import typer

from aembed.bench import Case, Scenario
from aembed.bench.discovery import find
from aembed.bench.scenario import DATA
from aembed.cli.bench import web
from aembed.cli.bench.load_options import InProcesses, OneRun, RequestOptions
from aembed.cli.bench.options import SUBJECT, Recorded, with_options
from aembed.cli.bench.text_options import TextOptions
from aembed.cli.errors import CommandError


@dataclass(frozen=True, kw_only=True)
class Shared(TextOptions):
    """The options, by the names they have on the command line."""

    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="Any async def, module:function or file.py:function, or a file of scenarios; without it, a model.",
            show_default=False,
        ),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="provider:model, provider, or a profile.", rich_help_panel=SUBJECT
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Base URL of the model's server.", rich_help_panel=SUBJECT),
    ] = None
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="FILE.py[:NAME]", help="Same as TARGET.", rich_help_panel=SUBJECT),
    ] = None
    asgi: Annotated[
        str | None,
        typer.Option(
            "--asgi",
            metavar="MODULE:APP",
            help="ASGI application in this process; TARGET is the request, such as 'GET /hello'.",
            rich_help_panel=SUBJECT,
        ),
    ] = None
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Web server; TARGET is the request, such as 'GET /hello'.",
            rich_help_panel=SUBJECT,
        ),
    ] = None
    body: Annotated[
        str | None,
        typer.Option("--body", metavar="JSON", help="Request body.", rich_help_panel=SUBJECT),
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="LOW..HIGH|FILE|MODULE:FUNCTION",
            help="Arguments of the async def: a different one per request.",
            rich_help_panel=SUBJECT,
        ),
    ] = None

    @property
    def is_model(self) -> bool:
        """A model is measured, not code of the user."""
        return all(place is None for place in (self.target, self.scenario, self.asgi, self.url))

    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenarios that the options name."""
        if self.asgi is not None or self.url is not None:
            self._reject_model_options()
            return (self._web(),)
        if self.body is not None:
            raise CommandError("--body needs --asgi or --url")
        place = self.target or self.scenario
        if place is not None:
            self._reject_model_options()
            return tuple(map(self._with_data, find(place)))
        if self.data is not None:
            raise CommandError("--data is for an async def; name it, such as: aembed bench load app.queries:get_user")
        return (self.of_model(self.model, self.base_url),)

    def _web(self) -> Scenario:
        """The application or the server, and the request."""
        if self.scenario is not None or (self.asgi is not None and self.url is not None):
            raise CommandError("--asgi, --url and --scenario exclude each other: give one of them")
        made, place = (web.http, {"url": self.url}) if self.asgi is None else (web.asgi, {"application": self.asgi})
        given = {**place, "request": self.target or "GET /", "body": self.body, "data": self.data}
        return replace(made, parameters={name: (given[name],) for name in made.parameters})

    def _with_data(self, scenario: Scenario) -> Scenario:
        if self.data is None:
            return scenario
        if not scenario.takes_request:
            raise CommandError(f"--data is for an async def with an argument, and {scenario.name} takes none")
        return replace(scenario, parameters={DATA: (self.data,)})

    def _reject_model_options(self) -> None:
        """A scenario defines its subject: an option that it would ignore is an error."""
        of_model = {field.name for field in fields(TextOptions)} - {field.name for field in fields(Recorded)}
        default = {field.name: field.default for field in fields(self)}
        names = [name for name in default if name in of_model | {"model", "base_url"}]
        ignored = [name for name in names if getattr(self, name) != default[name]]
        if ignored:
            flag = f"--{ignored[0].replace('_', '-')}"
            places = {"--asgi": self.asgi, "--url": self.url, "TARGET": self.target, "--scenario": self.scenario}
            given = next(name for name, place in places.items() if place is not None)
            raise CommandError(f"{given} and {flag} exclude each other: {flag} is about a model", 2)
        if self.target and self.scenario:
            raise CommandError("TARGET and --scenario exclude each other: give one of them", 2)

    def cases(self) -> Iterator[Case]:
        """Each of them."""
        return (case for scenario in self.scenarios() for case in scenario.cases())


@dataclass(frozen=True, kw_only=True)
class StepShared(Shared, Recorded, RequestOptions, InProcesses):
    """Options of every command that puts the subject under load, with files of the requests."""


@dataclass(frozen=True, kw_only=True)
class RunShared(OneRun, StepShared):
    """The same, for one run."""


@dataclass(frozen=True, kw_only=True)
class SweepShared(Shared, RequestOptions):
    """Options of a grid."""


with_shared = with_options(Shared)
with_step_options = with_options(StepShared)
with_run_options = with_options(RunShared)
with_sweep_options = with_options(SweepShared)
