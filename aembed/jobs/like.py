"""The model of an output, opened again: for queries to it, and for the rows it rejected."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from os import PathLike, fspath
from typing import Unpack, cast

import anyio.to_thread

from aembed import Config, ConfigError, Embedder, EmbedderFactory, EmbedderOptions, EventLoopError
from aembed.jobs.record import OutputRecord, read_record


@asynccontextmanager
async def open_like(
    output: str | PathLike[str], *, config: Config | None = None, **options: Unpack[EmbedderOptions]
) -> AsyncGenerator[Embedder, None]:
    """The model that an output of :func:`run` was made with: ``async with jobs.open_like("v.npy") as embedder``.

    Keys and addresses are those of your configuration; nothing is sent where only the output names a server.

    Raises:
        JobOutputError: the output does not say how it was made.
        ConfigError: the model cannot be opened, or would make other vectors.
    """
    EventLoopError.unless_running("aembed.jobs")
    record = await anyio.to_thread.run_sync(read_record, output)
    known = await anyio.to_thread.run_sync(Config.load) if config is None else config
    model, same = named_model(record, known, options)
    async with EmbedderFactory(known) as factory:
        embedder = await factory.new_embedder(model, **same)
        if embedder.identity != record.identity:
            raise ConfigError(other_model(fspath(output), record))
        yield embedder


def named_model(record: OutputRecord, config: Config, options: EmbedderOptions) -> tuple[str, EmbedderOptions]:
    """Arguments of ``new_embedder``: the profile if there is one of that name, else the model with its options."""
    asked = record.asked
    if asked is not None and asked in config.profiles:
        return asked, options
    known = {name: record.settings[name] for name in ("dimensions", "normalize") if name in record.settings}
    model = asked if asked is not None and asked.partition(":")[0] == record.model.partition(":")[0] else record.model
    return model, cast(EmbedderOptions, {**known, **options})


def other_model(output: str, record: OutputRecord) -> str:
    """The sentence for a model that is not that of the output."""
    made = [record.model, *(f"{name}={value}" for name, value in record.settings.items() if name in NAMED_SETTINGS)]
    if record.asked is not None:
        made.append(f"asked for as {record.asked!r}")
    return f"{output} was made with {', '.join(made)}: another model is open; give the same profile or options"


NAMED_SETTINGS = ("revision", "base_url", "dimensions", "normalize")
