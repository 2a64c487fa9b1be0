"""From token vectors to one vector a text: the poolings of sentence-transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aembed._types import Vectors

Pooling: TypeAlias = Literal["mean", "cls", "max", "lasttoken"]

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def pool(hidden: NDArray[np.float32], lengths: NDArray[np.intp], how: Pooling) -> Vectors:
    """Pool ``(n, longest, dim)`` into ``(n, dim)``. Only the first ``lengths[i]`` tokens of text ``i`` count; the
    vectors of the padding behind them are overwritten.
    """
    if how == "cls":
        return np.ascontiguousarray(hidden[:, 0])
    if how == "lasttoken":
        return np.ascontiguousarray(hidden[np.arange(len(hidden)), lengths - 1])
    padding: NDArray[np.bool_] = np.arange(hidden.shape[1])[None, :] >= lengths[:, None]  # pyright: ignore[reportUnknownVariableType]
    if how == "max":
        hidden[padding] = -np.inf
        return np.asarray(hidden.max(axis=1))
    hidden[padding] = 0
    return np.asarray(hidden.sum(axis=1) / lengths[:, None].astype(np.float32))
