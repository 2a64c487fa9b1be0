"""Weights that an ONNX file keeps in other files: only those of the model's own directory are read.

A downloaded model may name any file of this machine, and give its bytes away as vectors.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers) and docs/ExternalData.md.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aembed._errors import ConfigError
from aembed.providers._packaged.protobuf import fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TENSOR: Mapping[int, str] = {13: "entry"}
_KINDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": _TENSOR,
}
"""Fields of each kind of message whose content may hold tensors."""
_KEY, _VALUE = 1, 2
_MAX_DEPTH = 64
"""Graphs within graphs; ONNX files have two or three."""


def check_external_data(file: Path, directory: Path) -> None:
    """Raises :class:`ConfigError` if the ONNX file names a file outside of ``directory``, or is not an ONNX file."""
    for location in _named(file):
        if not _is_within(file.parent / location, directory):
            raise ConfigError(
                f"{file} keeps weights in a file outside of its directory, which is not read; save the model with its "
                "weights in one directory"
            )


def external_files(directory: Path, weights: str) -> list[str]:
    """Names, relative to ``directory``, of further files with weights; none for files that are not ONNX.

    Names that lead out of the directory are left out: :func:`check_external_data` rejects them later.
    """
    if not weights.endswith(".onnx"):
        return []
    folder = posixpath.dirname(weights)
    paths = [posixpath.normpath(posixpath.join(folder, each)) for each in _named(directory / weights)]
    return [path for path in paths if not path.startswith(("../", "/"))]


def _named(file: Path) -> list[str]:
    try:
        return sorted(set(_locations(np.memmap(file, np.uint8, "r").data, "model", _MAX_DEPTH)))
    except (IndexError, KeyError, ValueError):
        raise ConfigError(f"{file} is not an ONNX file, or a damaged one; export the model again") from None


def _locations(message: memoryview, kind: str, deepest: int) -> Iterator[str]:
    if not deepest:
        raise ValueError("graphs within graphs without end")
    for number, value in fields(message):
        inner = _KINDS[kind].get(number)
        if inner is None or not isinstance(value, memoryview):
            continue
        if inner == "entry":
            entry = {key: bytes(part) for key, part in fields(value) if isinstance(part, memoryview)}
            if entry.get(_KEY) == b"location":
                yield entry.get(_VALUE, b"").decode()
        else:
            yield from _locations(value, inner, deepest - 1)


def _is_within(path: Path, directory: Path) -> bool:
    """Links are followed. The cache of the Hugging Face hub has links from ``snapshots/REVISION`` to ``blobs``."""
    try:
        target, own = path.resolve(), directory.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return False
    blobs = own.parent.parent / "blobs" if own.parent.name == "snapshots" else own
    return target.is_relative_to(own) or target.is_relative_to(blobs)
