"""The files of an encoder, from a directory or the hub's cache, with the user's options applied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aembed._settings.base import Settings
from aembed._settings.values import Count, Switch
from aembed.providers._external_data import check_external_data
from aembed.providers._hub_models import hub_encoder
from aembed.providers._hub_name import hub_name
from aembed.providers._model_dir import ModelFiles, read_model_directory
from aembed.providers._pool import Pooling

if TYPE_CHECKING:
    from aembed._types import Kind, Source
    from aembed.providers._hub import HubFiles


class LocalOptions(Settings):
    """``provider_options`` of ``local``."""

    device: str = "cpu"
    """``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"coreml"``, ..., or the name of an execution provider of onnxruntime."""
    threads: Count | None = None
    """Runs of documents at once. Not set: one for each core, one on another device."""
    query_threads: Count | None = None
    """Cores that work on one query together. Not set: up to 4. More than 1 takes a second copy of the weights."""
    file: str | None = None
    """The ``*.onnx`` of a directory or a model of the hub. Not set: the one that it has, or the usual name."""
    pooling: Pooling | None = None
    """Pooling of token vectors; not set, like the three that follow: as the model's configuration says."""
    normalize: Switch | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None

    @property
    def prompts(self) -> dict[Kind, str]:
        """The prompts that are set, by kind."""
        given: dict[Kind, str | None] = {"query": self.query_prompt, "document": self.document_prompt}
        return {kind: prompt for kind, prompt in given.items() if prompt is not None}


def encoder_files(source: Source, options: LocalOptions, downloaded: HubFiles | None) -> ModelFiles:
    """The files that ``source`` names. Raises :class:`ConfigError` for a missing file."""
    name = hub_name(source.model) if downloaded else None
    if downloaded and name:
        directory = downloaded.directory
        files = hub_encoder(name, downloaded, pooling_given=options.pooling is not None)
    else:
        directory = Path(source.model or "").expanduser()
        files = read_model_directory(directory, file=options.file)
    check_external_data(files.onnx, directory)
    return _with_options(files, options)


def _with_options(files: ModelFiles, options: LocalOptions) -> ModelFiles:
    return replace(
        files,
        pooling=options.pooling or files.pooling,
        normalize=files.normalize if options.normalize is None else options.normalize,
        prompts={**files.prompts, **options.prompts},
    )
