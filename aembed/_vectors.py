"""Arithmetic on rows of vectors: unit length, shortening, weighted means. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aembed._types import Vectors


def unit_length(vectors: Vectors) -> Vectors:
    """Scale every row to length 1, in place where the array may be written to. A row of zeros stays."""
    # in float64, as squares of float32 over- and underflow
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    lengths[lengths == 0.0] = 1.0
    out = vectors if vectors.flags.writeable else np.empty_like(vectors)
    np.divide(vectors, lengths[:, None], out=out, casting="same_kind")
    return out


def shorten(vectors: Vectors, dim: int) -> Vectors:
    """The first ``dim`` numbers of each row, at unit length: a new array."""
    return unit_length(vectors[:, :dim].copy())


def weighted_means(pieces: Vectors, weights: NDArray[np.float32], owners: NDArray[np.intp], count: int) -> Vectors:
    """The mean of each text's pieces. ``owners`` ascends and names every text from 0 to ``count - 1``."""
    starts = np.searchsorted(owners, np.arange(count))
    sums = np.add.reduceat(pieces * weights[:, None], starts, axis=0)
    return np.asarray(sums / np.add.reduceat(weights, starts)[:, None], dtype=np.float32)
