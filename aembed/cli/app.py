"""The commands: what they take, and what they print."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from aembed import EmbedderFactory, EmbedderOptions, InputError, Vector, __version__
from aembed.cli.embed_file import embed_file
from aembed.cli.errors import CommandError, one_sentence, say
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


@app.command()
def embed(  # noqa: PLR0917 (typer hands them over by name)
    source: Annotated[
        str | None, typer.Argument(metavar="INPUT", help="A text file in UTF-8, or - for standard input.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE.npy", help="Where the vectors go.")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="Embed this text instead, and print its vector.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="provider:model, provider, or a profile; the default is local."
        ),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option("--dimensions", metavar="N", help="Length of the vectors, where the model can choose.")
    ] = None,
    overlong: Annotated[
        str | None,
        typer.Option(
            "--overlong",
            metavar="error|truncate|split",
            help="A line beyond the model's length: refuse it (the default), keep its head, or average its pieces.",
        ),
    ] = None,
) -> None:
    """Embed every line of a text file, or one query.

    Lines that are blank are skipped. The output is a float32 array with one row a line, in the order of the lines;
    read it with numpy.load. It is written beside its place and put there when it is complete.

    Examples:

    - aembed embed notes.txt -o notes.npy

    - cat *.txt | aembed embed - -o all.npy --overlong split

    - aembed embed notes.txt -o notes.npy --model static

    - aembed embed --query "where did I put the keys?" > query.json
    """
    given = {"dimensions": dimensions, "overlong": overlong}
    chosen: Any = {name: value for name, value in given.items() if value is not None}
    with one_sentence():
        if query is not None:
            if source is not None or output is not None:
                raise CommandError("--query prints its vector and takes no INPUT or -o; leave one of them out")
            vector = run(_embed_query(query, model, chosen))
            say(json.dumps([float(str(number)) for number in vector]))  # the shortest form that reads back the same
            return
        if not source:
            raise CommandError('nothing to embed; name a text file, - for standard input, or --query "some text"')
        if not output:
            raise CommandError(f"nowhere to write to; add -o vectors.npy, as in: aembed embed {source} -o vectors.npy")
        say(str(embed_file(source, output, model, chosen)))


async def _embed_query(query: str, model: str | None, chosen: EmbedderOptions) -> Vector:
    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder(model, **chosen)
        try:
            return await embedder.embed_query(query)
        except InputError as error:
            error.index = None  # there is only this one
            raise CommandError(f"--query: {error}") from error


@app.command()
def providers() -> None:
    """List the providers, what each is, and whether it works here."""
    with one_sentence():
        print_rows(run(look_at_providers()))
