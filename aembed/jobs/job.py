"""A job, from its beginning or from where its last run ended: open the model -> survey -> work -> report."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from os import PathLike, fspath
from typing import Any, TypeAlias, Unpack

import anyio.to_thread
from msgspec import structs

from aembed import Config, Embedder, EventLoopError, __version__
from aembed.jobs.arrow import pyarrow
from aembed.jobs.budget import check_budget
from aembed.jobs.errors import JobOutputError
from aembed.jobs.existing import ExistingOutput, look_at_outputs
from aembed.jobs.inputs import STANDARD_INPUT, Inputs, OpenInput, names_of
from aembed.jobs.journal import VERSION, Header, JobTotals, header_in
from aembed.jobs.models import JobModel, open_model
from aembed.jobs.monitor import Monitor, ProgressListener
from aembed.jobs.options import JobOptions, split_options
from aembed.jobs.paths import JobPaths, choose_paths
from aembed.jobs.pieces import splitter_for
from aembed.jobs.placing import check_replaceable
from aembed.jobs.progress import JobReport
from aembed.jobs.quantized import check_dtype
from aembed.jobs.reading import Reading
from aembed.jobs.record import Dtype, OutputRecord
from aembed.jobs.source import JobSource, open_source
from aembed.jobs.survey import take_survey
from aembed.jobs.threads import in_thread
from aembed.jobs.wanted import UpdateOptions
from aembed.jobs.work import JobRun

Outputs: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]


async def run(
    source: Inputs,
    output: Outputs,
    *,
    model: JobModel = None,
    vector_column: str = "vector",
    dtype: Dtype = "float32",
    update: bool = False,
    keep: bool = False,
    force: bool = False,
    max_cost: float | None = None,
    cache_limit: int | None = None,
    on_progress: ProgressListener | None = None,
    config: Config | None = None,
    **options: Unpack[JobOptions],
) -> JobReport:
    """Embed every row of ``source``, and write ``output``: one file, or several.

    Input is text (one row a line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, by its ending or ``input_format``;
    text formats also as ``.gz`` and ``.zst``. ``source`` is a file, a directory, a glob, ``"-"`` for standard input, or
    a list of them: several files are read one after the other. :class:`InputOptions` has the keywords that say how.
    Output is ``.npy``, or ``.jsonl`` or ``.parquet`` with all columns of the input and the vectors as
    ``vector_column``. Rows that cannot be embedded are listed in ``OUTPUT.rejects.jsonl``. ``dtype`` is that of the
    stored vectors, as of :func:`~aembed.quantize`: ``"float16"``, ``"int8"`` or ``"binary"``.

    Work is kept in ``OUTPUT.job/`` until the outputs are complete. If the job is cancelled, killed or stopped, the same
    call resumes it, and pays twice only for requests in flight. Memory does not grow with the input.

    The making of an output is recorded in it (Parquet) or in ``OUTPUT.json``; ``OUTPUT.keys`` holds a digest of each
    text. The same call again therefore does nothing, a further output of a complete job costs no request, and
    ``update`` embeds only texts that the output does not have: its rows are then those of the input, in its order.
    With ``keep`` the rows that are gone from the input (by ``id_column``, else by their text) follow them, unchanged.
    An output of another input or model, one that aembed did not write, and one that was changed since, are replaced
    only with ``force``, which also makes complete outputs anew.

    ``max_cost``, in US dollars, stops the job before its cost would pass it; remaining rows are estimated
    from lengths of texts, corrected by the reported usage. All runs of the job count. ``cache_limit`` bounds the
    file of ``cache``, in bytes; without it the file is unlimited.

    ``model`` and the other options are those of ``new_embedder``; without a ``config`` the environment and
    ``aembed.toml`` are read. ``on_progress`` is called in the event loop, several times a second.

    Raises:
        JobInputError, JobOutputError: nothing was sent.
        JobChangedError: the output, or an unfinished job for it, had another input or settings.
        JobStoppedError: the provider or the disk ended the job, and the same call resumes it.
        ProviderError: the provider ended the job before anything was done.
        ConfigError: the model cannot be opened.
    """
    wanted = UpdateOptions(
        vector_column=vector_column,
        dtype=dtype,
        update=update,
        keep=keep,
        force=force,
        max_cost=max_cost,
        cache_limit=cache_limit,
    )
    return await run_job(source, output, wanted, model=model, options=options, config=config, on_progress=on_progress)


async def run_job(
    source: Inputs,
    output: Outputs,
    wanted: UpdateOptions,
    *,
    model: JobModel,
    options: JobOptions,
    config: Config | None,
    on_progress: ProgressListener | None,
) -> JobReport:
    """Run a job to its end: see :func:`run`."""
    EventLoopError.unless_running("aembed.jobs")
    started = time.perf_counter()
    reading, model_options = split_options(options, model)
    names = [fspath(output)] if isinstance(output, (str, PathLike)) else [fspath(name) for name in output]
    paths = choose_paths(names, names_of(source))
    check_wanted(wanted, paths)
    if reading.in_pieces and not paths.has_columns:
        raise JobOutputError(
            f'{paths.name} has no place for the id of a piece; with overlong="rows" write .jsonl or .parquet'
        )
    if not paths.directory.exists():  # else the job may have been about to replace them
        replaceable = partial(check_replaceable, paths.outputs, (), force=wanted.force)
        await anyio.to_thread.run_sync(replaceable)
    monitor = Monitor(on_progress)
    opening = open_model(model, model_options, config, apart_from=paths, cache_limit=wanted.cache_limit)
    async with (
        monitor.telling(),
        opening as (embedder, deciding),
        open_source(source, reading, outputs=[each.path for each in paths.outputs]) as opened,
    ):
        check_budget(wanted.max_cost, embedder.spec)
        monitor.embedder, monitor.phase = embedder, "reading"
        if paths.has_columns:
            await anyio.to_thread.run_sync(opened.check_pages)
        if reading.in_pieces:
            opened.splitter = splitter_for(embedder)
        await read_as_before(opened, paths)
        await survey_for(paths, wanted, opened, embedder, monitor)
        columns = {"text_column": opened.columns.text, "id_column": opened.columns.id}
        settings = {**deciding, **columns, **reading.settings()}
        fingerprint = opened.identity(monitor.survey.fingerprint)
        looking = partial(look_at_outputs, paths, fingerprint, settings, wanted, rows=monitor.survey.embeddable)
        existing = await anyio.to_thread.run_sync(looking)
        if len(existing.complete) == len(paths.outputs):
            monitor.was_complete = True
            made = existing.complete[0].record
            dim, dtype, totals = made.dim, made.dtype, totals_of(made)
        else:
            todo = paths.only([each for each in paths.outputs if not existing.has(each)])
            dim = await embedder.get_dimension() if existing.origin is None else existing.origin.record.dim
            dtype = wanted.dtype
            header = Header(VERSION, monitor.survey.rows, dim, fingerprint, settings)
            record = new_record(header, embedder, wanted, existing.origin, recorded(source, options))
            record = structs.replace(record, asked=model if isinstance(model, str) else None)
            work = JobRun(
                todo,
                opened,
                embedder=embedder,
                monitor=monitor,
                wanted=wanted,
                header=header,
                record=record,
                origin=existing.origin,
                kept=existing.kept,
            )
            totals = await work.run()
    # only now the cache has everything, and has counted dropped vectors
    return monitor.report(paths.outputs, dim, totals, time.perf_counter() - started, dtype=dtype)


def recorded(source: Inputs, options: JobOptions) -> dict[str, Any]:
    """Record of the input, enough to read the same files again."""
    listed = source if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    if any(isinstance(each, OpenInput) or fspath(each) == STANDARD_INPUT for each in listed):
        return {}
    names = {field for field in Reading.__dataclass_fields__ if options.get(field) is not None}
    return {
        "source": [os.path.abspath(name) for name in names_of(source)],
        **{name: options.get(name) for name in names},
        **({"in_pieces": True} if options.get("overlong") == "rows" else {}),
    }


async def read_as_before(source: JobSource, paths: JobPaths) -> None:
    """Read no more than the unfinished job for the output did, if the input has only grown since."""
    earlier = header_in(paths.directory)
    if earlier is not None:
        async for _ in in_thread(source.shorten(earlier.input)):
            pass


def check_wanted(wanted: UpdateOptions, paths: JobPaths) -> None:
    """Reject options that no output can have.

    Raises:
        JobOutputError: an empty name for the vectors, an unknown dtype, or ``keep`` without ``update``.
        MissingExtraError: pyarrow is not installed, and an output is Parquet.
    """
    if wanted.keep and not (wanted.update or wanted.retry):
        raise JobOutputError("keep=True is for updates; add update=True, or leave it out")
    if not wanted.vector_column:
        raise JobOutputError("vector_column is empty; give the vectors a name")
    check_dtype(wanted.dtype)
    if any(output.format == "parquet" for output in paths.outputs):
        pyarrow()


async def survey_for(
    paths: JobPaths, wanted: UpdateOptions, opened: JobSource, embedder: Embedder, monitor: Monitor
) -> None:
    """The first reading, for the facts about the input that these outputs need."""
    formats = {output.format for output in paths.outputs}
    kinds = "parquet" in formats and opened.format != "parquet"
    taken = wanted.vector_column if formats - {"npy"} else None
    await take_survey(monitor.survey, opened, embedder, kinds=kinds, taken=taken)


def totals_of(record: OutputRecord) -> JobTotals:
    """Those of an output that was complete already."""
    return JobTotals(record.rejected, record.tokens, record.requests, record.truncated, kept=record.kept)


def new_record(
    header: Header, embedder: Embedder, wanted: UpdateOptions, origin: ExistingOutput | None, source: dict[str, Any]
) -> OutputRecord:
    """The record of the outputs, as far as it is known in advance."""
    retried: list[str] = []
    settings: dict[str, Any] = header.settings
    if (wanted.retry or wanted.update) and origin is not None:
        now = settings.get("overlong")
        retried = list(dict.fromkeys([*origin.record.retried, *([now] if wanted.retry and now else [])]))
        settings = settings | {"overlong": origin.record.settings.get("overlong")}
    return OutputRecord(
        aembed=__version__,
        model=settings["model"],
        revision=embedder.spec.revision,
        dim=header.dim,
        dtype=wanted.dtype,
        limit=None if origin is None or origin.record.dtype != wanted.dtype else origin.record.limit,
        identity=embedder.identity,
        settings=settings | {"vector_column": wanted.vector_column},
        input=header.input,
        source=source,
        rows=header.rows,
        retried=retried,
    )
