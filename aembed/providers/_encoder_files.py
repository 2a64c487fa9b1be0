"""The files of an encoder, from a directory or the hub's cache, with the user's options applied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aembed._errors import ConfigError
from aembed.providers._external_data import check_external_data
from aembed.providers._hub_models import hub_encoder
from aembed.providers._hub_name import hub_name
from aembed.providers._in_process import option
from aembed.providers._model_dir import ModelFiles, read_model_directory
from aembed.providers._pool import POOLINGS

if TYPE_CHECKING:
    from aembed._types import Kind, Source
    from aembed.providers._hub import HubFiles

_PROMPT_OPTIONS: dict[Kind, str] = {"query": "query_prompt", "document": "document_prompt"}


def encoder_files(source: Source, downloaded: HubFiles | None) -> ModelFiles:
    """The files that ``source`` names. Raises :class:`ConfigError` for what they lack, or for a wrong option."""
    name = hub_name(source.model) if downloaded else None
    if downloaded and name:
        directory = downloaded.directory
        files = hub_encoder(name, downloaded, pooling_given="pooling" in source.options)
    else:
        directory = Path(source.model or "").expanduser()
        files = read_model_directory(directory, file=option(source, "file", str))
    check_external_data(files.onnx, directory)
    return _with_options(files, source)


def _with_options(files: ModelFiles, source: Source) -> ModelFiles:
    pooling = source.options.get("pooling", files.pooling)
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
    normalize = option(source, "normalize", bool)
    given = {kind: option(source, name, str) for kind, name in _PROMPT_OPTIONS.items()}
    return replace(
        files,
        pooling=pooling,
        normalize=files.normalize if normalize is None else normalize,
        prompts={**files.prompts, **{kind: prompt for kind, prompt in given.items() if prompt is not None}},
    )
