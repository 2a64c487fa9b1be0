"""Chunks for a model in this process: as large as some seconds allow, and few at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from aembed import Config, Kind, ModelSpec, Reply
from aembed.jobs import run
from aembed.jobs.chunks import CHUNK_S, FIRST_TOKENS, SORTED_TOKENS, Cutter
from aembed.jobs.embedding import CHUNKS_HERE
from aembed.jobs.rows import Row
from tests.jobs.provider import Remembers

HERE = ModelSpec(name="m", pads=True)
TEXT = "word " * 100


def sizes(cutter: Cutter) -> int:
    """Texts of the next chunk."""
    rows = [Row(i, i, TEXT, {}) for i in range(1000)]
    first = len(cutter.add(0, rows)[0].texts)
    cutter.flush()
    return first


@pytest.mark.parametrize("pads", [True, False])
def test_only_a_model_in_this_process_is_paced(pads: bool) -> None:
    spec = replace(HERE, pads=pads)
    paced, steady = Cutter(spec, 8, paced=True), Cutter(spec, 8)
    assert (sizes(paced) < sizes(steady)) is pads
    before = sizes(paced)
    paced.pace(0.0)
    assert (sizes(paced) > before) is pads
    before = sizes(steady)
    steady.pace(0.0)
    steady.pace(100.0)
    assert sizes(steady) == before


def test_size_follows_the_time_that_chunks_take() -> None:
    cutter = Cutter(HERE, 8, paced=True)
    first = sizes(cutter)
    cutter.pace(CHUNK_S / 2)
    cutter.pace(CHUNK_S)
    assert sizes(cutter) == first, "neither fast nor slow"
    cutter.pace(CHUNK_S / 2 - 0.001)
    assert sizes(cutter) in {2 * first, 2 * first + 1}
    for _ in range(20):
        cutter.pace(0.0)
    assert sizes(cutter) == sizes(Cutter(HERE, 8)), "no more than without pacing"
    cutter.pace(CHUNK_S)
    assert sizes(cutter) == sizes(Cutter(HERE, 8)), "the time that it should take at most"
    cutter.pace(CHUNK_S + 0.001)
    assert sizes(cutter) == pytest.approx(sizes(Cutter(HERE, 8)) / 2, abs=1)
    for _ in range(20):
        cutter.pace(100.0)
    assert sizes(cutter) == first
    assert FIRST_TOKENS < SORTED_TOKENS


class Counts(Remembers):
    """The most requests at once."""

    most = now = 0

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        await anyio.lowlevel.checkpoint()
        self.now -= 1
        return await super().embed(texts, kind=kind)


async def test_few_chunks_share_the_model() -> None:
    Path("t.txt").write_text(f"{TEXT}\n" * 100)
    provider = Counts(batch=1000)
    provider.spec = replace(provider.spec, pads=True, max_concurrency=8)
    report = await run("t.txt", "v.npy", model=provider, config=Config())
    assert report.requests > 3 * CHUNKS_HERE
    assert provider.most == CHUNKS_HERE
