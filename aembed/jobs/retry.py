"""Rejected rows of an output are embedded again, and take their places."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any, Unpack, cast

import anyio.to_thread

from aembed import Config, EmbedderOptions, EventLoopError
from aembed.jobs.errors import JobInputError
from aembed.jobs.job import run_job
from aembed.jobs.like import named_model
from aembed.jobs.models import JobModel
from aembed.jobs.monitor import ProgressListener
from aembed.jobs.options import JobOptions
from aembed.jobs.progress import JobReport
from aembed.jobs.record import read_record
from aembed.jobs.wanted import UpdateOptions


async def retry_rejects(
    output: str | PathLike[str],
    *,
    model: JobModel = None,
    max_cost: float | None = None,
    cache_limit: int | None = None,
    on_progress: ProgressListener | None = None,
    config: Config | None = None,
    **options: Unpack[EmbedderOptions],
) -> JobReport:
    """Embed the rows that the provider rejected when ``output`` was made, as with ``overlong="truncate"``.

    The input must still be where it was, and unchanged; all other rows keep their vectors and cost nothing. Without
    ``model`` it is that of the output. Of the options that decide vectors only ``overlong`` may differ.

    Raises:
        JobInputError: the output does not name files that it was made from.
        JobOutputError: the output does not say how it was made, or was changed since.
        JobChangedError: the input has changed, or the model makes other vectors.
        JobStoppedError, ProviderError, ConfigError: as :func:`run`.
    """
    EventLoopError.unless_running("aembed.jobs")
    record = await anyio.to_thread.run_sync(read_record, output)
    reading: dict[str, Any] = dict(record.source)
    source = reading.pop("source", None)
    if not source:
        raise JobInputError(f"{fspath(output)} does not name files that it was made from; run the whole job again")
    if "shard" in reading:
        reading["shard"] = tuple(reading["shard"])
    if model is None:
        config = await anyio.to_thread.run_sync(Config.load) if config is None else config
        model, options = named_model(record, config, options)
    wanted = UpdateOptions(
        vector_column=record.vector_column,
        dtype=record.dtype,
        retry=True,
        keep=True,
        max_cost=max_cost,
        cache_limit=cache_limit,
    )
    return await run_job(
        source,
        output,
        wanted,
        model=model,
        options=cast(JobOptions, {**reading, **options}),
        config=config,
        on_progress=on_progress,
    )
