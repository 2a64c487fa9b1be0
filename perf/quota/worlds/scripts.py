"""Situations that are not jobs: a short exchange with a server that answers by a rule, and its required outcome."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import anyio
import numpy as np

from aembed import (
    AembedError,
    Config,
    EmbedderFactory,
    EmbedResult,
    Kind,
    Limits,
    ModelSpec,
    ProviderError,
    RateLimitError,
    Reply,
    RetryPolicy,
)
from aembed.testing import VirtualTimeLoop
from perf.quota.worlds.meters import meter
from perf.quota.worlds.world import Rule

LATENCY_S = 0.2
HOURS = 3600.0
GIVE_UP_S = 8 * HOURS
"""A script that takes longer hangs."""

Result: TypeAlias = tuple[str, bool]
"""Its result, and whether that is right."""
Answer: TypeAlias = Callable[[float, Sequence[str]], ProviderError | None]
"""(time, texts) -> why they are rejected."""


@dataclass(frozen=True)
class Script:
    name: str
    act: Callable[[], Awaitable[Result]]

    def run(self) -> Result:
        """On virtual time; an exception is a result, too."""
        random.seed(self.name)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            try:
                return runner.run(self._limited())
            except Exception as error:  # noqa: BLE001  # any error is the outcome
                return f"{type(error).__name__}: {error}", False

    async def _limited(self) -> Result:
        with anyio.move_on_after(GIVE_UP_S):
            return await self.act()
        return f"not done after {GIVE_UP_S / HOURS:g} hours", False


class RuleServer:
    """Answers by a rule, and remembers when it was asked."""

    def __init__(self, answer: Answer, texts: int = 1) -> None:
        self.spec = ModelSpec(
            name="rule", provider="rule", dim=2, max_batch_texts=texts, timeout=None, max_concurrency=32
        )
        self.asked: list[float] = []
        self._answer = answer

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.asked.append(anyio.current_time())
        await anyio.sleep(LATENCY_S / 2)
        error = self._answer(anyio.current_time(), texts)
        await anyio.sleep(LATENCY_S / 2)
        if error is not None:
            raise error
        return Reply(np.ones((len(texts), 2), np.float32), sum(map(len, texts)) // 4)

    async def aclose(self) -> None: ...


class Documents:
    """An embedder's documents, numbered."""

    def __init__(self, embed: Callable[..., Awaitable[EmbedResult]]) -> None:
        self._embed = embed

    async def send(self, count: int, *, letter: str = "x", deadline: float | None = None) -> EmbedResult:
        """With the partial result if the call raises an error."""
        texts = [f"{letter}{number}".ljust(160, letter) for number in range(count)]
        try:
            return await self._embed(texts, on_error="return", deadline=deadline)
        except AembedError as error:
            if error.partial is None:
                raise
            return error.partial


@asynccontextmanager
async def documents(
    server: RuleServer, limits: Limits | None = None, retry: RetryPolicy | None = None
) -> AsyncGenerator[Documents]:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(server, limits=limits or Limits(), retry=retry or RetryPolicy())
        yield Documents(embedder.embed)


def too_fast(wait: float | None) -> RateLimitError:
    return RateLimitError("too fast", status=429, retry_after=wait)


async def long_pause_is_waited_for() -> Result:
    """``max_retry_after`` decides, and no limit below it."""
    server = RuleServer(lambda now, _: too_fast(4000 - now) if now < 4000 else None)
    async with documents(server, retry=RetryPolicy(max_retry_after=5000)) as embedder:
        result = await embedder.send(1)
    now = anyio.current_time()
    return f"ok={result.ok} after {now:.0f} s, {len(server.asked)} requests", result.ok and now < 4060


async def pause_beyond_the_setting_fails_at_once() -> Result:
    server = RuleServer(lambda _, __: too_fast(7200.0))
    async with documents(server) as embedder:
        result = await embedder.send(1)
    (error,) = result.failures.values()
    now = anyio.current_time()
    says = "7200" in str(error).replace(",", "") or getattr(error, "retry_after", None) == 7200
    return f"{type(error).__name__} after {now:.1f} s: {error}", isinstance(error, RateLimitError) and says and now < 2


