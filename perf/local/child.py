"""One candidate in a separate process: ``python -m perf.local.child NAME DIRECTORY SEED SCALE`` prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from perf.local.candidates import CANDIDATES
from perf.local.corpora import Corpora
from perf.local.workloads import measure


async def run(name: str, directory: Path, seed: int, scale: float) -> dict[str, object]:
    corpora = Corpora(directory / "vocab.txt", seed=seed, scale=scale)
    samples = [*corpora.short()[:4], *corpora.long()[:4]]
    start = time.perf_counter()
    async with CANDIDATES[name](directory) as candidate:
        opened = time.perf_counter() - start
        figures = await measure(candidate, corpora)
        vectors = await candidate.documents(samples)
    return {"figures": {"open": opened, **figures}, "samples": [[float(x) for x in row] for row in vectors]}


if __name__ == "__main__":
    name, directory, seed, scale = sys.argv[1:]
    print(json.dumps(asyncio.run(run(name, Path(directory), int(seed), float(scale)))))
