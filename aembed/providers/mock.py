"""A provider without a model: the same text gives the same vector, in every process and on every machine.

Vectors are pseudo-random and of unit length, so that different texts are nearly orthogonal. On request it behaves
badly in the ways servers do: slow, failing, limiting, getting worse. All of it is seeded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Annotated, Any, Literal, TypeAlias

import anyio
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from xxhash import xxh3_64_intdigest

from aembed._errors import (
    AuthenticationError,
    BadRequestError,
    ClosedError,
    ConfigError,
    ConnectError,
    EventLoopError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
)
from aembed._settings.base import Settings
from aembed._types import Kind, ModelSpec, Provider, Reply, Source, Vectors

ErrorKind: TypeAlias = Literal["authentication", "bad_request", "connect", "overloaded", "rate_limit", "timeout"]

ERRORS: Mapping[ErrorKind, Callable[[], ProviderError]] = {
    "authentication": lambda: AuthenticationError("the mock rejects the key", status=401),
    "bad_request": lambda: BadRequestError("the mock rejects the request", status=400),
    "connect": lambda: ConnectError("the mock broke the connection"),
    "overloaded": lambda: OverloadedError("the mock is overloaded", status=503),
    "rate_limit": lambda: RateLimitError("the mock says: too fast", status=429),
    "timeout": lambda: RequestTimeoutError("the mock did not answer in time", status=408),
}

EXACT_IN_FLOAT32 = 1024
"""Dimension up to which a sum of squared bytes is exact in float32, in any order of addition."""

GAMMA, MIX_1, MIX_2, SHIFT_1, SHIFT_2, SHIFT_3 = (
    np.array(value, np.uint64)  # as arrays of no dimension, which numpy applies without converting them first
    for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 30, 27, 31)
)


class MockOptions(Settings):
    """Behaviour of the mock. Given by name through ``provider_options``; ``dim`` also as ``dimensions``."""

    dim: Annotated[int, Field(ge=1)] = 128
    seed: int = 0
    """Other seed, other vectors, and another course of latencies and errors."""
    latency: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Median seconds a request takes."""
    latency_spread: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Sigma of the lognormal distribution around that median."""
    degradation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Slowdown of each request by the one before: 0.01 doubles the latency within 100 requests."""
    error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of requests that fail."""
    error_kinds: tuple[ErrorKind, ...] = ("overloaded",)
    """Errors that they fail with, each equally often."""
    requests_per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """A quota kept like a strict server keeps it: a bucket of one minute, and 429 with ``retry_after`` beyond."""
    max_batch_texts: Annotated[int, Field(ge=1)] = 2048


async def open_provider(source: Source) -> Provider:
    """``"mock"``: any dimension; ``provider_options`` are the fields of :class:`MockOptions`."""
    EventLoopError.unless_running("a mock provider")
    for name in ("model", "base_url", "api_key"):
        if getattr(source, name) is not None:
            raise ConfigError(f"the mock provider takes no {name}; leave it out")
    options: dict[str, Any] = dict(source.options)
    if source.dimensions is not None:
        options["dim"] = source.dimensions
    return MockProvider(MockOptions(**options))


class MockProvider:
    """A :class:`Provider` for tests and benchmarks."""

    def __init__(self, options: MockOptions | None = None) -> None:
        self.options = options or MockOptions()
        self.requests = 0
        """Requests received, including rejected ones."""
        self._spec = ModelSpec(
            name="mock",
            provider="mock",
            dim=self.options.dim,
            max_batch_texts=self.options.max_batch_texts,
            timeout=30.0 if self.options.latency else None,
        )
        self._counter = _counter(self.options)
        self._requests_left = _Bucket(self.options.requests_per_minute)
        self._tokens_left = _Bucket(self.options.tokens_per_minute)
        self._plain = self.options.latency == 0 and self.options.error_rate == 0 and not self._limited
        self._closed = False

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @cached_property
    def _random(self) -> Random:
        return Random(self.options.seed)  # noqa: S311

    @property
    def _limited(self) -> bool:
        return self.options.requests_per_minute is not None or self.options.tokens_per_minute is not None

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """One unit vector per text, the same for documents and queries; a token is four characters."""
        if self._closed:
            raise ClosedError("this mock provider is closed")
        self.requests += 1
        tokens = sum(map(len, texts)) // 4 + len(texts)
        if not self._plain:
            await self._misbehave(tokens)
        return Reply(_vectors(texts, self._counter, self.options), tokens)

    async def aclose(self) -> None:
        self._closed = True

    async def _misbehave(self, tokens: int) -> None:
        options = self.options
        if self._limited:
            self._spend(tokens)
        if options.latency:
            slower = 1.0 + options.degradation * (self.requests - 1)
            await anyio.sleep(options.latency * slower * self._random.lognormvariate(0.0, options.latency_spread))
        if self._random.random() < options.error_rate:
            raise ERRORS[self._random.choice(options.error_kinds)]()

    def _spend(self, tokens: int) -> None:
        """Take both or neither, like a server that counts accepted requests only."""
        now = anyio.current_time()
        wait = max(self._requests_left.wait(now, 1), self._tokens_left.wait(now, tokens))
        if wait == math.inf:
            raise BadRequestError(f"a request of {tokens} tokens is more than the mock's quota of a minute", status=400)
        if wait > 0:
            raise RateLimitError("the mock's quota is used up", status=429, retry_after=wait)
        self._requests_left.take(1)
        self._tokens_left.take(tokens)


class _Bucket:
    """One minute of quota, refilled continuously."""

    def __init__(self, per_minute: float | None) -> None:
        self._size = per_minute or math.inf
        self._level = self._size
        self._filled_at = -math.inf

    def wait(self, now: float, amount: float) -> float:
        """Seconds until ``amount`` is there; 0 now, infinity never."""
        if self._size == math.inf:
            return 0.0
        self._level = min(self._size, self._level + (now - self._filled_at) * self._size / 60.0)
        self._filled_at = now
        if amount > self._size:
            return math.inf
        return max(0.0, (amount - self._level) * 60.0 / self._size)

    def take(self, amount: float) -> None:
        self._level -= amount


def _counter(options: MockOptions) -> NDArray[np.uint64]:
    """Position of each word of a vector in the sequence of its text; the seed moves them all."""
    words = np.arange(1, -(-options.dim // 8) + 1, dtype=np.uint64)
    return (words + np.uint64(options.seed % 2**32 << 32)) * GAMMA


def _vectors(texts: Sequence[str], counter: NDArray[np.uint64], options: MockOptions) -> Vectors:
    """xxh3 of the text seeds splitmix64 (Steele, Lea and Flood 2014); its bytes are the components.

    Whole numbers up to the square root make the result the same to the bit everywhere.
    """
    seeds = np.array([xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)
    x = seeds[:, None] + counter
    x ^= x >> SHIFT_1
    x *= MIX_1
    x ^= x >> SHIFT_2
    x *= MIX_2
    x ^= x >> SHIFT_3
    vectors = x.astype("<u8", copy=False).view(np.int8)[:, : options.dim].astype(np.float32)
    wide = vectors if options.dim <= EXACT_IN_FLOAT32 else vectors.astype(np.float64)
    vectors /= np.sqrt(np.vecdot(wide, wide)).astype(np.float32, copy=False)[:, None]
    return vectors
