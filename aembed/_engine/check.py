"""Checks of a reply, inside the retried part and before anything is cached."""

from __future__ import annotations

import math

import numpy as np

from aembed._errors import ReplyError
from aembed._types import ModelSpec, Reply, Vectors
from aembed._vectors import unit_length


def check_reply(reply: Reply, texts: int, spec: ModelSpec, *, in_place: bool = False, scale: bool = False) -> Vectors:
    """The vectors of ``reply``: float32, C-contiguous, one finite, non-zero row per text.

    ``in_place``: they are in the array that the provider was handed, whose type and shape are right. ``scale``: to unit
    length, in place where the array may be written to.

    Raises:
        ReplyError: count, dimension or values are wrong; ``index`` names the first bad row.
    """
    try:
        vectors = reply.vectors if in_place else _as_rows(reply.vectors, texts, spec)
        if texts == 1:
            least = most = float(np.vdot(vectors, vectors))  # the cheapest way for one row
        else:
            least, most = _squared_norms(vectors)
        if not 0.0 < least <= most < math.inf:  # NaN fails every comparison
            _check_rows(vectors, spec)
    except ReplyError as error:
        error.request_id = reply.request_id
        raise
    return unit_length(vectors) if scale else vectors


def _as_rows(vectors: Vectors, texts: int, spec: ModelSpec) -> Vectors:
    if type(vectors) is not np.ndarray or vectors.dtype != np.float32 or not vectors.flags.c_contiguous:
        vectors = _as_float32(vectors, spec)
    if vectors.ndim != 2 or len(vectors) != texts:
        raise _unusable(spec, f"an array of shape {vectors.shape} for {texts} texts")
    if spec.dim is not None and vectors.shape[1] != spec.dim:
        raise _unusable(spec, f"vectors of dimension {vectors.shape[1]} where {spec.dim} was expected")
    return vectors


def _squared_norms(vectors: Vectors) -> tuple[float, float]:
    """Smallest and largest of the squared norms; infinite where they overflow."""
    with np.errstate(over="ignore"):
        squares = np.vecdot(vectors, vectors)
    return float(np.minimum.reduce(squares)), float(np.maximum.reduce(squares))


def _as_float32(vectors: object, spec: ModelSpec) -> Vectors:
    try:
        with np.errstate(over="ignore"):  # numbers that overflow become infinite, and are rejected as such
            return np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise _unusable(spec, "vectors that do not form an array of numbers") from None


def _check_rows(vectors: Vectors, spec: ModelSpec) -> None:
    """The exact check, for rows that are bad, or whose squared norm under- or overflows."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)).tolist()
    if bad:
        what = "a vector of zeros" if np.isfinite(vectors[bad[0]]).all() else "a vector with NaN or infinity"
        error = _unusable(spec, what, bad[0])
        error.unusable = bad if len(bad) < len(vectors) else ()
        raise error


def _unusable(spec: ModelSpec, what: str, index: int | None = None) -> ReplyError:
    error = ReplyError(f"{spec.name} answered with {what}", provider=spec.provider, index=index)
    error.server_works = True
    return error