async def quota_of_a_day_is_given_up(wait: float) -> Result:
    """Fifty documents are admitted, and then none for the rest of the day."""
    admitted: list[str] = []

    def answer(_: float, texts: Sequence[str]) -> ProviderError | None:
        if len(admitted) >= 50:
            return too_fast(wait)
        admitted.extend(texts)
        return None

    server = RuleServer(answer)
    async with documents(server) as embedder:
        result = await embedder.send(200)
    now, vain = anyio.current_time(), len(server.asked) - 50
    reasons = Counter(type(error).__name__ for error in result.failures.values())
    text = f"after {now:.0f} s, {vain} requests in vain; {dict(reasons)}, {len(result.not_attempted)} not attempted"
    return text, now < HOURS and vain <= 100 and not result.ok


async def unsent_texts_are_not_attempted() -> Result:
    """A deadline while most of the texts are in the queue."""
    window = meter(Rule("requests", 60, "sliding"))

    def answer(now: float, _: Sequence[str]) -> ProviderError | None:
        wait = window.wait(now, 1)
        if not wait:
            window.add(now, 1)
        return too_fast(wait) if wait else None

    server = RuleServer(answer)
    async with documents(server, Limits(requests_per_minute=60)) as embedder:
        result = await embedder.send(200, deadline=30)
    text = f"{len(server.asked)} sent, {len(result.failures)} failed, {len(result.not_attempted)} not attempted"
    return text, len(result.failures) + len(result.not_attempted) == 140 and not result.failures


async def pause_beyond_the_deadline_fails_at_once() -> Result:
    server = RuleServer(lambda _, __: too_fast(60.0))
    async with documents(server) as embedder:
        result = await embedder.send(1, deadline=30)
    now = anyio.current_time()
    return f"ok={result.ok} after {now:.1f} s", now < 2 and not result.ok


async def one_document_after_two_429s() -> Result:
    """One document every five seconds; the server rejects the first and the third request, and reports no limit."""
    server = RuleServer(lambda _, __: too_fast(1.0) if len(server.asked) in {1, 3} else None)
    waits: list[float] = []
    async with documents(server) as embedder:
        for letter in "abcde":
            started = anyio.current_time()
            await embedder.send(1, letter=letter)
            waits.append(anyio.current_time() - started)
            await anyio.sleep(5)
    return f"waits {', '.join(f'{wait:.1f} s' for wait in waits)}", max(waits) < 2


async def embedders_share_by_amount() -> Result:
    """Two embedders of one account, with batches of 4 and 64 texts, and a quota of tokens."""
    bucket = meter(Rule("tokens", 160_000, "bucket"))
    admitted: Counter[str] = Counter()

    def answer(now: float, texts: Sequence[str]) -> ProviderError | None:
        amount = sum(map(len, texts)) / 4
        wait = bucket.wait(now, amount)
        if wait:
            return too_fast(wait)
        bucket.add(now, amount)
        if now > 60:
            admitted[texts[0][0]] += int(amount)
        return None

    server = RuleServer(answer, texts=64)
    limits = Limits(tokens_per_minute=160_000)
    async with EmbedderFactory(Config()) as factory, anyio.create_task_group() as tasks:
        for letter, size in (("a", 4), ("b", 64)):
            embedder = await factory.new_embedder(server, batch_size=size, limits=limits)
            tasks.start_soon(partial(Documents(embedder.embed).send, 50_000, letter=letter))
        await anyio.sleep(300)
        tasks.cancel_scope.cancel()
    ratio = admitted["b"] / max(1, admitted["a"])
    return f"tokens 1 : {ratio:.2f}", 0.67 < ratio < 1.5


SCRIPTS = [
    Script("Retry-After of 4000 s, max_retry_after above it", long_pause_is_waited_for),
    Script("Retry-After of 7200 s, max_retry_after below it", pause_beyond_the_setting_fails_at_once),
    Script("a day's quota answered with Retry-After 17", partial(quota_of_a_day_is_given_up, 17.0)),
    Script("a day's quota answered with Retry-After 60", partial(quota_of_a_day_is_given_up, 60.0)),
    Script("deadline while texts are queued", unsent_texts_are_not_attempted),
    Script("a pause beyond the deadline", pause_beyond_the_deadline_fails_at_once),
    Script("one document after two 429s with Retry-After 1", one_document_after_two_429s),
    Script("two embedders, batches of 4 and 64 texts", embedders_share_by_amount),
]
