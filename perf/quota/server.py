"""A strict server, as a provider on virtual time: its admissions, 429s and headers are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import anyio
import numpy as np

from aembed import ConnectError, Kind, ModelSpec, QuotaHints, RateLimitError, Reply
from aembed.testing.quotas import Algorithm, Quota, QuotaKeeper


@dataclass(frozen=True)
class ServerConfig:
    """Quotas that the server enforces, and the part of them that it reports."""

    algorithm: Algorithm | None = "bucket"
    """``None``: no quota at all."""
    requests: float = 3000
    tokens: float = 1_000_000
    span: float = 60.0
    """Seconds of quota that a bucket holds, or the length of a window."""
    headers: bool = True
    tells_wait: bool = True
    latency: float = 0.2
    spread: float = 0.2
    """Standard deviation of the logarithm of the latency."""
    token_factor: float = 1.0
    """Tokens of the server for four characters."""
    tells_usage: bool = True
    foreign: float = 0.0
    """Share of the quota that other programs ask for."""
    workers: int = 0
    """Requests worked on at once; 0 for any number."""
    per_token: float = 0.0
    """Seconds of a worker for a token."""
    raised_at: float | None = None
    """When the quota doubles."""
    down: tuple[float, float] | None = None
    """When it cannot be reached."""


class StrictServer:
    """Counts a request when it arrives, half the latency after it was sent."""

    def __init__(self, config: ServerConfig, seed: int, max_batch_texts: int) -> None:
        self.config = config
        self.spec = ModelSpec(
            name="strict",
            provider="strict",
            dim=2,
            max_batch_texts=max_batch_texts,
            timeout=None,
            max_concurrency=32,
            adaptive=config.algorithm is None,
        )
        self.rejected = self.answered = 0
        self.admitted = {"document": (0, 0.0), "query": (0, 0.0), "foreign": (0, 0.0)}
        """Requests and tokens."""
        self._random = Random(seed)
        self._raised = config.raised_at is None
        self._keeper = self._keep(1)
        self._workers = anyio.Semaphore(config.workers) if config.workers else None

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        config = self.config
        there = config.latency * self._random.lognormvariate(0, config.spread) / 2
        await anyio.sleep(there)
        now = anyio.current_time()
        if config.down is not None and config.down[0] <= now < config.down[1]:
            raise ConnectError("no route to the server")
        tokens = sum(map(len, texts)) / 4 * config.token_factor
        wait = self._take(now, tokens)
        if wait > 0:
            self.rejected += 1
            await anyio.sleep(there)
            raise RateLimitError("too fast", status=429, retry_after=wait if config.tells_wait else None)
        self._count(kind, tokens)
        hints = self._hints(now) if config.headers else None
        if self._workers is not None:
            async with self._workers:
                await anyio.sleep(config.per_token * tokens)
        await anyio.sleep(there)
        self.answered += 1
        return Reply(np.ones((len(texts), 2), np.float32), int(tokens) if config.tells_usage else None, hints)

    async def aclose(self) -> None: ...

    async def spend_as_others(self) -> None:
        """Ask for the configured share of the quota, in a random stream, until cancelled. Refusals are dropped."""
        gap = 60 / (self.config.requests * self.config.foreign)
        tokens = self.config.tokens * self.config.foreign * gap / 60
        while True:
            await anyio.sleep(self._random.expovariate(1 / gap))
            if self._take(anyio.current_time(), tokens) == 0:
                self._count("foreign", tokens)

    def _take(self, now: float, tokens: float) -> float:
        if not self._raised and now >= (self.config.raised_at or 0.0):
            self._raised = True
            self._raise(now)
        return self._keeper.take(now, 1, tokens)

    def _keep(self, factor: float) -> QuotaKeeper:
        config = self.config
        if config.algorithm is None:
            return QuotaKeeper(Quota())
        return QuotaKeeper(
            Quota.per_minute(
                requests=config.requests * factor,
                tokens=config.tokens * factor,
                algorithm=config.algorithm,
                span=config.span,
            )
        )

    def _raise(self, now: float) -> None:
        """Twice the quota from now on; what there is to take at this moment stays the same."""
        before = [level.remaining for level in self._keeper.levels(now)]
        self._keeper = self._keep(2)
        after = [level.remaining for level in self._keeper.levels(now)]
        requests, tokens = (new - old for new, old in zip(after, before, strict=True))
        self._keeper.take(now, requests, tokens)

    def _count(self, kind: str, tokens: float) -> None:
        before = self.admitted[kind]
        self.admitted[kind] = before[0] + 1, before[1] + tokens

    def _hints(self, now: float) -> QuotaHints | None:
        levels = self._keeper.levels(now)
        if not levels:
            return None
        requests, tokens = levels
        return QuotaHints(
            limit_requests=requests.limit,
            remaining_requests=int(requests.remaining),
            reset_requests=requests.reset,
            limit_tokens=tokens.limit,
            remaining_tokens=int(tokens.remaining),
            reset_tokens=tokens.reset,
        )
