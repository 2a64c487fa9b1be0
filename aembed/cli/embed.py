"""``aembed embed``: every row of a file, or one query."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    jobs,
)
from aembed.cli import options as of
from aembed.cli import output_options as to
from aembed.cli.bulk import dry_run_summary, embed_files, limits, plan_files, retry_file, summary
from aembed.cli.errors import EXIT_REJECTED, CommandError, one_sentence, say
from aembed.cli.flags import in_flags
from aembed.cli.logs import LogJsonOption, LogLevelOption, logged
from aembed.cli.run import run


def embed(  # noqa: PLR0917 (typer hands them over by name)
    source: of.SourcesArgument = None,
    output: to.OutputOption = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="TEXT", help="Embed this text instead, and print its vector.")
    ] = None,
    text_column: of.TextColumnOption = None,
    text: of.TextOption = None,
    id_column: of.IdColumnOption = None,
    vector_column: to.VectorColumnOption = "vector",
    dtype: to.StoredAsOption = "float32",
    update: to.UpdateOption = False,
    keep: to.KeepOption = False,
    force: to.ForceOption = False,
    retry: to.RetryRejectsOption = None,
    like: to.LikeOption = None,
    limit: of.LimitOption = None,
    shard: of.ShardOption = None,
    input_format: of.InputFormatOption = None,
    encoding: of.EncodingOption = None,
    delimiter: of.DelimiterOption = None,
    quoting: of.QuotingOption = None,
    max_row_bytes: of.MaxRowBytesOption = None,
    model: of.ModelOption = None,
    dimensions: of.DimensionsOption = None,
    overlong: of.OverlongOption = None,
    base_url: of.BaseUrlOption = None,
    option: of.ProviderOption = None,
    batch_size: of.BatchSizeOption = None,
    concurrency: of.ConcurrencyOption = None,
    timeout: of.TimeoutOption = None,
    rpm: of.RpmOption = None,
    tpm: of.TpmOption = None,
    max_cost: to.MaxCostOption = None,
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            metavar="FILE|on|off",
            help="Cache vectors in a file, so that no text is sent twice; 'on' caches in memory.",
            rich_help_panel=of.SPEED,
        ),
    ] = None,
    cache_limit: to.CacheLimitOption = None,
    progress: to.ShownAsOption = None,
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
    log_level: LogLevelOption = None,
    log_json: LogJsonOption = False,
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
        spending: Any = {"max_cost": max_cost, "cache_limit": to.size(cache_limit)}
        shown = to.mode(progress)
        chosen: Any = _given(options)
        flags = in_flags({*_given(options), *_given(quota)})
        with flags, logged(log_level, as_json=log_json) as listening:
            chosen |= listening
            stated = limits(**quota)
            if stated is not None:
                chosen["limits"] = stated
            unused = _given(reading | {"update": update or None, "keep": keep or None, "force": force or None})
            if query is not None:
                if source is not None or output or dry_run:
                    raise CommandError("--query prints its vector and takes no INPUT, -o or --dry-run; leave them out")
                _reject_unused("--query prints its vector", unused)
                vector = run(_embed_query(query, config, model, like, chosen))
                say(json.dumps([float(str(number)) for number in vector]))  # the shortest form that reads back the same
                return
            if retry is not None:
                if source is not None or output or dry_run:
                    raise CommandError("--retry-rejects takes no INPUT, -o or --dry-run; leave them out")
                _reject_unused("--retry-rejects reads and writes as the output was made", unused)
                report = retry_file(retry, model=model, shown=shown, config=config, options=chosen | spending)
            else:
                if not source:
                    raise CommandError('nothing to embed; name a file, - for standard input, or --query "some text"')
                chosen |= _given(reading)
                if dry_run:
                    say(dry_run_summary(plan_files(source, model=model, config=config, options=chosen)))
                    return
                writing: Any = {"vector_column": vector_column, "dtype": dtype, "update": update, "keep": keep}
                chosen |= {**writing, "force": force, **spending}
                outputs = _named(output, source)
                report = embed_files(source, outputs, model=model, shown=shown, config=config, options=chosen)
            say(summary(report, retry=retry is not None))
    if report.rejected:
        raise typer.Exit(EXIT_REJECTED)


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """The options that the command line has."""
    return {name: value for name, value in options.items() if value is not None}


def _reject_unused(why: str, given: Mapping[str, object]) -> None:
    for name in given:
        raise CommandError(f"{why} and takes no --{name.replace('_', '-')}; leave it out")


def _named(output: list[str] | None, source: list[str]) -> list[str]:
    if not output or not all(output):
        named = " ".join(source)
        raise CommandError(f"nowhere to write to; add -o vectors.npy: aembed embed {named} -o vectors.npy")
    return output


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
