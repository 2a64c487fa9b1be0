"""Downloads from the Hugging Face hub: once, into the cache that its own tools share, then no request at all.

The client is ``huggingface_hub``, so its settings work as usual: ``HF_HOME`` (place of the cache), ``HF_TOKEN``,
``HF_ENDPOINT`` (a mirror), ``HF_HUB_OFFLINE``, ``HF_HUB_DISABLE_PROGRESS_BARS``. Layout of the cache:
https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import posixpath
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from aembed._errors import AembedError, ConfigError, ConnectError, OverloadedError
from aembed.providers._external_data import external_files
from aembed.providers._extra import load_package
from aembed.providers._hub_errors import hub_errors
from aembed.providers._hub_name import HubName
from aembed.providers._model_dir import read_json

_TOKENIZER = "tokenizer.json"
_PLAIN_FOLDER = re.compile(r"[\w-]+")
"""A folder named in ``modules.json``. Anything else could lead out of the repository."""


_MAX_RESUMPTIONS = 4
"""Broken connections that one file survives; with the first attempt five, as many as 2.x of the client allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFiles:
    """The files of a model besides ``tokenizer.json``."""

    required: Sequence[str] = ()
    optional: Sequence[str] = ()
    weights: Sequence[str]
    """Names for the weights, the first that exists is downloaded."""
    ending: str | None = None
    """Another file with this ending is downloaded where none of ``weights`` exists and there is only one."""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """A model on this disk: its directory, its file of weights, and its commit."""

    directory: Path
    weights: str

    @property
    def commit(self) -> str:
        return self.directory.name


async def fetch(name: HubName, wanted: WantedFiles, *, refresh: bool = False, download: bool = True) -> HubFiles:
    """The files of a model, from the cache if it has them all.

    A branch is resolved once: later calls use the commit in the cache, until ``refresh`` asks the hub again.
    A cancelled call ends the download at its next piece.

    Raises:
        ModelNotFoundError: no such repository or revision, or a private one.
        AuthenticationError: the token is rejected, or the model's terms are not accepted.
        ConfigError: the repository lacks the files, or the hub is needed, and ``HF_HUB_OFFLINE`` is set or ``download``
            is False.
        ConnectError: the hub cannot be reached.
        MissingExtraError: ``huggingface_hub`` is not installed.
    """
    stop = threading.Event()
    try:
        step = partial(_fetch, name, wanted, stop, refresh=refresh, download=download)
        return await anyio.to_thread.run_sync(step, abandon_on_cancel=True)
    finally:
        stop.set()


def _fetch(name: HubName, wanted: WantedFiles, stop: threading.Event, *, refresh: bool, download: bool) -> HubFiles:
    hub = load_package("huggingface_hub", extra="hub")
    cached = _Cached(hub, name)
    files = None if refresh else cached.find(wanted)
    if files is not None:
        return files
    if not download:
        return _without_hub(cached, wanted, ConfigError(_untrusted(name)))
    if load_package("huggingface_hub.constants", extra="hub").HF_HUB_OFFLINE:
        return _without_hub(cached, wanted, ConfigError(_offline(name)))
    try:
        with hub_errors(name):
            return _Download(hub, name, cached, stop).run(wanted, refresh=refresh)
    except (ConnectError, OverloadedError) as error:
        return _without_hub(cached, wanted, error)


def _without_hub(cached: _Cached, wanted: WantedFiles, error: AembedError) -> HubFiles:
    files = cached.find(wanted, strict=False)
    if files is None:
        raise error
    return files


def _offline(name: HubName) -> str:
    return (
        f"{name} is not complete in the cache, and HF_HUB_OFFLINE is set: unset it, or run "
        f"`aembed download {name.model}` on a machine with a network and copy its HF_HOME"
    )


def _untrusted(name: HubName) -> str:
    return (
        f"{name} is not on this disk, and a configuration file found in the working directory starts no download: run "
        f"`aembed download {name.model}`, or read the file and run `aembed trust`, or name it in AEMBED_CONFIG"
    )


class _Cached:
    """One repository in the hub's cache, which also records the names of files that do not exist."""

    def __init__(self, hub: Any, name: HubName) -> None:
        self._hub = hub
        self._name = name

    @property
    def commit(self) -> str | None:
        tokenizer = self.path(_TOKENIZER)
        return tokenizer.parent.name if tokenizer else None

    def path(self, file: str) -> Path | None:
        found = self._look_up(file)
        return Path(found) if isinstance(found, str) else None

    def find(self, wanted: WantedFiles, *, strict: bool = True) -> HubFiles | None:
        """All files, or None if one is missing.

        ``strict`` wants to know of each optional file that it does not exist. Without it the cache of another tool
        is enough, as long as it holds ``modules.json``, which says how tokens are pooled.
        """
        tokenizer = self.path(_TOKENIZER)
        if tokenizer is None or not all(map(self.path, wanted.required)):
            return None
        directory = tokenizer.parent
        known = self._is_known if strict else lambda _: True
        optional = [*wanted.optional, *pooling_files(directory)]
        if not all(map(known, optional)) or not (strict or not optional or _says_pooling(directory)):
            return None
        weights = self._weights(directory, wanted, strict=strict)
        if weights is None or not all((directory / file).is_file() for file in external_files(directory, weights)):
            return None
        return HubFiles(directory, weights)

    def _weights(self, directory: Path, wanted: WantedFiles, *, strict: bool) -> str | None:
        for file in wanted.weights:
            if self.path(file):
                return file
            if strict and not self._is_known(file):
                return None  # a file of higher preference may exist on the hub
        others = [path.relative_to(directory).as_posix() for path in directory.rglob(f"*{wanted.ending}")]
        return others[0] if wanted.ending and len(others) == 1 else None

    def _is_known(self, file: str) -> bool:
        return self._look_up(file) is not None

    def _look_up(self, file: str) -> object:
        return self._hub.try_to_load_from_cache(self._name.repo, file, revision=self._name.revision)


