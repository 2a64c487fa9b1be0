"""A strict server, as a Provider on virtual time: what it admits, refuses and says is exact."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

import anyio
import numpy as np

from aembed import Kind, ModelSpec, QuotaHints, RateLimitError, Reply

Rule: TypeAlias = Literal["bucket", "sliding", "fixed", "none"]


class Quota:
    """One unit of quota kept by one rule. ``burst`` is what a bucket holds; the others know only the minute."""

    def __init__(self, rule: Rule, per_minute: float, burst: float | None = None) -> None:
        self.rule = rule
        self.limit = per_minute
        self.size = burst or per_minute
        self._level = self.size
        self._at = 0.0
        self._log: deque[tuple[float, float]] = deque()
        self._used = 0.0
        self._minute = -1

    def _advance(self, now: float) -> None:
        if self.rule == "bucket":
            self._level = min(self.size, self._level + (now - self._at) * self.limit / 60)
            self._at = now
        elif self.rule == "sliding":
            while self._log and self._log[0][0] <= now - 60:
                self._used -= self._log.popleft()[1]
        elif self.rule == "fixed" and int(now // 60) != self._minute:
            self._minute, self._used = int(now // 60), 0.0

    def wait(self, now: float, amount: float) -> float:
        """Seconds until ``amount`` fits, 0 if it does."""
        self._advance(now)
        if self.rule == "bucket":
            return max(0.0, (min(amount, self.size) - self._level) * 60 / self.limit - 1e-9)
        if self.rule == "none" or self._used + amount <= self.limit:
            return 0.0
        if self.rule == "fixed":
            return (self._minute + 1) * 60 - now
        excess = self._used + amount - self.limit
        for at, used in self._log:
            excess -= used
            if excess <= 0:
                return at + 60 - now
        return 60.0

    def take(self, now: float, amount: float) -> None:
        self._level -= amount
        self._used += amount
        if self.rule == "sliding":
            self._log.append((now, amount))

    def remaining(self) -> float:
        return max(0.0, self._level if self.rule == "bucket" else self.limit - self._used)

    def reset(self, now: float) -> float:
        """Seconds until everything is there again."""
        if self.rule == "bucket":
            return (self.size - self._level) * 60 / self.limit
        if self.rule == "fixed":
            return (self._minute + 1) * 60 - now
        return self._log[-1][0] + 60 - now if self._log else 0.0


@dataclass(frozen=True)
class ServerConfig:
    """What the server keeps, and how much of it it tells."""

    rule: Rule = "bucket"
    requests: float = 3000
    tokens: float = 1_000_000
    burst_seconds: float = 60.0
    headers: bool = True
    tells_wait: bool = True
    latency: float = 0.2
    spread: float = 0.2
    token_factor: float = 1.0
    """Tokens of the server for a token of four characters."""
    foreign: float = 0.0
    """Share of the quota that somebody else uses."""
    workers: int = 0
    """Requests worked on at once; 0 for any number."""
    per_token: float = 0.0
    """Seconds of a worker for a token."""


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
            adaptive=config.rule == "none",
        )
        self.refused = 0
        self.answered = 0
        self.admitted_requests = 0.0
        self.admitted_tokens = 0.0
        self._random = Random(seed)
        share = config.burst_seconds / 60
        self._requests = Quota(config.rule, config.requests, config.requests * share)
        self._tokens = Quota(config.rule, config.tokens, config.tokens * share)
        self._workers = anyio.Semaphore(config.workers) if config.workers else None

    def tokens_of(self, texts: Sequence[str]) -> float:
        return sum(map(len, texts)) / 4 * self.config.token_factor

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        there = self.config.latency * self._random.lognormvariate(0, self.config.spread) / 2
        await anyio.sleep(there)
        now = anyio.current_time()
        tokens = self.tokens_of(texts)
        wait = max(self._requests.wait(now, 1), self._tokens.wait(now, tokens))
        if wait > 0:
            self.refused += 1
            await anyio.sleep(there)
            raise RateLimitError("too fast", status=429, retry_after=wait if self.config.tells_wait else None)
        self._take(now, 1, tokens)
        hints = self._hints(now) if self.config.headers else None
        await self._work(tokens)
        await anyio.sleep(there)
        self.answered += 1
        return Reply(np.ones((len(texts), 2), np.float32), int(tokens), hints)

    async def aclose(self) -> None: ...

    async def spend_as_others(self) -> None:
        """Use the configured share of the quota, in a steady stream, until cancelled."""
        gap = 60 / (self.config.requests * self.config.foreign)
        tokens = self.config.tokens * self.config.foreign * gap / 60
        while True:
            await anyio.sleep(self._random.expovariate(1 / gap))
            now = anyio.current_time()
            if self._requests.wait(now, 1) == 0 == self._tokens.wait(now, tokens):
                self._take(now, 1, tokens)

    def _take(self, now: float, requests: float, tokens: float) -> None:
        self._requests.take(now, requests)
        self._tokens.take(now, tokens)
        self.admitted_requests += requests
        self.admitted_tokens += tokens

    async def _work(self, tokens: float) -> None:
        if self._workers is not None:
            async with self._workers:
                await anyio.sleep(self.config.per_token * tokens)

    def _hints(self, now: float) -> QuotaHints:
        return QuotaHints(
            limit_requests=self._requests.limit,
            remaining_requests=int(self._requests.remaining()),
            reset_requests=self._requests.reset(now),
            limit_tokens=self._tokens.limit,
            remaining_tokens=int(self._tokens.remaining()),
            reset_tokens=self._tokens.reset(now),
        )
