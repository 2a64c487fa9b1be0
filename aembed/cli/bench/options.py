"""What most commands of ``aembed bench`` take, written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from aembed.bench import Case, Scenario
from aembed.bench.scenario import DATA, find
from aembed.cli.bench.subject import embed_documents, embed_query
from aembed.cli.bench.values import share
from aembed.cli.errors import CommandError

SUBJECT, OUTPUT = "What is measured", "Where results go"


class Kind(StrEnum):
    """Built-in corpora."""

    queries = "queries"
    passages = "passages"
    documents = "documents"
    multilingual = "multilingual"


class Loop(StrEnum):
    """Event loops to measure on."""

    uvloop = "uvloop"
    asyncio = "asyncio"


OF_ANY_TARGET = {"target", "scenario", "data", "loop", "json"}
"""Options that are not about a model."""


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
        str,
        typer.Option(
            "--documents", "-n", metavar="N|LOW..HIGH", help="Texts per call, or a range.", rich_help_panel=SUBJECT
        ),
    ] = "1"
    query: Annotated[
        bool, typer.Option("--query", help="Measure embed_query instead of embed_documents.", rich_help_panel=SUBJECT)
    ] = False
    texts: Annotated[
        Path | None,
        typer.Option(
            "--texts",
            metavar="FILE",
            help="File with one text per line; every line is used.",
            exists=True,
            dir_okay=False,
            rich_help_panel=SUBJECT,
        ),
    ] = None
    corpus: Annotated[
        Kind | None,
        typer.Option("--corpus", help="Made-up texts; all differ, but for some copies.", rich_help_panel=SUBJECT),
    ] = None
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="N|LOW..HIGH|lognormal(MEDIAN,SIGMA)",
            help="Lengths of made-up texts, in tokens.",
            rich_help_panel=SUBJECT,
        ),
    ] = None
    copies: Annotated[
        float | None,
        typer.Option(
            "--copies", parser=share, metavar="SHARE", help="Share of texts sent before.", rich_help_panel=SUBJECT
        ),
    ] = None
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="US dollars per million tokens.", rich_help_panel=SUBJECT),
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
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="Any async def, module:function or file.py:function, or a file of scenarios; without it, a model.",
            show_default=False,
        ),
    ] = None
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="FILE.py[:NAME]", help="Same as TARGET.", rich_help_panel=SUBJECT),
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

    @property
    def is_model(self) -> bool:
        """A model is measured, not code of the user."""
        return self.target is None and self.scenario is None

    def scenarios(self) -> tuple[Scenario, ...]:
        """What these options say is to be measured."""
        place = self.target or self.scenario
        if place is not None:
            self._refuse_model_options()
            return tuple(map(self._with_data, find(place)))
        if self.data is not None:
            raise CommandError("--data is for an async def; name it, such as: aembed bench load app.queries:get_user")
        made = embed_query if self.query else embed_documents
        given = {
            "model": self.model,
            "base_url": self.base_url,
            "rpm": self.rpm,
            "tpm": self.tpm,
            "with_cache": self.with_cache or None,
            "with_merge": self.with_merge or None,
            "texts": None if self.texts is None else str(self.texts.resolve()),
            "corpus": None if self.corpus is None else self.corpus.value,
            "tokens": self.tokens,
            "copies": self.copies,
            "price": self.price,
        }
        if not self.query:
            given["documents"] = int(self.documents) if self.documents.isdigit() else self.documents
        return (Scenario(made.name, made.function, {name: (given[name],) for name in made.parameters}),)

    def _with_data(self, scenario: Scenario) -> Scenario:
        if self.data is None:
            return scenario
        if not scenario.takes_request:
            raise CommandError(f"--data is for an async def with an argument, and {scenario.name} takes none")
        return replace(scenario, parameters={DATA: (self.data,)})

    def _refuse_model_options(self) -> None:
        """A scenario says itself what it measures: an option that it would ignore is an error."""
        names = {field.name for field in fields(self)} - {field.name for field in fields(Outputs)} - OF_ANY_TARGET
        default = {field.name: field.default for field in fields(self)}
        ignored = [name for name in default if name in names and getattr(self, name) != default[name]]
        if ignored:
            flag = f"--{ignored[0].replace('_', '-')}"
            given = "TARGET" if self.target else "--scenario"
            raise CommandError(f"{given} and {flag} exclude each other: {flag} is about a model", 2)
        if self.target and self.scenario:
            raise CommandError("TARGET and --scenario exclude each other: give one of them", 2)

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
