"""A store that does what a test wants, and calls that are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from aembed import Vectors


@dataclass(eq=False)
class Shelf:
    """A store that is a dict, and does what a test wants it to."""

    kept: dict[bytes, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    slow: float = 0.0
    closed: int = 0
    puts: int = 0

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        await self._work("get")
        found = [i for i, key in enumerate(keys) if key in self.kept]
        rows = [self.kept[keys[i]] for i in found]
        return np.array(found, np.intp), np.array(rows or np.empty((0, dim or 0)), np.float32)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        await self._work("put")
        self.puts += 1
        self.kept.update(zip(keys, vectors.copy(), strict=True))

    async def aclose(self) -> None:
        self.closed += 1

    async def _work(self, operation: str) -> None:
        if self.slow:
            await anyio.sleep(self.slow)
        if operation in self.broken:
            raise OSError(28, "no space left on device")


async def started(call: Any) -> asyncio.Task[Any]:
    """A call whose requests are under way as far as they can be."""
    task = asyncio.create_task(call)
    await anyio.sleep(0.1)
    return task
