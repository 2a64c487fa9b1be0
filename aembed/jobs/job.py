"""A job, from its beginning or from where its last run ended: open the model -> survey -> work -> report."""

from __future__ import annotations

import time
from contextlib import closing
from os import PathLike, fspath
from typing import Unpack

from aembed import Config
from aembed.jobs.arrow import pyarrow
from aembed.jobs.errors import JobOutputError
from aembed.jobs.inputs import Inputs, names_of
from aembed.jobs.journal import VERSION, Header, Journal
from aembed.jobs.models import Model, open_model
from aembed.jobs.monitor import Listener, Monitor
from aembed.jobs.options import JobOptions, split_options
from aembed.jobs.place import Place, choose_place
from aembed.jobs.progress import JobReport
from aembed.jobs.source import Source, open_source
from aembed.jobs.steps import in_thread
from aembed.jobs.survey import take_survey
from aembed.jobs.work import work


async def run(
    source: Inputs,
    output: str | PathLike[str],
    *,
    model: Model = None,
    vector_column: str = "vector",
    on_progress: Listener | None = None,
    config: Config | None = None,
    **options: Unpack[JobOptions],
) -> JobReport:
    """Embed every row of ``source``, and write ``output``.

    Input is text (one row a line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet``, by its ending or ``input_format``;
    text formats also as ``.gz`` and ``.zst``. ``source`` is a file, a directory, a glob, ``"-"`` for standard input, or
    a list of them: several files are read one after the other. :class:`InputOptions` has the keywords that say how.
    Output is ``.npy``, or ``.jsonl`` or ``.parquet`` with all columns of the input and the vectors as
    ``vector_column``. Rows that cannot be embedded are listed in ``OUTPUT.rejects.jsonl``.

    Work is kept in ``OUTPUT.job/`` until the output is complete. If the job is cancelled, killed or stopped, the same
    call goes on from there, and pays again for no more than what was in flight. Memory does not grow with the input.

    ``model`` and the other options are those of ``new_embedder``; without a ``config`` the environment and
    ``aembed.toml`` are read. ``on_progress`` is called in the event loop, several times a second.

    Raises:
        JobInputError, JobOutputError: nothing was sent.
        JobChangedError: an unfinished job beside the output had another input or other settings.
        JobStoppedError: the provider or the disk ended the job, and the same call goes on.
        ProviderError: the provider ended the job before anything was done.
        ConfigError: the model cannot be opened.
    """
    started = time.perf_counter()
    reading, model_options = split_options(options)
    place = choose_place(fspath(output), names_of(source))
    if not vector_column:
        raise JobOutputError("vector_column is empty; give the vectors a name")
    if place.format == "parquet":
        pyarrow()  # or say that it is missing, before anything is done
    monitor = Monitor(on_progress)
    async with (
        monitor.telling(),
        open_model(model, model_options, config) as (embedder, deciding),
        open_source(source, reading, outputs=[place.output]) as opened,
    ):
        monitor.embedder, monitor.phase = embedder, "reading"
        await _read_as_before(opened, place)
        kinds = place.format == "parquet" and opened.format != "parquet"
        await take_survey(monitor.survey, opened, kinds=kinds, taken=None if place.format == "npy" else vector_column)
        columns = {"text_column": opened.columns.text, "id_column": opened.columns.id}
        settings = {**deciding, **columns, **reading.settings(), "output": place.format}
        if place.format != "npy":
            settings["vector_column"] = vector_column
        survey, dim = monitor.survey, await embedder.get_dimension()
        header = Header(VERSION, survey.rows, dim, opened.identity(survey.fingerprint), settings)
        totals = await work(place, opened, header, embedder, monitor)
        return monitor.report(place, dim, totals, time.perf_counter() - started)


async def _read_as_before(source: Source, place: Place) -> None:
    """Read no more than the unfinished job beside the output did, if the input has only grown since."""
    if place.journal.exists():
        with closing(Journal(place.journal)) as journal:
            earlier = journal.header()
        if earlier is not None:
            async for _ in in_thread(source.shorten(earlier.input)):
                pass
