"""A process that puts into and gets from a cache: ``python -m tests.stores.hammer PATH SEED ROUNDS``.

Prints a line for each round. With 0 rounds it runs until it is killed. Each row follows from its key, so
that a reader can check it.
"""

from __future__ import annotations

import asyncio
import random
import sys
from itertools import count
from pathlib import Path

import numpy as np

from aembed.stores import SQLiteStore
from tests.stores.rows import keys, vectors

NAMES = 400
DIM = 64
PUT = 50


async def main(path: Path, seed: int, rounds: int) -> None:
    dice = random.Random(seed)
    async with SQLiteStore(path) as store:
        for done in range(rounds) if rounds else count():
            names = dice.sample(range(NAMES), PUT)
            await store.put_many(keys(names), vectors(names, DIM))
            asked = dice.sample(range(NAMES), PUT)
            positions, rows = await store.get_many(keys(asked), DIM)
            np.testing.assert_array_equal(rows, vectors([asked[i] for i in positions], DIM))
            print(done, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
