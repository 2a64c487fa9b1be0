"""The commands: their arguments and output."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from aembed import (
    BadTextError,
    Config,
    Embedder,
    EmbedderFactory,
    EmbedderOptions,
    InputError,
    Vector,
    __version__,
    jobs,
)
from aembed.cli import options as of
from aembed.cli import output_options as to
from aembed.cli.benchmarks import run_bench
from aembed.cli.bulk import dry_run_summary, embed_files, limits, plan_files, retry_file, summary
from aembed.cli.check import check as check_models
from aembed.cli.check import show, sources
from aembed.cli.errors import EXIT_REJECTED, EXIT_STOPPED, CommandError, one_sentence, say
from aembed.cli.flags import in_flags
from aembed.cli.logs import AsJson, Level, logged
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


@app.command()
def embed(  # noqa: PLR0917 (typer hands them over by name)
    source: of.Sources = None,
    output: to.Outputs = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="Embed this text instead, and print its vector.")
    ] = None,
    text_column: of.TextColumn = None,
    text: of.Text = None,
    id_column: of.IdColumn = None,
    vector_column: to.VectorColumn = "vector",
    dtype: to.StoredAs = "float32",
    update: to.Update = False,
    keep: to.Keep = False,
    force: to.Force = False,
    retry: to.RetryRejects = None,
    like: to.Like = None,
    limit: of.Limit = None,
    shard: of.Shard = None,
    input_format: of.InputFormat = None,
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    quoting: of.Quoting = None,
    max_row_bytes: of.MaxRowBytes = None,
    model: of.Model = None,
    dimensions: of.Dimensions = None,
    overlong: of.Overlong = None,
    base_url: of.BaseUrl = None,
    option: of.ProviderOption = None,
    batch_size: of.BatchSize = None,
    concurrency: of.Concurrency = None,
    timeout: of.Timeout = None,
    rpm: of.Rpm = None,
    tpm: of.Tpm = None,
    max_cost: to.MaxCost = None,
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            metavar="FILE|on|off",
            help="Cache vectors in a file, so that no text is sent twice; 'on' caches in memory.",
            rich_help_panel=of.SPEED,
        ),
    ] = None,
    cache_limit: to.CacheLimit = None,
    progress: to.ShownAs = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings file to use instead of ./aembed.toml; it is trusted."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Estimate tokens, requests, cost and time; send nothing.",
            rich_help_panel=of.SPEED,
        ),
    ] = False,
    log_level: Level = None,
    log_json: AsJson = False,
) -> None:
    """Embed every row of a file, or one query.

    A .npy output has one row for each row of the input, in the same order (numpy.load reads it); .jsonl and .parquet
    have all columns of the input and the vectors. Rows that cannot be embedded are listed in OUTPUT.rejects.jsonl,
    and blank lines of a text file are skipped.

    If it is interrupted or fails, run the same command again: it resumes where it stopped. Until the output is
    complete, progress is kept in OUTPUT.job/; delete that to start over. How an output was made is recorded in
    OUTPUT.json, or in the metadata of Parquet; OUTPUT.keys has a digest of each text, for --update.

    Exit code: 0 all rows embedded; 1 some rows rejected, all others embedded; 2 invalid argument, setting or file;
    3 provider failure or stopped job (run the same command again to resume); 130 interrupted.

    Examples:

    - aembed embed notes.txt -o notes.npy

    - aembed embed papers.jsonl -o papers.parquet --text-column abstract --id-column doi -m openai

    - aembed embed papers.jsonl --text-column abstract -m openai:text-embedding-3-small --dry-run

    - cat *.txt | aembed embed - -o all.npy --overlong split

    - aembed embed parts/ -o all.parquet --text '{title}\\n\\n{abstract}' --shard 1/4

    - zcat rows.csv.gz | aembed embed - --input-format csv -o rows.jsonl

    - aembed embed papers.jsonl -o papers.npy -o papers.parquet --update --max-cost 5

    - aembed embed --retry-rejects papers.npy --overlong truncate

    - aembed embed --query "where did I put the keys?" --like papers.npy > query.json
    """
    with one_sentence():
        config = Config.load(config_file)
        options = {
            "dimensions": dimensions,
            "overlong": overlong,
            "cache": None if cache is None else _cache(cache),
            "base_url": base_url,
            "batch_size": batch_size,
            "timeout": timeout,
            "provider_options": of.provider_options(option),
        }
        reading = {
            "text_column": text_column,
            "text": of.unescaped(text),
            "id_column": id_column,
            "input_format": input_format,
            "encoding": encoding,
            "delimiter": of.unescaped(delimiter),
            "quoting": quoting,
            "max_row_bytes": max_row_bytes,
            "limit": limit,
            "shard": of.shard(shard),
        }
        quota = {"requests_per_minute": rpm, "tokens_per_minute": tpm, "max_concurrency": concurrency}
        chosen: Any = {name: value for name, value in options.items() if value is not None}
        flags = in_flags({name for name, value in (options | quota).items() if value is not None})
        with flags, logged(log_level, as_json=log_json) as listening:
            chosen |= listening
            asked = limits(**quota)
            if asked is not None:
                chosen["limits"] = asked
            if query is not None:
                if source is not None or output or dry_run:
                    raise CommandError("--query prints its vector and takes no INPUT, -o or --dry-run; leave them out")
                vector = run(_embed_query(query, config, model, like, chosen))
                say(json.dumps([float(str(number)) for number in vector]))  # the shortest form that reads back the same
                return
            shown = to.mode(progress)
            written: Any = {"max_cost": max_cost, "cache_limit": to.size(cache_limit)}
            if retry is not None:
                if source is not None or output or dry_run:
                    raise CommandError("--retry-rejects takes no INPUT, -o or --dry-run; leave them out")
                chosen |= written
                report = retry_file(retry, model=model, shown=shown, config=config, options=chosen)
                say(summary(report))
                raise typer.Exit(EXIT_REJECTED if report.rejected else 0)
            if not source:
                raise CommandError('nothing to embed; name a file, - for standard input, or --query "some text"')
            chosen |= {name: value for name, value in reading.items() if value is not None}
            if dry_run:
                say(dry_run_summary(plan_files(source, model=model, config=config, options=chosen)))
                return
            if not output or not all(output):
                named = " ".join(source)
                raise CommandError(f"nowhere to write to; add -o vectors.npy: aembed embed {named} -o vectors.npy")
            chosen |= {"vector_column": vector_column, "dtype": dtype, "update": update, "keep": keep}
            chosen |= {"force": force, **written}
            report = embed_files(source, output, model=model, shown=shown, config=config, options=chosen)
            say(summary(report))
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


def _cache(given: str) -> str:
    if given in {"", "."}:
        raise CommandError("--cache names no file; give a path, as in --cache vectors.db, or on, or off")
    return given


async def _embed_query(
    query: str, config: Config, model: str | None, like: str | None, chosen: EmbedderOptions
) -> Vector:
    if like is not None and model is not None:
        raise CommandError("--like names the model of an output, and --model another; leave one out")
    async with EmbedderFactory(config) as factory:
        if like is None:
            opened: AbstractAsyncContextManager[Embedder] = await factory.new_embedder(model, **chosen)
        else:
            opened = jobs.open_like(like, config=config, **chosen)
        async with opened as embedder:
            return await _one_query(embedder, query)


async def _one_query(embedder: Embedder, query: str) -> Vector:
    try:
        return await embedder.embed_query(query)
    except InputError as error:
        error.index = None  # there is only this one
        raise CommandError(f"--query: {str(error).removeprefix('text: ')}") from error
    except BadTextError as error:
        error.index = None
        raise


@app.command()
def join(
    shards: Annotated[list[str], typer.Argument(metavar="SHARD...", help="Outputs of all shards, in any order.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="File for the joined output, in the format of the shards."),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an output that aembed did not write.")] = False,
) -> None:
    """Join the outputs of `aembed embed --shard 1/N` to `N/N`: the same as one job without shards had made.

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
