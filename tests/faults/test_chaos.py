"""Anything at once: servers that reject, break, lie and fall silent, callers who leave, limits, caches, merging.

On virtual time, through the HTTP providers' own reading of answers, on a transport that does what hypothesis draws.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from aembed import (
    AembedError,
    Config,
    ConnectError,
    Embedder,
    EmbedderFactory,
    EmbedResult,
    Limits,
    Registry,
    ReplyError,
    RequestTimeoutError,
    RetryPolicy,
)
from aembed._wire.transport import BodySink, Response
from aembed.testing import Quota, QuotaKeeper
from tests.faults.case import mock
from tests.faults.privacy import KEY, PRIVATE, assert_private
from tests.leaks import nothing_left_behind
from tests.loops import run
from tests.wire.fake import Fake, answer

TEXTS = [f"{PRIVATE}, number {number}" for number in range(12)]
POISON = TEXTS[5]
SILENCE = 1e6
"""Seconds: longer than anyone waits."""

Trouble = Response | Exception | float | Literal["good", "lies"]
"""The outcome of one request; a number is the delay of the good answer."""

REJECTED = {"error": {"message": f"no {KEY}", "type": "no", "code": "no"}}
TOO_MANY = {"error": {"message": "too many inputs", "code": "max_tokens_per_request"}}

TROUBLES: list[Trouble] = [
    "good",
    "good",
    "lies",
    0.3,
    5.0,
    SILENCE,
    answer(REJECTED, 429),
    answer(REJECTED, 429, retry_after="2"),
    answer(REJECTED, 429, retry_after_ms="1"),
    answer(REJECTED, 429, retry_after="nan", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1s"),
    answer(REJECTED, 500),
    answer(REJECTED, 503, retry_after="1"),
    answer(REJECTED, 503, x_should_retry="false"),
    answer(TOO_MANY, 400),
    answer(REJECTED, 413),
    answer(REJECTED, 401),
    answer(REJECTED),
    answer(b"<html>", 200),
    answer(b"", 502),
    ConnectError("the connection broke", maybe_billed=True),
    RequestTimeoutError("silent"),
    ReplyError("no HTTP"),
]


class Server(Fake):
    """Plays its troubles one after the other, then all is good, but for the text that it never takes."""

    def __init__(self, troubles: Sequence[Trouble], keeper: QuotaKeeper | None) -> None:
        super().__init__([])
        self.in_flight = 0
        self._troubles = iter(troubles)
        self._keeper = keeper

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        texts = json.loads(body)["input"]
        assert texts
        assert len(texts) == len(set(texts)), "a text twice in one request"
        self.in_flight += 1
        try:
            return await self._answer(texts)
        finally:
            self.in_flight -= 1

    async def _answer(self, texts: list[str]) -> Response:
        trouble = next(self._troubles, "good")
        await anyio.sleep(trouble if isinstance(trouble, float) else 0.1)
        if self._keeper is not None:
            wait = self._keeper.take(asyncio.get_running_loop().time(), 1, 3 * len(texts), len(texts))
            if wait > 0:
                return answer(REJECTED, 429, retry_after=str(wait))
        if isinstance(trouble, Exception):
            raise type(trouble)(*trouble.args)
        if isinstance(trouble, Response):
            return trouble
        if POISON in texts:
            return answer({"error": {"message": f"the content {POISON!r} is not acceptable"}}, 400)
        rows = mock(texts).tolist()
        if trouble == "lies":
            rows = rows[1:]
        return answer({"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]})


@dataclass(frozen=True)
class Caller:
    """Comes at a time, wants some texts, and may leave."""

    arrives: float
    texts: tuple[str, ...]
    kind: Literal["document", "query"]
    on_error: Literal["raise", "return"]
    deadline: float | None
    leaves: float | None


MOMENTS = st.sampled_from([0.0, 0.05, 0.1, 0.2, 1.0, 3.0, 60.0])
CALLERS = st.builds(
    Caller,
    arrives=MOMENTS,
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=9).map(tuple),
    kind=st.sampled_from(["document", "query"]),
    on_error=st.sampled_from(["raise", "return"]),
    deadline=st.none() | st.sampled_from([0.1, 1.0, 30.0]),
    leaves=st.none() | st.none() | MOMENTS,
)
LIMITS = st.builds(
    Limits,
    max_concurrency=st.sampled_from([1, 2, 8]),
    requests_per_minute=st.sampled_from([None, 60.0, 600.0]),
    tokens_per_minute=st.sampled_from([None, 5000.0]),
)
QUOTAS = st.none() | st.sampled_from(
    [Quota.per_minute(requests=120), Quota.per_minute(requests=60, algorithm="sliding")]
)


def assert_accounted_for(result: EmbedResult, texts: Sequence[str]) -> None:
    lost = set(result.failures) | set(result.not_attempted)
    assert not set(result.failures) & set(result.not_attempted)
    good = [index for index in range(len(texts)) if index not in lost]
    assert np.isnan(result.vectors[sorted(lost)]).all()
    if good:
        np.testing.assert_allclose(result.vectors[good], mock(texts)[good], rtol=1e-6)
        assert POISON not in {texts[index] for index in good}


async def call(embedder: Embedder, caller: Caller, finished: list[str]) -> None:
    await anyio.sleep(caller.arrives)
    leaves = SILENCE if caller.leaves is None else max(caller.leaves, 1e-3)
    with anyio.move_on_after(leaves) as scope:
        try:
            result = await embedder.embed(
                caller.texts, kind=caller.kind, on_error=caller.on_error, deadline=caller.deadline
            )
            error = None
        except AembedError as failure:
            assert failure.partial is not None
            result, error = failure.partial, failure
        assert_accounted_for(result, caller.texts)
        assert_private(error, *result.failures.values())
        if caller.on_error == "raise" and error is None:
            assert result.ok
        failures = [error, *result.failures.values()] if error else [*result.failures.values()]
        finished.append(type(failures[0]).__name__ if failures else "ok" if result.ok else "not attempted")
    if scope.cancelled_caught:
        finished.append("left")


@given(
    troubles=st.lists(st.sampled_from(TROUBLES), max_size=25),
    callers=st.lists(CALLERS, min_size=1, max_size=6),
    limits=LIMITS,
    quota=QUOTAS,
    cache=st.booleans(),
    merge=st.booleans(),
    batch_size=st.sampled_from([1, 3, 100]),
)
def test_nothing_is_ever_lost_and_nothing_stays(
    troubles: list[Trouble],
    callers: list[Caller],
    limits: Limits,
    quota: Quota | None,
    cache: bool,
    merge: bool,
    batch_size: int,
) -> None:
    async def chaos() -> None:
        server = Server(troubles, None if quota is None else QuotaKeeper(quota))
        finished: list[str] = []
        with nothing_left_behind():
            async with EmbedderFactory(Config()) as factory:
                source = server.source("openai:m", key=KEY, base_url="http://localhost:9000")
                provider = await Registry().get("openai")(source)
                options: dict[str, Any] = {"limits": limits, "cache": cache, "merge": merge, "batch_size": batch_size}
                embedder = await factory.new_embedder(
                    provider, retry=RetryPolicy(max_attempts=3), timeout=20.0, **options
                )
                async with anyio.create_task_group() as tasks:
                    for caller in callers:
                        tasks.start_soon(call, embedder, caller, finished)
                now = embedder.statistics()
                assert (now.in_flight, now.waiting) == (0, 0)
                assert server.in_flight == 0
                assert_private(None, embedder, now)
                await afterwards(embedder)
        assert len(finished) == len(callers)
        for outcome in set(finished):
            event(outcome)

    run(chaos())


async def afterwards(embedder: Embedder) -> None:
    """The troubles that are left are worked off, and then all is as ever."""
    for _ in range(60):
        try:
            vectors = await embedder.embed_documents(TEXTS[:3])
        except AembedError:
            await anyio.sleep(120.0)
        else:
            np.testing.assert_allclose(vectors, mock(TEXTS[:3]), rtol=1e-6)
            return
    raise AssertionError("it never recovered")
