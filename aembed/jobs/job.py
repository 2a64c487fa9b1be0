"""A job, from its beginning or from where its last run ended: open the model -> survey -> work -> report."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from os import PathLike, fspath
from typing import Unpack

import anyio.to_thread

from aembed import Config, EmbedderOptions
from aembed.jobs.arrow import pyarrow
from aembed.jobs.errors import JobOutputError
from aembed.jobs.journal import VERSION, Header
from aembed.jobs.models import Model, open_model
from aembed.jobs.monitor import Listener, Monitor
from aembed.jobs.place import choose_place
from aembed.jobs.progress import JobReport
from aembed.jobs.source import OpenInput, Source, keep_input, look_at
from aembed.jobs.survey import take_survey
from aembed.jobs.work import work


async def run(
    source: str | PathLike[str] | OpenInput,
    output: str | PathLike[str],
    *,
    model: Model = None,
    text_column: str | None = None,
    id_column: str | None = None,
    vector_column: str = "vector",
    input_format: str | None = None,
    on_progress: Listener | None = None,
    config: Config | None = None,
    **options: Unpack[EmbedderOptions],
) -> JobReport:
    """Embed every row of ``source``, and write ``output``.

    Input is text (one row a line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, by its ending or ``input_format``
    (``"text"``, ``"jsonl"``, ``"csv"``, ``"parquet"``); ``"-"`` is standard input. Output is ``.npy``, or ``.jsonl`` or
    ``.parquet`` with all columns of the input and the vectors as ``vector_column``. Without ``text_column`` texts stand
    in ``text``. Without ``id_column`` rows are numbered, and a column ``id`` passes through like any other. Rows that
    cannot be embedded are listed in ``OUTPUT.rejects.jsonl``.

    Work is kept in ``OUTPUT.job/`` until the output is complete. If the job is cancelled, killed or stopped, the same
    call goes on from there, and pays again for no more than what was in flight. Memory does not grow with the input.

    ``model`` and ``options`` are those of ``new_embedder``; without a ``config`` the environment and ``aembed.toml``
    are read. ``on_progress`` is called in the event loop, several times a second.

    Raises:
        JobInputError, JobOutputError: nothing was sent.
        JobChangedError: an unfinished job beside the output had another input or other settings.
        JobStoppedError: the provider or the disk ended the job, and the same call goes on.
        ProviderError: the provider ended the job before anything was done.
        ConfigError: the model cannot be opened.
    """
    started = time.perf_counter()
    place = choose_place(fspath(output), source.name if isinstance(source, OpenInput) else fspath(source))
    if not vector_column:
        raise JobOutputError("vector_column is empty; give the vectors a name")
    if place.format == "parquet":
        pyarrow()  # or say that it is missing, before anything is done
    monitor = Monitor(on_progress)
    async with (
        monitor.telling(),
        open_model(model, options, config) as (embedder, settings),
        open_source(source, input_format, text_column, id_column) as opened,
    ):
        monitor.embedder, monitor.phase = embedder, "reading"
        kinds = place.format == "parquet" and opened.format != "parquet"
        await take_survey(monitor.survey, opened, kinds=kinds, taken=None if place.format == "npy" else vector_column)
        settings |= {"text_column": opened.columns.text, "id_column": opened.columns.id, "output": place.format}
        if place.format != "npy":
            settings["vector_column"] = vector_column
        survey, dim = monitor.survey, await embedder.get_dimension()
        header = Header(VERSION, survey.rows, dim, survey.fingerprint, settings)
        totals = await work(place, opened, header, embedder, monitor)
        return monitor.report(place, dim, totals, time.perf_counter() - started)


@asynccontextmanager
async def open_source(
    source: str | PathLike[str] | OpenInput, asked: str | None, text_column: str | None, id_column: str | None
) -> AsyncGenerator[Source, None]:
    """Open the input, if it is not open already, and look at its beginning."""
    if isinstance(source, OpenInput):
        given = source
    else:
        given = await anyio.to_thread.run_sync(keep_input, fspath(source))
    try:
        yield await anyio.to_thread.run_sync(look_at, given, asked, text_column, id_column)
    finally:
        if given is not source:
            given.file.close()
