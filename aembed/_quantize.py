"""Vectors in half, a quarter or a thirty-second of their bytes, still good for search."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aembed._errors import InputError
from aembed._types import Vector, Vectors

Precision: TypeAlias = Literal["float16", "int8", "binary"]
"""Target type of :func:`quantize`: 2 bytes a number, 1 byte, or 1 bit."""

LARGEST_INT8 = 127


@overload
def quantize(vectors: Vectors | Vector, precision: Literal["float16"]) -> NDArray[np.float16]: ...
@overload
def quantize(
    vectors: Vectors | Vector, precision: Literal["int8"], *, limit: ArrayLike | None = None
) -> NDArray[np.int8]: ...
@overload
def quantize(vectors: Vectors | Vector, precision: Literal["binary"]) -> NDArray[np.uint8]: ...
def quantize(
    vectors: Vectors | Vector, precision: Precision, *, limit: ArrayLike | None = None
) -> NDArray[np.float16] | NDArray[np.int8] | NDArray[np.uint8]:
    """Compact copies of ``vectors``, shape ``(n, dim)``, or of one vector, shape ``(dim,)``.

    ``"float16"``
        The same shape, half the bytes; numbers keep three digits. Search as with float32, which
        ``.astype(np.float32)`` gives back.
    ``"int8"``
        The same shape, a quarter of the bytes: whole numbers from -127 to 127, the nearest to
        ``127 * vectors / limit``. Larger numbers are clipped to ``limit``. ``limit`` is one number, or ``dim`` of them;
        not given, it is the largest magnitude in ``vectors``, which suits vectors that are all quantized in one call.
        Over several calls, take it from a sample: ``np.abs(sample).max()``, or ``.max(axis=0)`` for each dimension.
        Rank documents by ``documents @ (query * limit / 127)`` with a float32 query; with one number as limit,
        ``documents.astype(np.int32) @ quantized_query`` ranks as well. ``documents * (limit / 127)`` is about
        ``vectors``.
    ``"binary"``
        A bit a number, 1 where it is positive, packed eight to a byte with the first in the highest bit: uint8, shape
        ``(n, ceil(dim / 8))``. Search by the number of bits that differ,
        ``np.bitwise_count(documents ^ quantized_query).sum(axis=-1)``, least first. Take some times more than are
        wanted and rank those by ``np.unpackbits(documents, axis=-1, count=dim) @ query``, or by their float32 vectors.
        Suits models whose numbers are spread around zero, as those of unit length mostly are.

    Raises:
        InputError: not an array of floats with one or two axes, a row with NaN or infinity (``index`` says which: as
            a text that failed leaves it), a number beyond float16, an unknown precision, or a limit that is not
            positive or does not fit.
    """
    if precision not in get_args(Precision):
        raise InputError(f"precision is {precision!r}; it must be one of {', '.join(map(repr, get_args(Precision)))}")
    _check_vectors(vectors)
    if limit is not None and precision != "int8":
        raise InputError(f"limit is for precision='int8'; leave it out for {precision!r}")
    if precision == "float16":
        return _to_float16(vectors)
    if precision == "int8":
        return _to_int8(vectors, limit)
    return np.packbits(vectors > 0, axis=-1)


def _to_float16(vectors: Vectors) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = vectors.astype(np.float16)
    _check_rows(half, "has a number beyond 65504, the largest of float16; scale the vectors to unit length first")
    return half


def _to_int8(vectors: Vectors, limit: ArrayLike | None) -> NDArray[np.int8]:
    largest = _check_limit(np.abs(vectors).max(initial=0.0) or 1.0 if limit is None else limit, vectors.shape[-1])
    with np.errstate(over="ignore"):  # numbers far beyond a tiny limit are clipped to it
        numbers = vectors / largest
    np.clip(numbers, -1.0, 1.0, out=numbers)
    numbers *= LARGEST_INT8
    np.rint(numbers, out=numbers)
    return numbers.astype(np.int8)


def _check_vectors(vectors: object) -> None:
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f":
        what = f"an array of {vectors.dtype}" if isinstance(vectors, np.ndarray) else f"a {type(vectors).__name__}"
        raise InputError(f"vectors is {what}; give a float32 array, as embed_documents does")
    if vectors.ndim not in (1, 2):
        raise InputError(f"vectors has shape {vectors.shape}; it must be (n, dim), or (dim,) for one vector")
    _check_rows(vectors, "holds NaN or infinity; leave out the texts that have no vector")


def _check_rows(vectors: NDArray[np.floating], why_not: str) -> None:
    finite = np.isfinite(vectors)
    if not finite.all():
        row = int(np.flatnonzero(~finite.reshape(-1, vectors.shape[-1]).all(axis=1))[0])
        raise InputError(f"vectors: row {row} {why_not}", index=row)


def _check_limit(limit: ArrayLike, dim: int) -> NDArray[np.float32]:
    try:
        largest = np.asarray(limit, np.float32)
    except (TypeError, ValueError):
        raise InputError(f"limit is {limit!r}; it must be a number, or one for each dimension") from None
    if largest.shape not in ((), (dim,)):
        raise InputError(f"limit has shape {largest.shape}; it must be one number, or {dim} for vectors of {dim}")
    if not ((largest > 0) & np.isfinite(largest)).all():
        raise InputError("limit must be positive and finite, in each dimension")
    return largest
