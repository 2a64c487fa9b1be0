"""A model's configuration files, in the directory layout of sentence-transformers, read into one record."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aembed._errors import ConfigError
from aembed._types import Kind
from aembed._wire.matryoshka import open_model
from aembed.providers._pool import POOLINGS, Pooling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_PROMPT_NAMES: Mapping[Kind, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
_UNBOUNDED_TOKENS = 1_000_000
"""Largest plausible limit: tokenizers without one have ``model_max_length`` = 1e30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Everything needed to turn text into the vectors the model's authors meant."""

    name: str
    onnx: Path
    tokenizer: Path
    """``tokenizer.json``, or a WordPiece vocabulary (``*.vocab.txt``, one entry a line)."""
    pooling: Pooling = "mean"
    normalize: bool = True
    max_tokens: int | None = None
    """Tokens a text may have, special tokens and prompt included."""
    prompts: Mapping[Kind, str] = field(default_factory=dict[Kind, str])
    offers: Sequence[int] = ()
    """Dimensions that the vectors may be shortened to; none where the model was not trained for it."""
    revision: str | None = None
    language: str | None = None
    """The language of the training data, where it is one."""


def read_model_directory(directory: Path, *, file: str | None = None) -> ModelFiles:
    """Read a directory with an ONNX encoder, ``tokenizer.json`` and the configuration of sentence-transformers.

    Without ``modules.json`` the pooling is the mean and nothing is normalised, as sentence-transformers does it.
    Raises :class:`ConfigError` naming a missing file.
    """
    if not directory.is_dir():
        raise ConfigError(f"no model directory at {directory}: give local:/path/to/a/directory that holds model.onnx")
    onnx = _onnx_file(directory, file)
    tokenizer = directory / "tokenizer.json"
    if not tokenizer.is_file():
        raise ConfigError(f"{directory} has no tokenizer.json: export one with AutoTokenizer(...).save_pretrained()")
    modules = _module_types(directory)
    return ModelFiles(
        name=str(directory.resolve()),
        onnx=onnx,
        tokenizer=tokenizer,
        pooling=_pooling(directory, modules),
        normalize="Normalize" in modules,
        max_tokens=_max_tokens(directory),
        prompts=_prompts(directory),
        offers=_offers(directory),
        revision=revision(directory, [onnx]),
    )


def _onnx_file(directory: Path, file: str | None) -> Path:
    wanted = [file] if file else ["model.onnx", "onnx/model.onnx"]
    for name in wanted:
        if (directory / name).is_file():
            return directory / name
    found = sorted([*directory.glob("*.onnx"), *directory.glob("onnx/*.onnx")])
    if len(found) == 1 and not file:
        return found[0]
    names = ", ".join(str(path.relative_to(directory)) for path in found) or "none"
    raise ConfigError(
        f"{directory} has no {' or '.join(wanted)} (*.onnx there: {names}): "
        + ('name one with provider_options={"file": ...}' if found else "export the encoder to ONNX first")
    )


def _module_types(directory: Path) -> dict[str, str]:
    """The last word of each module's type ("Transformer", "Pooling", "Normalize") -> its folder."""
    modules = read_json(directory / "modules.json", default=[])
    types = {str(module["type"]).rsplit(".", 1)[-1]: str(module["path"]) for module in modules}
    for name in types:
        if name not in ("Transformer", "Pooling", "Normalize"):
            raise ConfigError(f"{directory}/modules.json has a {name} module, which the local provider does not run")
    return types


def _pooling(directory: Path, modules: Mapping[str, str]) -> Pooling:
    config = read_json(directory / modules.get("Pooling", "1_Pooling") / "config.json", default={})
    if config.get("include_prompt") is False:
        raise ConfigError(f"{directory}: the model pools without its prompt, which the local provider does not do")
    modes = [name.removeprefix("pooling_mode_").removesuffix("_tokens") for name, on in config.items() if on is True]
    modes = [mode.removesuffix("_token") for mode in modes if mode != "include_prompt"]
    modes = modes or [config.get("pooling_mode", "mean")]
    for mode in POOLINGS:
        if modes == [mode]:
            return mode
    raise ConfigError(f"{directory}: pooling {'+'.join(modes)} is not one of {', '.join(POOLINGS)}")


def _max_tokens(directory: Path) -> int | None:
    """``max_seq_length`` of the sentence model, the tokenizer's own limit, and the position table: the smallest."""
    sentence = read_json(directory / "sentence_bert_config.json", default={}).get("max_seq_length")
    tokenizer = read_json(directory / "tokenizer_config.json", default={}).get("model_max_length")
    config = read_json(directory / "config.json", default={})
    positions = config.get("max_position_embeddings")
    if positions and str(config.get("model_type")).endswith(("roberta", "camembert", "mpnet")):
        positions -= int(config.get("pad_token_id", 1)) + 1  # these number their positions from behind the padding
    known = [int(limit) for limit in (sentence, tokenizer, positions) if limit and limit < _UNBOUNDED_TOKENS]
    return min(known, default=None)


def _prompts(directory: Path) -> dict[Kind, str]:
    config = read_json(directory / "config_sentence_transformers.json", default={})
    prompts: dict[str, str] = config.get("prompts") or {}
    if not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise ConfigError(f"{directory}/config_sentence_transformers.json: a prompt is not a string")
    default = prompts.get(config.get("default_prompt_name"), "")
    chosen: dict[Kind, str] = {}
    for kind, names in _PROMPT_NAMES.items():
        chosen[kind] = next((prompts[name] for name in names if prompts.get(name)), default)
    return chosen


def _offers(directory: Path) -> Sequence[int]:
    """``matryoshka_dimensions`` of ``config.json``, which vLLM reads too, or those known for a model of this name."""
    said = read_json(directory / "config.json", default={}).get("matryoshka_dimensions")
    if isinstance(said, list):
        return sorted(dim for dim in said if isinstance(dim, int))
    model = open_model(directory.resolve().name)
    return () if model is None else model.dimensions


def read_json(path: Path, *, default: Any) -> Any:
    """Content of a JSON file, or ``default`` if there is none; :class:`ConfigError` if it is not JSON."""
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error


def revision(directory: Path, also: Iterable[Path] = ()) -> str:
    """A digest of the sizes and times of change of a model's files: reading all of them would take too long."""
    patterns = ("*.json", "*/config.json", "*.onnx*", "onnx/*.onnx*", "*.safetensors")
    files = {path for pattern in patterns for path in directory.glob(pattern)}.union(also)
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(files) if path.is_file()]
    return sha256(repr(facts).encode()).hexdigest()[:16]
