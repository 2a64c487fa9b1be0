"""Tables of static embeddings on disk: the WordLlama package, and directories of model2vec."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aembed._errors import ConfigError
from aembed.providers._extra import load_package, package_directory
from aembed.providers._model_dir import read_json, revision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from aembed._types import Vector, Vectors
    from aembed.providers._tokenize import TokenIds

_TABLE_NAMES = ("embeddings", "embedding.weight")
"""Names of the table in model2vec and sentence-transformers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFiles:
    """Files of a static model, and how they are used."""

    name: str
    tensors: Path
    tokenizer: Path
    normalize: bool
    max_tokens: int | None = None
    drop_unknown: bool = True
    offers: Sequence[int] = ()
    """Dimensions that the vectors may be shortened to."""
    revision: str | None = None
    language: str | None = None
    """The language of the training data, where it is one."""


@dataclass(frozen=True, slots=True)
class StaticTable:
    """A vector per token id. A quantised vocabulary shares rows (``mapping``) and weighs tokens (``weights``)."""

    rows: Vectors
    weights: NDArray[np.float32] | None
    mapping: NDArray[np.intp] | None
    unknown: int | None
    """Token id of words outside the vocabulary. It has no meaning to add to a mean."""

    @property
    def dim(self) -> int:
        return int(self.rows.shape[1])

    def known(self, ids: TokenIds) -> TokenIds:
        """The ids without the unknown token."""
        return ids if self.unknown is None else ids[ids != self.unknown]

    def mean(self, ids: TokenIds, *, out: Vector) -> None:
        """The mean of the tokens' vectors. One text at a time is faster here than any vectorised form of many."""
        rows = self.rows.take(ids if self.mapping is None else self.mapping[ids], axis=0)
        if self.weights is not None:
            rows *= self.weights[ids][:, None]
        rows.mean(axis=0, out=out)


def wordllama_package() -> StaticFiles:
    """WordLlama 256 as its package carries it, unit length like ``WordLlama.embed(texts, norm=True)``."""
    directory = package_directory("wordllama", extra="static")
    return StaticFiles(
        name="wordllama-l2-supercat-256",
        tensors=directory / "weights" / "l2_supercat_256.safetensors",
        tokenizer=directory / "tokenizers" / "l2_supercat_tokenizer_config.json",
        normalize=True,
        drop_unknown=False,
        language="English",
        offers=(64, 128, 256),  # trained for these and more: https://github.com/dleemiller/WordLlama, "Matryoshka"
    )


def static_directory(directory: Path) -> StaticFiles:
    """A directory as ``model2vec.StaticModel.save_pretrained`` writes it, or :class:`ConfigError` for a missing file.

    A text ends, as in model2vec, at ``max_length`` tokens (512 unless ``config.json`` says otherwise, ``null`` for no
    limit) and vectors are of unit length only where ``config.json`` has ``"normalize": true``.
    """
    if not directory.is_dir():
        raise ConfigError(f"no model directory at {directory}: give static:/path/to/a/model2vec/directory")
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"{directory} has no {name}: save the model with StaticModel.save_pretrained()")
    config = read_json(directory / "config.json", default={})
    return StaticFiles(
        name=str(directory.resolve()),
        tensors=directory / "model.safetensors",
        tokenizer=directory / "tokenizer.json",
        normalize=bool(config.get("normalize", False)),
        max_tokens=_max_tokens(config.get("max_length", 512), directory),
        revision=revision(directory),
    )


def _max_tokens(said: object, directory: Path) -> int | None:
    if said is None or (type(said) is int and said > 0):
        return said
    raise ConfigError(f"{directory}/config.json: max_length is not a number of tokens, or null; save the model again")


def read_table(files: StaticFiles, tokenizer: Any) -> StaticTable:
    """Read the tensors. The table becomes float32 from any type."""
    errors = load_package("safetensors", extra="static")
    try:
        tensors: dict[str, NDArray[Any]] = load_package("safetensors.numpy", extra="static").load_file(files.tensors)
    except (OSError, errors.SafetensorError) as error:
        raise ConfigError(f"cannot read {files.tensors}: {error}") from error
    name = next((name for name in _TABLE_NAMES if name in tensors), None)
    if name is None:
        raise ConfigError(f"{files.tensors} has no tensor named {' or '.join(_TABLE_NAMES)}")
    weights, mapping = tensors.get("weights"), tensors.get("mapping")
    table = StaticTable(
        rows=np.ascontiguousarray(tensors[name], dtype=np.float32),
        weights=None if weights is None else weights.astype(np.float32),
        mapping=None if mapping is None else mapping.astype(np.intp),
        unknown=_unknown_id(tokenizer) if files.drop_unknown else None,
    )
    _check_shapes(files, table, most_id=max(tokenizer.get_vocab().values(), default=0))
    return table


def _check_shapes(files: StaticFiles, table: StaticTable, *, most_id: int) -> None:
    """Every token id must find its row and its weight."""
    rows, mapping, weights = table.rows, table.mapping, table.weights
    of_tokens = [each for each in (mapping, weights) if each is not None]
    if rows.ndim != 2 or not rows.size or any(each.ndim != 1 for each in of_tokens):
        raise ConfigError(f"{files.tensors}: the table is not one vector a token; save the model again")
    shortest = min(map(len, of_tokens if mapping is not None else [rows, *of_tokens]))
    maps_within = mapping is None or 0 <= mapping.min(initial=0) <= mapping.max(initial=0) < len(rows)
    if most_id >= shortest or not maps_within:
        raise ConfigError(f"{files.tensors}: the tokenizer has ids that the table lacks; save the model again")


def _unknown_id(tokenizer: Any) -> int | None:
    """WordPiece, BPE and word-level models name their unknown token; a Unigram model shows its number only as JSON."""
    model = tokenizer.model
    if not hasattr(model, "unk_token"):
        number: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")
        return number
    return None if model.unk_token is None else tokenizer.token_to_id(model.unk_token)
