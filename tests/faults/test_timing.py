"""Cases 29 to 36, 54 and 55: when a server says how fast it wants to be asked. On virtual time, where it is exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import (
    AembedError,
    BadRequestError,
    Config,
    Embedder,
    EmbedderFactory,
    Limits,
    OverloadedError,
    RateLimitError,
    Registry,
    RetryPolicy,
)
from aembed._types import Source
from aembed._wire.transport import BodySink, Response
from aembed.testing import Quota, QuotaKeeper, ScriptedProvider
from tests.faults.privacy import KEY, TEXTS, assert_private
from tests.wire.fake import Fake, answer

pytestmark = pytest.mark.virtual_time

VECTOR = {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "usage": {"total_tokens": 3}}
GOOD = answer(VECTOR, x_request_id="req-1")
FAST = {"error": {"message": f"too fast, {KEY}", "code": "rate_limit_exceeded"}}


def rejected(status: int = 429, **headers: str) -> Response:
    return answer(FAST, status, **headers)


class Clocked(Fake):
    """Notes when it was asked."""

    def __init__(self, answers: list[Response] | Callable[[float], Response]) -> None:
        super().__init__(answers if isinstance(answers, list) else [GOOD])
        self.times: list[float] = []
        self._decide = answers if callable(answers) else None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        given = await super().post(url, body, headers, max_bytes=max_bytes, sink=sink)
        return given if self._decide is None else self._decide(now)


@asynccontextmanager
async def asking(transport: Clocked, **options: Any) -> AsyncGenerator[Embedder]:
    """An embedder of the real provider, on a transport with given answers."""
    source: Source = transport.source("openai:m", key=KEY, base_url="http://localhost:9000")
    async with EmbedderFactory(Config()) as factory:
        yield await factory.new_embedder(await Registry().get("openai")(source), batch_size=1, **options)


async def outcome(embedder: Embedder) -> AembedError | None:
    """The outcome of a query; nothing is left in the gate, and nothing private in the error."""
    error = None
    try:
        vector = await embedder.embed_query(TEXTS[0], deadline=1e9)
        assert vector.tolist() == [0.5, 1.0]
    except AembedError as failure:
        error = failure
    assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
    assert_private(error, embedder, embedder.statistics())
    return error


DATE = datetime(2020, 2, 2, tzinfo=UTC)  # no clock of ours
LATER: dict[str, Any] = {"date": format_datetime(DATE), "retry_after": format_datetime(DATE + timedelta(seconds=20))}


def in_words(sentence: str) -> Response:
    return answer({"error": {"message": sentence}}, 429)


WAITS: dict[str, tuple[Response, float]] = {
    "fault_29_unavailable_until": (rejected(503, retry_after="7"), 7.0),
    "fault_30_seconds": (rejected(retry_after="30"), 30.0),
    "fault_31_a_date_by_the_servers_own_clock": (rejected(**LATER), 20.0),
    "fault_31_a_date_that_has_passed": (
        rejected(date=format_datetime(DATE), retry_after=format_datetime(DATE - timedelta(days=1))),
        0.5,
    ),
    "fault_32_milliseconds": (rejected(retry_after_ms="1500"), 1.5),
    "fault_32_milliseconds_win": (rejected(retry_after_ms="1500", retry_after="60"), 1.5),
    "fault_33_nothing_said": (rejected(), 0.5),
    "fault_34_negative": (rejected(retry_after="-5"), 0.5),
    "fault_34_nan": (rejected(retry_after="nan"), 0.5),
    "fault_34_infinite": (rejected(retry_after="inf"), 0.5),
    "fault_34_absurd_date": (rejected(date="soon", retry_after="Tue, 99 Foo 2020"), 0.5),
    "fault_34_words": (rejected(retry_after="a while"), 0.5),
    "fault_96_words": (in_words("Rate limit reached. Please try again in 6s."), 6.0),
    "fault_96_more_words": (in_words("Please try again in 1m3s."), 63.0),
    "fault_96_a_quota_that_refills": (rejected(x_ratelimit_reset_requests="20s"), 20.0),
    "fault_96_a_date_without_date": (rejected(retry_after="Fri, 31 Dec 1999 23:59:59 GMT"), 0.5),
}


@pytest.mark.parametrize(("rejection", "wait"), WAITS.values(), ids=WAITS)
async def test_the_next_request_goes_when_the_server_allows(rejection: Response, wait: float) -> None:
    transport = Clocked([rejection, GOOD])
    async with asking(transport) as embedder:
        assert await outcome(embedder) is None
        assert transport.times[1] - transport.times[0] == pytest.approx(wait)
        assert len(transport.times) == 2


async def test_fault_96_a_date_without_date_is_one_of_our_clock() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    transport = Clocked([rejected(retry_after=later), GOOD])
    async with asking(transport) as embedder:
        assert await outcome(embedder) is None
        assert 60.0 < transport.times[1] - transport.times[0] <= 90.0


async def test_fault_36_a_quota_that_refills_in_years() -> None:
    said: dict[str, Any] = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1000d"}
    transport = Clocked([answer(VECTOR, **said, x_ratelimit_limit_requests="100"), GOOD])
    async with asking(transport) as embedder:
        for _ in range(2):
            assert await outcome(embedder) is None
    assert transport.times[1] <= 120.0


@pytest.mark.parametrize("status", [429, 503])
async def test_fault_34_longer_than_anyone_waits(status: int) -> None:
    transport = Clocked([rejected(status, retry_after="1e9", x_request_id="req-7")])
    async with asking(transport) as embedder:
        error = await outcome(embedder)
        assert type(error) is (RateLimitError if status == 429 else OverloadedError)
        assert (error.provider, error.status, error.request_id, error.attempts) == ("openai", status, "req-7", 1)
        assert error.retry_after == 1e9
        assert len(transport.times) == 1


async def test_fault_30_siblings_wait_too() -> None:
    """The 429 pauses the account, not only the call that got it."""
    transport = Clocked(lambda now: rejected(retry_after="30") if now < 1.0 else GOOD)
    async with asking(transport, limits=Limits(max_concurrency=4)) as embedder, anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(embedder.embed_documents, [f"{TEXTS[0]} {number}"])
    before = [time for time in transport.times if time < 30.0]
    assert set(before) == {0.0}
    assert len(before) <= 4
    assert len(transport.times) == 12 + len(before)


async def test_fault_33_a_bare_rejection_backs_off_and_one_at_a_time_asks() -> None:
    transport = Clocked(lambda now: rejected() if now < 20.0 else GOOD)
    async with asking(transport, limits=Limits(max_concurrency=8)) as embedder, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(embedder.embed_documents, [f"{TEXTS[0]} {number}"])
    probes = [time for time in transport.times if time > 0.0]
    probes = probes[: next(i for i, time in enumerate(probes) if time >= 20.0) + 1]
    assert len(set(probes)) == len(probes), "two probes at once"
    gaps = np.diff([0.0, *probes])
    assert (gaps[1:] >= gaps[:-1]).all(), gaps
    assert gaps.max() <= 31.0


async def test_fault_35_a_storm_costs_a_fifth_at_most() -> None:
    """64 at once on a quota of 60 a minute: few 429s, and all are served at the pace of the quota."""
    keeper = QuotaKeeper(Quota.per_minute(requests=120, algorithm="bucket"))

    def decide(now: float) -> Response:
        wait = keeper.take(now, 1, 3, 1)
        return GOOD if wait <= 0 else rejected(retry_after=str(wait))

    transport = Clocked(decide)
    async with asking(transport, limits=Limits(max_concurrency=64)) as embedder, anyio.create_task_group() as tasks:
        for number in range(600):
            tasks.start_soon(embedder.embed_documents, [f"{TEXTS[0]} {number}"])
    assert len(transport.times) <= 1.2 * 600
    assert transport.times[-1] < 1.5 * 60 * 600 / 120


QUOTA_HEADERS: dict[str, dict[str, str]] = {
    "fault_36_minus_one": {"limit": "-1", "remaining": "-1", "reset": "-1s"},
    "fault_36_zero": {"limit": "0", "remaining": "0", "reset": "0s"},
    "fault_36_garbage": {"limit": "lots", "remaining": "NaN", "reset": "tomorrow"},
    "fault_36_half_of_them": {"limit": "100"},
    "fault_36_only_remaining": {"remaining": "5"},
    "fault_36_infinite": {"limit": "inf", "remaining": "1e400", "reset": "999999999999999999999999999999999999999d"},
    "fault_36_more_left_than_there_is": {"limit": "10", "remaining": "1000", "reset": "1s"},
}


@pytest.mark.parametrize("said", QUOTA_HEADERS.values(), ids=QUOTA_HEADERS)
@pytest.mark.parametrize("unit", ["requests", "tokens"])
async def test_odd_quota_headers_stop_nothing(said: dict[str, str], unit: str) -> None:
    headers: dict[str, Any] = {f"x_ratelimit_{name}_{unit}": value for name, value in said.items()}
    transport = Clocked([answer(VECTOR, **headers)])
    async with asking(transport) as embedder:
        for _ in range(20):
            assert await outcome(embedder) is None
    assert len(transport.times) == 20
    assert transport.times[-1] < 600.0, "an odd header made it crawl"


async def test_fault_36_a_rejection_with_odd_headers() -> None:
    headers: dict[str, Any] = {"x_ratelimit_limit_requests": "0", "x_ratelimit_remaining_requests": "0"}
    transport = Clocked([rejected(**headers), GOOD])
    async with asking(transport) as embedder:
        assert await outcome(embedder) is None


async def test_fault_54_a_call_that_times_out_in_the_queue_takes_no_place() -> None:
    provider = ScriptedProvider([50.0])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(
            provider, limits=Limits(max_concurrency=1, requests_per_minute=60), timeout=100.0
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(embedder.embed_documents, TEXTS[:1])
            await anyio.wait_all_tasks_blocked()
            for _ in range(30):
                result = await embedder.embed(TEXTS, deadline=1.0, on_error="return")
                assert (dict(result.failures), result.not_attempted) == ({}, tuple(range(len(TEXTS))))
                assert result.usage.requests == 0
                assert_private(None, result)
            assert embedder.statistics().waiting == 0
        before = asyncio.get_running_loop().time()
        await embedder.embed_documents(TEXTS[1:2])
        assert asyncio.get_running_loop().time() - before < 2.0, "those who left have used up the quota"
        assert len(provider.calls) == 2


async def test_fault_55_cancelled_in_the_sleep_before_a_retry() -> None:
    provider = ScriptedProvider([OverloadedError("busy", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, retry=RetryPolicy(max_retry_after=100.0))
        with anyio.move_on_after(30.0) as scope:
            await embedder.embed_documents(TEXTS)
        assert scope.cancelled_caught
        assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
        for _ in range(20):
            await embedder.embed_documents(TEXTS)
        assert len(provider.calls) == 21


async def test_fault_57_one_batch_fails_and_its_siblings_are_delivered() -> None:
    provider = ScriptedProvider([None, BadRequestError("no"), None])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, batch_size=2, limits=Limits(max_concurrency=1))
        result = await embedder.embed(TEXTS, on_error="return")
        assert sorted(result.failures) == [2, 3]
        assert result.not_attempted == ()
        assert np.isfinite(result.vectors[[0, 1, 4]]).all()
        assert np.isnan(result.vectors[[2, 3]]).all()
        with pytest.raises(BadRequestError) as caught:
            await (await factory.new_embedder(ScriptedProvider([None, BadRequestError("no")]), batch_size=2)).embed(
                TEXTS
            )
        assert caught.value.partial is not None
        assert np.isfinite(caught.value.partial.vectors[[0, 1]]).all()
        assert_private(caught.value, result)
