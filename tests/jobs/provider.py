"""A provider for tests of jobs: it records its requests, rejects some texts, and fails on demand."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from aembed import AembedError, BadTextError, Kind, ModelSpec, Reply
from aembed.providers.mock import MockOptions, MockProvider


class Remembers:
    """Texts with "unspeakable" in them are rejected. After ``good`` requests: ``failure``, or no answer at all."""

    def __init__(
        self,
        *,
        good: int | None = None,
        failure: AembedError | None = None,
        batch: int = 4,
        price: float | None = None,
        dim: int = 8,
        speaks: bool = False,
    ) -> None:
        self.spec = ModelSpec(name="remembers", provider="test", dim=dim, max_batch_texts=batch, price=price)
        self.asked: list[str] = []
        self.stuck = anyio.Event()
        self._mock = MockProvider(MockOptions(dim=dim))
        self._good = good
        self._speaks = speaks
        self._failure = failure
        self._requests = 0

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        for index, text in enumerate(texts):
            if "unspeakable" in text and not self._speaks:
                raise BadTextError("the text is rejected", index=index)
        self._requests += 1
        if self._good is not None and self._requests > self._good:
            if self._failure is not None:
                raise self._failure
            self.stuck.set()
            await anyio.sleep_forever()
        self.asked += texts
        return await self._mock.embed(texts, kind=kind)

    async def count(self, texts: Sequence[str]) -> int:
        """Tokens of those texts."""
        return (await self._mock.embed(texts, kind="document")).tokens or 0

    async def aclose(self) -> None:
        """There is nothing to close."""
