"""What tells a model's files from those that stood in the same place before."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def revision(directory: Path, also: Iterable[Path] = ()) -> str:
    """A digest of the sizes and times of change of a model's files: reading all of them would take too long."""
    patterns = ("*.json", "*/config.json", "*.onnx*", "onnx/*.onnx*", "*.safetensors")
    files = {path for pattern in patterns for path in directory.glob(pattern)}.union(also)
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(files) if path.is_file()]
    return sha256(repr(facts).encode()).hexdigest()[:16]
