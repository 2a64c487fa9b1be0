"""The commands: their arguments and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aembed import Config, __version__, jobs
from aembed.cli import options as of
from aembed.cli.benchmarks import run_bench
from aembed.cli.check import check as check_models
from aembed.cli.check import show, sources
from aembed.cli.embed import embed
from aembed.cli.errors import EXIT_STOPPED, one_sentence, say
from aembed.cli.flags import in_flags
from aembed.cli.models import download as download_model
from aembed.cli.models import print_models
from aembed.cli.providers import look_at_providers, print_rows
from aembed.cli.run import run

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that come before the name of a command."""


app.command()(embed)


@app.command()
def join(
    shards: Annotated[list[str], typer.Argument(metavar="SHARD...", help="Outputs of all shards, in any order.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="File for the joined output, in the format of the shards."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an output that aembed did not write.")] = False,
) -> None:
    """Join the outputs of `aembed embed --shard 1/N` to `N/N`: what one job without shards would have made.

    Example:

    - aembed join part-*.npy -o all.npy
    """
    with one_sentence(), in_flags(set()):
        record = run(jobs.join(shards, output, force=force))
        rejected = f", {record.rejected:,} rejected" if record.rejected else ""
        say(f"{output}: {record.rows:,} rows of {len(shards)} shards{rejected}, from {record.model}")


@app.command()
def providers() -> None:
    """List the providers, what each is, and whether it works here."""
    with one_sentence():
        print_rows(run(look_at_providers()))


@app.command()
def models() -> None:
    """List models that run in this process: the packaged ones, and those of the Hugging Face hub known to work.

    Other encoders of the hub work too, if they have an ONNX file and the configuration of sentence-transformers.
    """
    with one_sentence():
        print_models()


@app.command()
def download(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="local:ORGANISATION/MODEL[@REVISION], or static:...")],
    option: of.ProviderOption = None,
) -> None:
    """Download a model of the Hugging Face hub, so that it opens without a network later.

    HF_HOME, HF_TOKEN and HF_ENDPOINT work as in other tools of the hub. For a model that is cached already, its newest
    commit is downloaded; until then aembed keeps using the cached one.

    Examples:

    - aembed download local:BAAI/bge-small-en-v1.5

    - aembed download local:intfloat/multilingual-e5-small --option file=onnx/model_O4.onnx

    - aembed download static:minishlab/potion-base-8M
    """
    with one_sentence(), in_flags({"provider_options"}):
        say(run(download_model(model, of.provider_options(option))))


@app.command()
def check(
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings file to use instead of ./aembed.toml; it is trusted."),
    ] = None,
) -> None:
    """Look at the configuration, and ask every configured model one tiny question.

    Keys are not shown, only where each comes from. With nothing configured, the default model is asked.
    Exit code 3 if one does not answer.
    """
    with one_sentence():
        config = Config.load(config_file)
        say(sources(config))
        rows = run(check_models(config))
        show(rows)
    if not all(row.health.ok for row in rows):
        raise typer.Exit(EXIT_STOPPED)


@app.command()
def trust(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file.")] = Path("aembed.toml"),
    undo: Annotated[bool, typer.Option("--undo", help="Stop trusting the file.")] = False,
) -> None:
    """Trust a configuration file that aembed finds in the working directory, as it is now.

    Only a trusted file may say where keys and texts go: base_url, http, api_key_file, headers, a cache outside its
    directory. Read it first. It is remembered by path and content: change it, and it has to be trusted again. A file
    named with --config or AEMBED_CONFIG needs none of this.
    """
    with one_sentence():
        say(f"no longer trusted: {Config.distrust(file)}" if undo else f"trusted: {Config.trust(file)}")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure a model or any async def: latency, bursts, memory, what changed. See aembed bench --help."""
    with one_sentence():
        run_bench(context.args)
