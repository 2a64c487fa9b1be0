"""Downloads of models ahead of their use: in the build of a container image, or for a machine without network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aembed._errors import ConfigError, EventLoopError
from aembed.providers._hub import fetch
from aembed.providers._hub_models import STATIC_FILES, encoder_wanted
from aembed.providers._hub_name import hub_name

__all__ = ["DownloadedModel", "download_model"]

_FAMILIES = ("local", "static")


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedModel:
    """A model in the hub's cache."""

    model: str
    """Name for ``new_embedder``."""
    revision: str
    """The commit on the hub."""
    directory: Path
    size: int
    """Bytes of its files on this disk."""


async def download_model(model: str, *, provider_options: Mapping[str, object] | None = None) -> DownloadedModel:
    """Download a model of the Hugging Face hub, or the newer commit of its branch where it is cached already.

    ``model`` is ``"local:organisation/model"`` or ``"static:..."``, with ``@revision`` for a branch, tag or commit.
    ``provider_options`` may have ``file``. The errors are those of opening the model: see
    :func:`aembed.providers.local.open_provider`.
    """
    EventLoopError.unless_running("a download")
    provider, _, asked = model.rpartition(":")
    name = hub_name(asked, provider or "local")
    if provider not in {*_FAMILIES, ""} or name is None:
        raise ConfigError(
            f"{model!r} is not a model of the hub: give local:organisation/model, or static: for one of model2vec"
        )
    file = (provider_options or {}).get("file")
    if file is not None and not isinstance(file, str):
        raise ConfigError(f"file={file!r}: give the name of a file of the repository")
    files = await fetch(name, STATIC_FILES if provider == "static" else encoder_wanted(file), refresh=True)
    size = sum(path.stat().st_size for path in files.directory.rglob("*") if path.is_file())
    return DownloadedModel(model=name.model, revision=files.commit, directory=files.directory, size=size)
