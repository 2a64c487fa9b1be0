"""Options of ``aembed embed`` that say how the input is read and which server is asked, and what completes them."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import typer

from aembed import AembedError, Config, Registry
from aembed.cli.errors import CommandError

INPUT, FORMAT, MODEL, SPEED = "Input and output", "Input format", "Model", "Speed and cost"

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def complete_model(begun: str) -> list[str]:
    """Names of profiles and providers."""
    try:
        profiles = list(Config.load().profiles)
    except AembedError:
        profiles = []
    return [name for name in (*profiles, *Registry().names()) if name.startswith(begun)]


def complete_overlong(begun: str) -> list[str]:
    """Values of --overlong."""
    return [value for value in ("error", "truncate", "split", "rows") if value.startswith(begun)]


def complete_format(begun: str) -> list[str]:
    """Values of --input-format."""
    return [value for value in ("text", "jsonl", "csv", "parquet") if value.startswith(begun)]


SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Files (.jsonl, .csv, .tsv, .parquet or text; also .gz and .zst), directories, or - for standard input.",
    ),
]
TextColumnOption = Annotated[
    str | None,
    typer.Option(
        "--text-column", metavar="NAME", help="Column that holds the text [default: text].", rich_help_panel=INPUT
    ),
]
TextOption = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="TEMPLATE",
        help=r"Text made of several columns, as in '{title}\n\n{abstract}'. A missing field is empty.",
        rich_help_panel=INPUT,
    ),
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        "--id-column",
        metavar="NAME",
        help="Column of unique row ids [default: none, rows are numbered].",
        rich_help_panel=INPUT,
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="Largest number of rows to read.", rich_help_panel=INPUT)
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Only part K of N equal parts of the rows, for several machines; see aembed join.",
        rich_help_panel=INPUT,
    ),
]
InputFormatOption = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        metavar="text|jsonl|csv|parquet",
        help="Format of the input, where its name does not say it.",
        autocompletion=complete_format,
        rich_help_panel=FORMAT,
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Encoding of the text, such as cp1252 or utf-16 [default: utf-8].",
        rich_help_panel=FORMAT,
    ),
]
DelimiterOption = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHAR",
        help=r"Character between cells of CSV, such as ';' or '\t'.",
        rich_help_panel=FORMAT,
    ),
]
QuotingOption = Annotated[
    str | None,
    typer.Option(
        "--quoting",
        metavar="minimal|none",
        help="Meaning of quotes in CSV: they enclose cells, or are plain text.",
        rich_help_panel=FORMAT,
    ),
]
MaxRowBytesOption = Annotated[
    int | None,
    typer.Option(
        "--max-row-bytes",
        metavar="N",
        help="Longest line or CSV record; a longer one is rejected [default: 16777216].",
        rich_help_panel=FORMAT,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="provider:model, provider, or a profile [default: local].",
        autocompletion=complete_model,
        rich_help_panel=MODEL,
    ),
]
DimensionsOption = Annotated[
    int | None,
    typer.Option(
        "--dimensions", metavar="N", help="Length of the vectors, where the model can choose.", rich_help_panel=MODEL
    ),
]
OverlongOption = Annotated[
    str | None,
    typer.Option(
        "--overlong",
        metavar="error|truncate|split|rows",
        help="A text beyond the model's length: reject it (the default), keep its head, "
        "average its pieces, or make a row of each piece.",
        autocompletion=complete_overlong,
        rich_help_panel=MODEL,
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Address of a self-hosted server.", rich_help_panel=MODEL),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="Option of the provider, such as threads=2; can be repeated.",
        rich_help_panel=MODEL,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option("--batch-size", metavar="N", help="Largest number of texts per request.", rich_help_panel=SPEED),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option("--concurrency", metavar="N", help="Largest number of requests in flight.", rich_help_panel=SPEED),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Time limit of one request.", rich_help_panel=SPEED),
]
RpmOption = Annotated[
    float | None,
    typer.Option("--rpm", metavar="N", help="Account's limit in requests per minute.", rich_help_panel=SPEED),
]
TpmOption = Annotated[
    float | None,
    typer.Option("--tpm", metavar="N", help="Account's limit in tokens per minute.", rich_help_panel=SPEED),
]


def unescaped(given: str | None) -> str | None:
    r"""The text with ``\n``, ``\t``, ``\r`` and ``\\`` as the characters they encode: shells pass them on unchanged."""
    return None if given is None else re.sub(r"\\([ntr\\])", lambda found: ESCAPES[found[1]], given)


def shard(given: str | None) -> tuple[int, int] | None:
    """``"3/8"`` as numbers."""
    if given is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", given)
    if found is None:
        raise CommandError(f"--shard {given} is not two numbers; give a part and the number of parts, as in 3/8")
    return int(found[1]), int(found[2])


def provider_options(given: list[str] | None) -> dict[str, Any] | None:
    """``["threads=2"]`` as a dictionary; a value that is JSON counts as that."""
    if not given:
        return None
    options: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise CommandError(f"--option {each} has no value; give it as in --option threads=2")
        try:
            options[name] = msgspec.json.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError):
            options[name] = value
    return options
