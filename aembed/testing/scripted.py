"""A provider that follows a list, call by call, and records its calls."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from aembed import AembedError, Kind, ModelSpec, Reply
from aembed.providers.mock import MockOptions, MockProvider

Step: TypeAlias = Reply | BaseException | float | None
"""One answer: a reply, an error to raise, seconds to wait before a good answer, or ``None`` for a good answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments and times of one ``embed``: ``started`` and ``ended`` are loop times, in seconds."""

    texts: tuple[str, ...]
    kind: Kind
    started: float
    ended: float


class ScriptedProvider:
    """A :class:`Provider` for tests of retries, limits and cancellation.

    Every call takes the next step of ``script``; after the last one all answers are good. Good answers are the mock's
    vectors. The texts in ``refused`` get the error given for them, in any batch.
    """

    def __init__(
        self,
        script: Iterable[Step] = (),
        *,
        dim: int = 8,
        latency: float = 0.0,
        spec: ModelSpec | None = None,
        refused: Mapping[str, BaseException] | None = None,
    ) -> None:
        self.spec = spec or ModelSpec(name="scripted", provider="scripted", dim=dim)
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.closed = 0
        """Number of times it was closed."""
        self._script = iter(script)
        self._latency = latency
        self._refused = refused or {}
        self._vectors = MockProvider(MockOptions(dim=self.spec.dim or dim))

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        started = anyio.current_time()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(texts, kind)
        finally:
            self.in_flight -= 1
            self.calls.append(Call(tuple(texts), kind, started, anyio.current_time()))

    async def aclose(self) -> None:
        self.closed += 1

    async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
        step = next(self._script, None)
        wait = step if isinstance(step, (int, float)) else self._latency
        if wait:
            await anyio.sleep(wait)
        if isinstance(step, BaseException):
            raise _fresh(step)
        if isinstance(step, Reply):
            return step
        for text in texts:
            if text in self._refused:
                raise _fresh(self._refused[text])
        return await self._vectors.embed(texts, kind=kind)


def _fresh(error: BaseException) -> BaseException:
    """An error collects what happens to it, such as its attempts: each time another one, as a real provider raises."""
    return copy.copy(error) if isinstance(error, AembedError) else error
