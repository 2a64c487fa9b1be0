"""Keys and vectors for tests of stores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from aembed import Vectors


def key(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def keys(names: Iterable[object]) -> list[bytes]:
    return [key(name) for name in names]


def vector(name: object, dim: int) -> Vectors:
    """The same for the same name and dimension, and another for every other."""
    seed = int.from_bytes(key(name)[:8], "little")
    return np.random.default_rng([seed, dim]).standard_normal(dim, np.float32)


def vectors(names: Iterable[object], dim: int) -> Vectors:
    rows = [vector(name, dim) for name in names]
    return np.stack(rows) if rows else np.empty((0, dim), np.float32)
