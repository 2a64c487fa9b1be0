"""The commands: what they take, and what they print."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from aembed import BadTextError, Config, EmbedderFactory, EmbedderOptions, InputError, Vector, __version__
from aembed.cli.benchmarks import run_bench
from aembed.cli.bulk import Input, embed_file, foretold, limits, plan_file, told
from aembed.cli.check import check as check_models
from aembed.cli.check import show, sources
from aembed.cli.errors import EXIT_REJECTED, EXIT_STOPPED, CommandError, one_sentence, say
from aembed.cli.flags import in_flags
from aembed.cli.providers import look_at_providers, print_rows
from aembed.cli.run import run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Embed text with a local model or any provider, into numpy arrays.",
    epilog="Start with: aembed embed README.md -o vectors.npy",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"aembed {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What comes before the name of a command."""


INPUT, MODEL, SPEED = "Input and output", "Model", "Speed and cost"


@app.command()
def embed(  # noqa: PLR0917 (typer hands them over by name)
    source: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="A .jsonl, .csv, .tsv, .parquet or text file, or - for standard input."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the vectors go: .npy, .jsonl or .parquet.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="Embed this text instead, and print its vector.")
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(
            "--text-column", metavar="NAME", help="Column that holds the text [default: text].", rich_help_panel=INPUT
        ),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id-column",
            metavar="NAME",
            help="Column of ids, which tell rows apart [default: none, rows are numbered].",
            rich_help_panel=INPUT,
        ),
    ] = None,
    vector_column: Annotated[
        str,
        typer.Option(
            "--vector-column", metavar="NAME", help="What to call the vectors in the output.", rich_help_panel=INPUT
        ),
    ] = "vector",
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            metavar="text|jsonl|csv|parquet",
            help="Where the input's name does not tell.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="provider:model, provider, or a profile; the default is local.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(
            "--dimensions",
            metavar="N",
            help="Length of the vectors, where the model can choose.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    overlong: Annotated[
        str | None,
        typer.Option(
            "--overlong",
            metavar="error|truncate|split",
            help="A text beyond the model's length: reject it (the default), keep its head, or average its pieces.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    rpm: Annotated[
        float | None,
        typer.Option("--rpm", metavar="N", help="Requests a minute, if you know what you may.", rich_help_panel=SPEED),
    ] = None,
    tpm: Annotated[
        float | None,
        typer.Option("--tpm", metavar="N", help="Tokens a minute, if you know what you may.", rich_help_panel=SPEED),
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            metavar="FILE|on|off",
            help="Keep vectors in a file, and ask for no text twice; 'on' keeps them in memory.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what it would take: tokens, requests, cost, time. Sends nothing.",
            rich_help_panel=SPEED,
        ),
    ] = False,
) -> None:
    """Embed every row of a file, or one query.

    A .npy output has one row for each row of the input, in the same order (numpy.load reads it); .jsonl and .parquet
    have all columns of the input and the vectors. Rows that cannot be embedded are listed in OUTPUT.rejects.jsonl,
    and blank lines of a text file are skipped.

    If it is interrupted or fails, run the same command again: it goes on where it was. Until the output is complete,
    what is done stands in OUTPUT.job/; delete that to begin again.

    Exit code: 0 all is embedded; 1 all but the rows that were rejected; 2 something given is wrong; 3 the provider
    failed or the job had to stop, and the same command goes on; 130 interrupted.

    Examples:

    - aembed embed notes.txt -o notes.npy

    - aembed embed papers.jsonl -o papers.parquet --text-column abstract --id-column doi -m openai

    - aembed embed papers.jsonl --text-column abstract -m openai:text-embedding-3-small --dry-run

    - cat *.txt | aembed embed - -o all.npy --overlong split

    - zcat rows.csv.gz | aembed embed - --input-format csv -o rows.jsonl

    - aembed embed --query "where did I put the keys?" > query.json
    """
    with one_sentence():
        config = Config.load()
        options = {"dimensions": dimensions, "overlong": overlong, "cache": None if cache is None else _cache(cache)}
        quota = {"requests_per_minute": rpm, "tokens_per_minute": tpm}
        chosen: Any = {name: value for name, value in options.items() if value is not None}
        with in_flags({name for name, value in (options | quota).items() if value is not None}):
            asked = limits(config, model, **quota)
            if asked is not None:
                chosen["limits"] = asked
            if query is not None:
                if source is not None or output is not None or dry_run:
                    raise CommandError("--query prints its vector and takes no INPUT, -o or --dry-run; leave them out")
                vector = run(_embed_query(query, config, model, chosen))
                say(json.dumps([float(str(number)) for number in vector]))  # the shortest form that reads back the same
                return
            if not source:
                raise CommandError('nothing to embed; name a file, - for standard input, or --query "some text"')
            file = Input(name=source, text_column=text_column, id_column=id_column, format=input_format)
            if dry_run:
                say(foretold(plan_file(file, model=model, config=config, options=chosen)))
                return
            if not output:
                raise CommandError(f"nowhere to write to; add -o vectors.npy: aembed embed {source} -o vectors.npy")
            report = embed_file(file, output, model=model, vector_column=vector_column, config=config, options=chosen)
            say(told(report))
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


def _cache(given: str) -> bool | str:
    if given in {"", "."}:
        raise CommandError("--cache names no file; give a path, as in --cache vectors.db, or on, or off")
    return {"on": True, "off": False}.get(given.lower(), given)


async def _embed_query(query: str, config: Config, model: str | None, chosen: EmbedderOptions) -> Vector:
    async with EmbedderFactory(config) as factory:
        embedder = await factory.new_embedder(model, **chosen)
        try:
            return await embedder.embed_query(query)
        except InputError as error:
            error.index = None  # there is only this one
            raise CommandError(f"--query: {str(error).removeprefix('text: ')}") from error
        except BadTextError as error:
            error.index = None
            raise


@app.command()
def providers() -> None:
    """List the providers, what each is, and whether it works here."""
    with one_sentence():
        print_rows(run(look_at_providers()))


@app.command()
def check() -> None:
    """Look at the configuration, and ask every configured model one tiny question.

    Keys are not shown. With nothing configured, the default model is asked. Exit code 3 if one does not answer.
    """
    with one_sentence():
        say(sources())
        rows = run(check_models(Config.load()))
        show(rows)
    if not all(row.health.ok for row in rows):
        raise typer.Exit(EXIT_STOPPED)


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure a model or any async def: latency, bursts, memory, what changed. It has commands of its own."""
    with one_sentence():
        run_bench(context.args)
