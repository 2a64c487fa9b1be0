"""In-process models, each in memory once for a factory: by provider, directory, its files, and options."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Hashable
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread

from aembed._types import Provider, Source

IN_PROCESS = {"aembed.providers.local", "aembed.providers.static"}
"""Modules of openers whose providers hold weights, and no state of one embedder."""
MAX_FILES = 1000
"""Most files of a directory whose times and sizes identify its model."""


class SharedModels:
    """``open`` gives the provider that there is, or opens it; ``forget`` it with its last embedder."""

    def __init__(self) -> None:
        self._models: dict[Hashable, Provider] = {}
        self.opening = anyio.Lock()
        """Held from asking for a model until an embedder has it, so that it is loaded once."""

    def __len__(self) -> int:
        return len(self._models)

    async def open(self, source: Source, opener: Callable[[Source], Awaitable[Provider]]) -> Provider:
        key = await anyio.to_thread.run_sync(_key, source)
        if key not in self._models:
            self._models[key] = await opener(source)
        return self._models[key]

    def forget(self, provider: Provider) -> None:
        for key in [key for key, model in self._models.items() if model is provider]:
            del self._models[key]


def _key(source: Source) -> Hashable:
    options = json.dumps(dict(source.options), sort_keys=True, default=repr)
    model = source.model and os.path.realpath(Path(source.model).expanduser())
    remote = source.base_url, source.api_key is None, tuple(source.headers)  # an opener rejects these
    return source.provider, model, _files(model), source.dimensions, source.overlong, options, remote


def _files(directory: str | None) -> Hashable:
    """Names, times and sizes of the files: a model that replaced another in the same directory is a different one."""
    if directory is None or not Path(directory).is_dir():
        return None
    files = islice((path for path in Path(directory).rglob("*") if path.is_file()), MAX_FILES)
    return tuple(sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files))
