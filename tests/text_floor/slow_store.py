"""A store that is as slow as a file."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from aembed import Vectors
from aembed.stores import MemoryStore


class SlowStore(MemoryStore):
    """Takes a moment for everything, as a file does."""

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        await anyio.sleep(0.125)
        return await super().get_many(keys, dim)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        await anyio.sleep(0.25)
        await super().put_many(keys, vectors)