class _Download:
    """Small files first, weights last, so that a missing file costs little."""

    def __init__(self, hub: Any, name: HubName, cached: _Cached, stop: threading.Event) -> None:
        self._hub = hub
        self._name = name
        self._cached = cached
        self._bar = _stoppable_bar(stop)
        errors = load_package("huggingface_hub.errors", extra="hub")
        self._absent = errors.EntryNotFoundError
        self._unavailable = errors.LocalEntryNotFoundError
        self._revision = name.revision

    def run(self, wanted: WantedFiles, *, refresh: bool) -> HubFiles:
        if not refresh:
            self._revision = self._cached.commit or self._revision
        tokenizer = self._need(_TOKENIZER)
        directory = tokenizer.parent
        self._revision = directory.name  # one commit for all files, even if the branch moves meanwhile
        for file in wanted.required:
            self._need(file)
        for file in wanted.optional:
            self._get(file)
        for file in pooling_files(directory):
            self._get(file)
        weights = self._weights(wanted)
        for file in external_files(directory, weights):
            self._need(file)
        return HubFiles(directory, weights)

    def _weights(self, wanted: WantedFiles) -> str:
        for file in wanted.weights:
            if self._get(file):
                return file
        there = self._hub.HfApi().list_repo_files(self._name.repo, revision=self._revision)
        ending = wanted.ending or Path(wanted.weights[0]).suffix
        others = sorted(file for file in there if file.endswith(ending))
        if wanted.ending and len(others) == 1:
            self._need(others[0])
            return str(others[0])
        raise ConfigError(_no_weights(self._name, wanted.weights, others, ending))

    def _need(self, file: str) -> Path:
        found = self._get(file)
        if found is None:
            raise ConfigError(f"{self._name} has no {file}. `aembed models` lists repositories that have one")
        return found

    def _get(self, file: str) -> Path | None:
        """The file on this disk; None if the repository has none of this name, which the cache then records."""
        try:
            return Path(self._resumed(file))
        except self._unavailable:  # a subclass of the next, of another meaning
            raise
        except self._absent:
            return None

    def _resumed(self, file: str) -> str:
        """Try again where a connection broke: 1.x of the client resumes only in a new call, 2.x does it itself."""
        get = partial(self._hub.hf_hub_download, self._name.repo, file, tqdm_class=self._bar)
        for _ in range(_MAX_RESUMPTIONS):
            try:
                return str(get(revision=self._revision))
            except Exception as error:  # of httpx or httpx2  # whichever the client has
                if type(error).__name__ != "RemoteProtocolError":
                    raise
        return str(get(revision=self._revision))


def _no_weights(name: HubName, wanted: Sequence[str], others: Sequence[str], ending: str) -> str:
    if others:
        named = ", ".join(others[:8])
        return f'{name} has no {" or ".join(wanted)}. Choose one with provider_options={{"file": ...}}: {named}'
    remedy = (
        "Choose a repository that has one (`aembed models` lists some), or export it with "
        f"`optimum-cli export onnx --model {name.repo} DIRECTORY` and open local:DIRECTORY"
        if ending == ".onnx"
        else "Choose a model2vec repository; `aembed models` lists some"
    )
    return f"{name} has no {ending.removeprefix('.').upper() if ending == '.onnx' else ending} file. {remedy}"


def pooling_files(directory: Path) -> Iterator[str]:
    """The configuration of the pooling that ``modules.json`` names."""
    for module in read_json(directory / "modules.json", default=[]):
        folder = str(module.get("path"))
        if str(module.get("type")).endswith("Pooling") and _PLAIN_FOLDER.fullmatch(folder):
            yield posixpath.join(folder, "config.json")


def _says_pooling(directory: Path) -> bool:
    files = list(pooling_files(directory))
    return bool(files) and all((directory / file).is_file() for file in files)


def _stoppable_bar(stop: threading.Event) -> type:
    """The hub's progress bar, which ends a stopped download. It is shown only if standard error is a terminal."""

    class Bar(load_package("huggingface_hub.utils", extra="hub").tqdm):  # type: ignore[misc]  # the package is loaded on demand
        def update(self, n: float | None = 1) -> bool | None:
            if stop.is_set():
                raise ConnectError("the download was cancelled", provider="local")
            shown: bool | None = super().update(n)
            return shown

    return Bar
