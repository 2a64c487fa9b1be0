"""Files wanted of a repository on the hub, and the model they become."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from aembed._errors import ConfigError
from aembed._wire.matryoshka import open_model
from aembed.providers._hub import HubFiles, WantedFiles
from aembed.providers._model_dir import ModelFiles, read_model_directory
from aembed.providers._static_files import StaticFiles, static_directory
from aembed.providers.known_models import ENGLISH, KnownModel, known_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aembed._types import Kind
    from aembed.providers._hub_name import HubName

_CONFIGURATION = (
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer_config.json",
)
STATIC_FILES = WantedFiles(required=("config.json",), weights=("model.safetensors",))


def encoder_wanted(file: str | None) -> WantedFiles:
    """The files of an encoder; ``file`` names its ``*.onnx`` where there are several."""
    if file:
        return WantedFiles(optional=_CONFIGURATION, weights=(file,))
    return WantedFiles(optional=_CONFIGURATION, weights=("model.onnx", "onnx/model.onnx"), ending=".onnx")


def hub_encoder(name: HubName, files: HubFiles, *, pooling_given: bool) -> ModelFiles:
    """A downloaded encoder.

    Raises:
        ConfigError: nothing says how its tokens are pooled. A guess would give plausible, wrong vectors.
    """
    read = read_model_directory(files.directory, file=files.weights)
    known = known_model(name.repo)
    if not (files.directory / "modules.json").is_file() and not pooling_given:
        if known is None:
            raise ConfigError(
                f"{name} has no modules.json, which says how tokens are pooled: read it on the model's page and set "
                'provider_options={"pooling": "mean", "normalize": True}, or "cls", "max", "lasttoken"'
            )
        read = replace(read, pooling=known.pooling.partition(",")[0], normalize="unit" in known.pooling)  # type: ignore[arg-type]
    prompts: Mapping[Kind, str] = read.prompts
    if known is not None and not any(prompts.values()):
        prompts = {"query": known.prompts.get("query", ""), "document": known.prompts.get("document", "")}
    offers = read.offers or getattr(open_model(name.repo), "dimensions", ())
    return replace(
        read,
        name=name.repo,
        prompts=prompts,
        offers=offers,
        language=_language(known),
        revision=_revision(files, read.pooling, read.normalize, dict(prompts)),
    )


def hub_static(name: HubName, files: HubFiles) -> StaticFiles:
    """A downloaded model2vec model."""
    read = static_directory(files.directory)
    return replace(read, name=name.repo, revision=_revision(files), language=_language(known_model(name.repo)))


def _language(known: KnownModel | None) -> str | None:
    return known.languages if known is not None and known.languages == ENGLISH else None


def _revision(files: HubFiles, *also: object) -> str:
    """The commit, the file, and a digest of facts that come from aembed itself: all that a cached vector depends on."""
    digest = f":{sha256(repr(also).encode()).hexdigest()[:8]}" if also else ""
    return f"{files.commit}:{files.weights}{digest}"
