"""A deadline or a timeout that passes while a cancel scope around the call is cancelled already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from aembed import Config, DeadlineError, EmbedderFactory, Kind, ModelSpec, Reply, RequestTimeoutError, RetryPolicy

pytestmark = pytest.mark.virtual_time

TEXTS = {"one batch": 1, "several batches": 7}


class SlowToCancel:
    """A provider that never answers, and takes a second to give up."""

    spec = ModelSpec(name="slow", provider="slow", dim=4, max_batch_texts=2)

    async def embed(self, _: Sequence[str], /, *, kind: Kind) -> Reply:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1.0)
        raise AssertionError(kind)

    async def aclose(self) -> None:
        """Nothing to free."""


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("limit", ["deadline", "timeout"])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5])
async def test_a_cancelled_scope_catches_its_cancellation(texts: int, limit: str, seconds: float) -> None:
    """anyio prefers the bare cancellation of the deadline to its own, and would not catch it."""
    task = asyncio.current_task()
    assert task is not None
    async with EmbedderFactory(Config()) as factory:
        options = {"retry": RetryPolicy(max_attempts=1), limit: seconds}
        embedder = await factory.new_embedder(SlowToCancel(), **options)  # type: ignore[arg-type]
        with anyio.move_on_after(1.0) as scope:
            try:
                await embedder.embed_documents([f"text {number}" for number in range(texts)])
            except (DeadlineError, RequestTimeoutError):
                assert seconds <= 1.0
        assert scope.cancelled_caught or seconds <= 1.0
        assert task.cancelling() == 0


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
async def test_a_cancelled_task_ends_cancelled(texts: int) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(SlowToCancel(), deadline=1.5)
        call = asyncio.create_task(embedder.embed_documents([f"text {number}" for number in range(texts)]))
        await anyio.sleep(1.0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
