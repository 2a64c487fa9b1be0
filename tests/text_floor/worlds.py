"""Worlds to live in: calls, a provider with its quota and its failures, and how calls are made in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import anyio
import anyio.lowlevel
from hypothesis import strategies as st

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ConnectError,
    Kind,
    MergePolicy,
    ModelSpec,
    OverloadedError,
    ProviderError,
    RateLimitError,
    Reply,
)
from aembed.testing import Quota, QuotaKeeper
from tests.scripted import expected

WORDS = [f"word {number}" for number in range(10)]
Method: TypeAlias = Literal["query", "documents", "out", "embed", "return", "stream"]


@dataclass(frozen=True)
class Call:
    method: Method
    texts: tuple[str, ...]
    start: float
    deadline: float | None
    cancel: float | None
    """Seconds after its start."""
    embedder: int


@dataclass(frozen=True)
class World:
    calls: tuple[Call, ...]
    script: tuple[ProviderError | float | None, ...]
    bad: frozenset[str]
    named: bool
    """The server says which text is bad."""
    cap: int
    """Texts the server takes in a request."""
    batch: int
    requests_per_minute: float | None
    inputs_per_minute: float | None
    max_concurrency: int
    cache: Literal["none", "memory", "slow"]
    merge: MergePolicy | None
    close: float | None
    """When the second embedder is closed."""


@dataclass(eq=False)
class StrictServer:
    """Enforces an account's quota exactly, and fails as the script says."""

    world: World
    in_flight: int = 0
    quota_rejections: int = 0
    requests: int = 0
    answered: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """Number of vectors that each text got."""
    closed: int = 0

    def __post_init__(self) -> None:
        self.spec = ModelSpec(name="strict", dim=8, max_batch_texts=self.world.batch, timeout=20.0)
        self._keeper = QuotaKeeper(
            Quota.per_minute(requests=self.world.requests_per_minute, inputs=self.world.inputs_per_minute)
        )
        self.script = iter(self.world.script)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.requests += 1
        assert len(texts) <= self.world.batch, "more than the provider takes"
        assert len(set(texts)) == len(texts), "a text twice in a request"
        wait = self._keeper.take(anyio.current_time(), 1, 0, len(texts))
        if wait:
            self.quota_rejections += 1
            raise RateLimitError("too fast", retry_after=wait)
        self.in_flight += 1
        try:
            step = next(self.script, None)
            await anyio.sleep(step if isinstance(step, float) else 1.0)
        finally:
            self.in_flight -= 1
        if isinstance(step, ProviderError):
            raise type(step)(*step.args)
        if len(texts) > self.world.cap:
            raise BatchTooLargeError("too many")
        for index, text in enumerate(texts):
            if text in self.world.bad:
                raise BadTextError("bad", index=index if self.world.named else None)
        self.answered.update((kind, text) for text in texts)
        return Reply(await expected(texts), tokens=10 * len(texts))

    async def aclose(self) -> None:
        self.closed += 1


seconds = st.floats(0.0, 90.0, allow_nan=False).map(lambda value: round(value * 8) / 8)
scripts = st.lists(
    st.sampled_from(
        [
            *(None, None, 0.125, 0.125, 5.0, 5.0, 25.0),
            *(OverloadedError("busy"), ConnectError("lost"), BadRequestError("no"), AuthenticationError("who")),
        ]
    ),
    max_size=12,
)
calls_ = st.builds(
    Call,
    method=st.sampled_from(["query", "query", "documents", "out", "embed", "return", "stream"]),
    texts=st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(tuple),
    start=seconds,
    deadline=st.none() | st.floats(0.5, 60.0),
    cancel=st.none() | st.none() | seconds,
    embedder=st.integers(0, 1),
)
worlds = st.builds(
    World,
    calls=st.lists(calls_, min_size=1, max_size=8).map(tuple),
    script=scripts.map(tuple),
    bad=st.frozensets(st.sampled_from(WORDS[7:]), max_size=2),
    named=st.booleans(),
    cap=st.integers(1, 8),
    batch=st.integers(1, 8),
    requests_per_minute=st.none() | st.floats(20.0, 600.0),
    inputs_per_minute=st.none() | st.floats(60.0, 600.0),
    max_concurrency=st.integers(1, 4),
    cache=st.sampled_from(["none", "memory", "slow"]),
    merge=st.none() | st.builds(MergePolicy, max_texts=st.integers(1, 8), window=st.sampled_from([0.0, 0.5, 30.0])),
    close=st.none() | seconds,
)
