"""As many requests at once as the account takes, however large their vectors are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from aembed import Config, Kind, Limits, ModelSpec, Reply
from aembed.jobs import run
from aembed.jobs.chunks import CHUNK_BYTES
from aembed.providers.mock import MockOptions, MockProvider


class Crowd:
    """Answers some requests, so that the account allows more, and then nobody before ``wanted`` are in flight."""

    def __init__(self, wanted: int, dim: int) -> None:
        self.spec = ModelSpec(name="crowd", provider="test", dim=dim, max_batch_texts=2048)
        self.largest = 0
        self._wanted = wanted
        self._answered = self._waiting = 0
        self._complete = anyio.Event()
        self._mock = MockProvider(MockOptions(dim=dim))

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.largest = max(self.largest, len(texts))
        self._answered += 1
        if self._answered > 4 * self._wanted:
            self._waiting += 1
            if self._waiting == self._wanted:
                self._complete.set()
            await self._complete.wait()
        return await self._mock.embed(texts, kind=kind)

    async def aclose(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("dim", [8, 3072])
async def test_large_vectors_make_smaller_requests_and_not_fewer_at_once(dim: int) -> None:
    slots = 6
    crowd = Crowd(slots, dim)
    per_request = min(2048, CHUNK_BYTES // (4 * dim))
    Path("t.txt").write_text("".join(f"{number}\n" for number in range(5 * slots * per_request)))
    with anyio.fail_after(20):
        await run("t.txt", "v.npy", model=crowd, config=Config(), limits=Limits(max_concurrency=slots))
    assert per_request * 0.99 < crowd.largest <= per_request


async def test_texts_beyond_the_size_of_a_request_are_sent_side_by_side_as_far_as_memory_goes() -> None:
    """Texts of 1 MB; the account takes few requests at first, and more after answers."""
    crowd = Crowd(4, dim=8)
    Path("t.txt").write_text("".join(f"{number:09}" * 2**17 + "\n" for number in range(20)))
    with anyio.fail_after(20):
        await run("t.txt", "v.npy", model=crowd, config=Config(), limits=Limits(max_concurrency=8))
    assert crowd.largest == 1
