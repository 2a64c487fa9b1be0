"""What most commands of ``aembed bench`` take, written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from aembed.bench import Case, Scenario
from aembed.bench.scenario import find
from aembed.cli.bench.subject import FROM_FILE, embed_documents, embed_query
from aembed.cli.errors import CommandError

SUBJECT, OUTPUT = "What is measured", "Where results go"


class Loop(StrEnum):
    """Event loops to measure on."""

    uvloop = "uvloop"
    asyncio = "asyncio"


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where results go, beside the terminal."""

    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="HTML page with charts.", rich_help_panel=OUTPUT),
    ] = None
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="JUnit XML for CI.", rich_help_panel=OUTPUT)
    ] = None
    github: Annotated[
        bool, typer.Option("--github", help="GitHub annotations and step summary.", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, kw_only=True)
class Shared(Outputs):
    """The options, by the names they have on the command line."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="provider:model, provider, or a profile.", rich_help_panel=SUBJECT
        ),
    ] = None
    documents: Annotated[
        int,
        typer.Option("--documents", "-n", min=1, help="Texts per call.", rich_help_panel=SUBJECT),
    ] = 1
    query: Annotated[
        bool, typer.Option("--query", help="Measure embed_query instead of embed_documents.", rich_help_panel=SUBJECT)
    ] = False
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            metavar="FILE",
            help="File with one text per line; made-up sentences without it.",
            exists=True,
            dir_okay=False,
            rich_help_panel=SUBJECT,
        ),
    ] = None
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Base URL of the model's server.", rich_help_panel=SUBJECT),
    ] = None
    rpm: Annotated[
        float | None,
        typer.Option("--rpm", help="Limit of the account, in requests per minute.", rich_help_panel=SUBJECT),
    ] = None
    tpm: Annotated[
        float | None, typer.Option("--tpm", help="Limit of the account, in tokens per minute.", rich_help_panel=SUBJECT)
    ] = None
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="FILE.py[:NAME]",
            help="Scenarios of a file, or with :NAME any async def in it.",
            rich_help_panel=SUBJECT,
        ),
    ] = None
    with_cache: Annotated[
        bool,
        typer.Option("--with-cache", help="Keep the cache that the settings ask for.", rich_help_panel=SUBJECT),
    ] = False
    with_merge: Annotated[
        bool,
        typer.Option("--with-merge", help="Keep the merging that the settings ask for.", rich_help_panel=SUBJECT),
    ] = False
    loop: Annotated[Loop | None, typer.Option("--loop", help="Event loop; uvloop where it is installed.")] = None
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="JSON, for programs and for compare.", rich_help_panel=OUTPUT),
    ] = None

    def scenarios(self) -> tuple[Scenario, ...]:
        """What these options say is to be measured."""
        if self.scenario is not None:
            self._refuse_model_options()
            return find(self.scenario)
        made = embed_query if self.query else embed_documents
        given = {
            "model": self.model,
            "base_url": self.base_url,
            "rpm": self.rpm,
            "tpm": self.tpm,
            "with_cache": self.with_cache or None,
            "with_merge": self.with_merge or None,
            FROM_FILE: None if self.texts is None else str(self.texts.resolve()),
        }
        if not self.query:
            given["documents"] = self.documents
        return (Scenario(made.name, made.function, {name: (given[name],) for name in made.parameters}),)

    def _refuse_model_options(self) -> None:
        """A scenario says itself what it measures: an option that it would ignore is an error."""
        names = ("model", "documents", "query", "texts", "base_url", "rpm", "tpm", "with_cache", "with_merge")
        default = {field.name: field.default for field in fields(self)}
        ignored = [name for name in names if getattr(self, name) != default[name]]
        if ignored:
            flag = f"--{ignored[0].replace('_', '-')}"
            raise CommandError(f"--scenario and {flag} exclude each other: the file says what is measured", 2)

    def cases(self) -> Iterator[Case]:
        """Each of them."""
        return (case for scenario in self.scenarios() for case in scenario.cases())


def with_options(kind: type[Outputs]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``command(options, ...)``, taking the options of ``kind`` beside its own."""
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in sorted(fields(kind), key=lambda f: f.name in Outputs.__dataclass_fields__)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        taken = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *shared]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(kind(**{parameter.name: given.pop(parameter.name) for parameter in shared}), **given)

        run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
        return run

    return decorate


with_shared = with_options(Shared)
