"""A provider that fails every batch with a certain text in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aembed import (
    AembedError,
    BatchSplit,
    Config,
    ConnectError,
    EmbedderFactory,
    Event,
    Kind,
    ModelSpec,
    OverloadedError,
    Reply,
    ReplyError,
    RetryPolicy,
)
from aembed.testing import ScriptedProvider

ATTEMPTS = 3
QUICK = RetryPolicy(max_attempts=ATTEMPTS, initial_delay=1e-3, max_delay=1e-3)
TEXTS = [f"text {number}" for number in range(20)]
Failure = Callable[[Sequence[str], set[str]], Any]


class Poisoned(ScriptedProvider):
    """Fails with every batch that holds one of the ``bad`` texts, as ``failure`` says."""

    def __init__(self, bad: Sequence[str], failure: Failure, *, size: int = 100, latency: float = 0.0) -> None:
        spec = ModelSpec(name="poisoned", provider="scripted", dim=8, max_batch_texts=size)
        super().__init__(spec=spec, latency=latency)
        self.bad = set(bad)
        self._failure = failure

    async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
        reply = await super()._answer(texts, kind)
        if self.bad.isdisjoint(texts):
            return reply
        failed = self._failure(texts, self.bad)
        if isinstance(failed, BaseException):
            raise failed
        reply.vectors[[text in self.bad for text in texts]] = failed
        return reply


FAILURES: dict[str, tuple[type[AembedError], int, Failure]] = {
    "500": (OverloadedError, ATTEMPTS, lambda texts, bad: OverloadedError("crashed", status=500)),
    "connection": (ConnectError, ATTEMPTS, lambda texts, bad: ConnectError("dropped", maybe_billed=True)),
    "no vector": (ReplyError, 2, lambda texts, bad: ReplyError("null in a vector's place")),
    "named": (
        ReplyError,
        2,
        lambda texts, bad: ReplyError("an empty vector", index=[text in bad for text in texts].index(True)),
    ),
    "NaN": (ReplyError, 2, lambda texts, bad: np.nan),
    "infinity": (ReplyError, 2, lambda texts, bad: np.inf),
    "zeros": (ReplyError, 2, lambda texts, bad: 0.0),
}
CRASH = FAILURES["500"][2]


async def embed(provider: ScriptedProvider, texts: Sequence[str], **options: Any) -> tuple[Any, Any, list[Event]]:
    events: list[Event] = []
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, on_event=events.append, **{"retry": QUICK, **options})
        result = await embedder.embed(texts, on_error="return")
    return result, embedder.statistics(), events


def splits(events: Sequence[Event]) -> list[int]:
    return [event.texts for event in events if isinstance(event, BatchSplit)]
