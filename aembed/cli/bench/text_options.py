"""Options of a model that is measured: its texts, its limits, and whether its cache may answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aembed.bench import Scenario
from aembed.cli.bench.options import SUBJECT, MeasuringOptions
from aembed.cli.bench.subject import embed_documents, embed_query
from aembed.cli.bench.values import share


class CorpusKind(StrEnum):
    """Built-in corpora."""

    queries = "queries"
    passages = "passages"
    documents = "documents"
    multilingual = "multilingual"


@dataclass(frozen=True, kw_only=True)
class TextOptions(MeasuringOptions):
    """The options that all models of a command share."""

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
        CorpusKind | None,
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
        typer.Option("--price", min=0, metavar="USD", help="US dollars per million tokens.", rich_help_panel=SUBJECT),
    ] = None
    rpm: Annotated[
        float | None,
        typer.Option(
            "--rpm", metavar="N", help="Limit of the account, in requests per minute.", rich_help_panel=SUBJECT
        ),
    ] = None
    tpm: Annotated[
        float | None,
        typer.Option("--tpm", metavar="N", help="Limit of the account, in tokens per minute.", rich_help_panel=SUBJECT),
    ] = None
    with_cache: Annotated[
        bool,
        typer.Option("--with-cache", help="Keep the cache that the settings ask for.", rich_help_panel=SUBJECT),
    ] = False
    with_merge: Annotated[
        bool,
        typer.Option("--with-merge", help="Keep the merging that the settings ask for.", rich_help_panel=SUBJECT),
    ] = False

    def of_model(self, model: str | None, base_url: str | None) -> Scenario:
        """The calls of one model as a scenario of one case."""
        made = embed_query if self.query else embed_documents
        given = {
            "model": model,
            "base_url": base_url,
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
        return Scenario(made.name, made.function, {name: (given[name],) for name in made.parameters})
