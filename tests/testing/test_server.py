"""The loopback server does what its script says: vectors, latency, quotas, hints, quirks, log."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory, Vectors
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import Capacity, Caps, Hints, Latency, LoopbackServer, Quirks, Quota
from aembed.testing.server.dialects.openai import duration
from aembed.testing.server.latency import Workers
from tests.testing.client import Answer, connected

TEXTS = ["one", "two", "three", "four", "one"]


async def mock(dim: int, seed: int = 0) -> Vectors:
    return (await MockProvider(MockOptions(dim=dim, seed=seed)).embed(TEXTS, kind="document")).vectors


def decoded(item: dict[str, Any]) -> Any:
    given = item["embedding"]
    return np.frombuffer(base64.b64decode(given), "<f4") if isinstance(given, str) else np.array(given, np.float32)


def vectors(answer: Answer) -> Vectors:
    assert answer.status == 200, answer.body
    return np.stack([decoded(item) for item in answer.json["data"]])


@pytest.mark.parametrize("asked", ["base64", "float", None])
async def test_vectors_are_those_of_the_mock_to_the_bit(asked: str | None) -> None:
    more = {} if asked is None else {"encoding_format": asked}
    async with LoopbackServer(dim=300, seed=3) as server, connected(server) as client:
        answer = await client.embed(*TEXTS, **more)
        np.testing.assert_array_equal(vectors(answer), await mock(300, 3))
        assert isinstance(answer.json["data"][0]["embedding"], str) == (asked == "base64")
        answer = await client.embed(*TEXTS, dimensions=7, **more)
        np.testing.assert_array_equal(vectors(answer), await mock(7, 3))


async def test_vectors_are_right_without_room_to_remember_them() -> None:
    async with LoopbackServer(dim=8, cache_bytes=100) as server, connected(server) as client:
        for _ in range(3):
            np.testing.assert_array_equal(vectors(await client.embed(*TEXTS)), await mock(8))


async def test_tokens_may_be_sent_instead_of_texts() -> None:
    async with LoopbackServer(dim=4) as server, connected(server) as client:
        one = await client.ask("/v1/embeddings", {"model": "m", "input": [1, 2, 3]})
        two = await client.ask("/v1/embeddings", {"model": "m", "input": [[1, 2, 3], [4, 5]]})
        assert (one.json["usage"]["total_tokens"], two.json["usage"]["total_tokens"]) == (3, 5)
        np.testing.assert_array_equal(vectors(one)[0], vectors(two)[0])


async def test_usage_counts_as_the_script_says() -> None:
    async with LoopbackServer(dim=4, characters_per_token=2.0) as server, connected(server) as client:
        assert (await client.embed("12345678", "")).status == 400
        assert (await client.embed("12345678", "1")).json["usage"]["total_tokens"] == 5 + 1
        assert (server.counters.tokens, server.counters.inputs, server.counters.requests) == (6, 2, 2)


@pytest.mark.virtual_time
async def test_an_answer_takes_as_long_as_the_script_says() -> None:
    loop = asyncio.get_running_loop()
    latency = Latency(median=10.0, per_text=1.0, per_token=0.5)
    async with LoopbackServer(dim=4, latency=latency) as server, connected(server) as client:
        start = loop.time()
        await client.embed("123", "1234567")
        assert loop.time() - start == pytest.approx(10.0 + 2 + 3 * 0.5)
        (entry,) = server.log
        assert entry.answered - entry.received == pytest.approx(13.5)


def test_lognormal_latency_has_the_median_and_spread_it_says() -> None:
    random, latency = Random(1), Latency(median=0.2, sigma=0.5)
    seconds = np.log([latency.sample(random, 1, 1) for _ in range(4000)])
    assert np.exp(np.median(seconds)) == pytest.approx(0.2, rel=0.05)
    assert seconds.std() == pytest.approx(0.5, rel=0.05)
    again, once_more = Random(1), Random(1)
    assert latency.sample(again, 1, 1) == latency.sample(once_more, 1, 1)


def test_workers_take_requests_in_turn_and_reject_beyond_their_queue() -> None:
    workers = Workers(Capacity(workers=2, max_waiting=2))
    assert [workers.take(0.0, 10.0) for _ in range(5)] == [10.0, 10.0, 20.0, 20.0, None]
    assert workers.take(10.0, 5.0) == 15.0, "those that waited have started, and two more may wait"
    assert workers.take(100.0, 5.0) == 5.0


@pytest.mark.virtual_time
async def test_a_full_server_says_so() -> None:
    server = LoopbackServer(dim=4, latency=10.0, capacity=Capacity(workers=1, max_waiting=1))
    async with server, connected(server) as a, connected(server) as b, connected(server) as c:
        answers = await asyncio.gather(*(client.embed("text") for client in (a, b, c)))
    assert sorted(answer.status for answer in answers) == [200, 200, 503]
    assert server.counters.max_in_flight == 3
    assert sorted(entry.answered - entry.received for entry in server.log) == pytest.approx([0, 10, 20], abs=1e-6)


async def test_quota_headers_are_openais() -> None:
    quota = Quota.per_minute(requests=3000, tokens=1000)
    async with LoopbackServer(dim=4, quota=quota) as server, connected(server) as client:
        headers = (await client.embed("text " * 100)).headers
    assert headers["x-ratelimit-limit-requests"] == "3000"
    assert headers["x-ratelimit-remaining-requests"] == "2999"
    assert headers["x-ratelimit-reset-requests"] == "20ms"
    assert headers["x-ratelimit-limit-tokens"] == "1000"
    assert headers["x-ratelimit-remaining-tokens"] == "874"
    assert headers["x-ratelimit-reset-tokens"] == "7.56s"
    assert headers["x-request-id"] == "req-00000001"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0ms"),
        (0.0001, "1ms"),
        (0.012, "12ms"),
        (1.5, "1.5s"),
        (59.9999, "1m0s"),
        (360, "6m0s"),
        (3723.5, "1h2m3.5s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, written: str) -> None:
    assert duration(seconds) == written


async def rejected(hints: Hints) -> Answer:
    quota = Quota.per_minute(requests=2, algorithm="sliding")
    async with LoopbackServer(dim=4, quota=quota, hints=hints) as server, connected(server) as client:
        answers = [await client.embed("text") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [entry.reason for entry in server.log] == ["", "", "rate"]
    assert server.counters.statuses == {200: 2, 429: 1}
    return answers[-1]


@pytest.mark.virtual_time
async def test_a_rejection_names_the_time_to_retry() -> None:
    assert (await rejected(Hints())).headers["retry-after"] == "60"
    answer = await rejected(Hints(retry_after="milliseconds"))
    assert (answer.headers["retry-after-ms"], answer.headers["retry-after"]) == ("60000", "60")
    assert answer.json["error"]["code"] == "rate_limit_exceeded"
    assert "try again in 1m0s" in answer.json["error"]["message"]


@pytest.mark.virtual_time
async def test_a_rejection_may_give_a_date_by_a_clock_that_is_wrong() -> None:
    right, wrong = [await rejected(Hints(retry_after="date", skew=skew)) for skew in (0.0, 86_400.0)]
    dates = [parsedate_to_datetime(answer.headers["date"]) for answer in (right, wrong)]
    for answer, date in zip((right, wrong), dates, strict=True):
        assert parsedate_to_datetime(answer.headers["retry-after"]) - date == timedelta(seconds=60)
    assert timedelta(hours=23) < dates[1] - dates[0] < timedelta(hours=25)


@pytest.mark.virtual_time
async def test_a_hidden_quota_shows_nowhere() -> None:
    answer = await rejected(Hints.hidden())
    assert not [name for name in answer.headers if "ratelimit" in name or "retry" in name]
    assert "try again in" not in answer.json["error"]["message"]


async def test_a_request_above_the_whole_quota_is_never_let_in() -> None:
    quota = Quota.per_minute(tokens=10)
    async with LoopbackServer(dim=4, quota=quota) as server, connected(server) as client:
        answer = await client.embed("text " * 100)
    assert answer.status == 429
    assert answer.json["error"]["message"].startswith("Request too large")
    assert "retry-after" not in answer.headers


async def test_each_quirk_changes_one_thing() -> None:
    asked = {"encoding_format": "base64"}
    expected = await mock(64)

    async def ask(**quirks: bool) -> Answer:
        async with LoopbackServer(dim=64, quirks=Quirks(**quirks)) as server, connected(server) as client:
            return await client.embed(*TEXTS, **asked)

    plain = await ask()
    assert (await ask(always_floats=True)).json["data"][0]["embedding"] == [float(x) for x in expected[0]]
    assert "usage" not in (await ask(no_usage=True)).json
    mixed = await ask(mixed=True)
    assert [type(item["embedding"]) for item in mixed.json["data"]] == [str, list, str, list, str]
    spaced = await ask(spaced=True)
    assert b'"object": "list", "data": [{' in spaced.body
    escaped = await ask(escaped_slashes=True)
    assert b"\\/" in escaped.body
    for answer in (mixed, spaced, escaped):
        np.testing.assert_array_equal(vectors(answer), expected)
    assert spaced.json == escaped.json == plain.json
    shuffled = await ask(shuffled=True)
    order = [item["index"] for item in shuffled.json["data"]]
    assert order != sorted(order) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(vectors(shuffled), expected[order])


async def test_a_field_that_a_quirk_rejects_is_a_400_that_names_it() -> None:
    quirks = Quirks(rejects_encoding_format=True, rejects_dimensions=True)
    async with LoopbackServer(dim=4, quirks=quirks) as server, connected(server) as client:
        assert (await client.embed("a")).status == 200
        for field, value in (("encoding_format", "float"), ("dimensions", 3)):
            answer = await client.embed("a", **{field: value})
            assert (answer.status, field in answer.json["error"]["message"]) == (400, True)


async def test_caps_can_be_set() -> None:
    caps = Caps(inputs=2, text_tokens=3, request_tokens=5, body_bytes=500)
    async with LoopbackServer(dim=4, caps=caps) as server, connected(server) as client:
        statuses = [
            (await client.embed(*texts)).status
            for texts in (["a", "b"], ["a", "b", "c"], ["x" * 12], ["x" * 8, "x" * 8], ["x" * 500])
        ]
        assert statuses == [200, 400, 400, 400, 413]
        assert [entry.reason for entry in server.log] == ["", "batch", "text_tokens", "request_tokens", "body"]


async def test_the_log_names_headers_and_holds_no_key() -> None:
    async with LoopbackServer(dim=4, api_key="secret") as server, connected(server) as client:
        answer = await client.ask(
            "/v1/embeddings?key=secret", {"model": "m", "input": "text"}, {"Authorization": "Bearer secret"}
        )
        assert answer.status == 200
    (entry,) = server.log
    assert (entry.method, entry.path, entry.connection, entry.inputs, entry.tokens) == (
        "POST",
        "/v1/embeddings",
        1,
        1,
        2,
    )
    assert "authorization" in entry.header_names
    assert "secret" not in repr(server.log) + repr(server.counters) + repr(server)


async def test_the_log_forgets_the_oldest() -> None:
    async with LoopbackServer(dim=4, max_log=2) as server, connected(server) as client:
        for texts in (["a"], ["a", "b"], ["a", "b", "c"]):
            await client.embed(*texts)
    assert [entry.inputs for entry in server.log] == [2, 3]


async def test_bodies_and_header_values_are_kept_if_asked_for() -> None:
    server = LoopbackServer(dim=8, api_key="secret", log_bodies=True, log_headers=True)
    async with server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=server.base_url, api_key="secret")
        for text in ("one", "two", "three"):
            await embedder.embed_query(text)
    assert [json.loads(entry.body or b"")["input"] for entry in server.log] == [["one"], ["two"], ["three"]]
    assert [(entry.headers or {})["authorization"] for entry in server.log[1:]] == ["Bearer secret"] * 2
    assert "secret" not in repr(server.log) + repr(server.log[0])
    assert server.log[-1:] == [server.log[2]]
    assert server.log[::-1] == [server.log[2], server.log[1], server.log[0]]
    assert (server.log[:2], len(server.log[5:])) == ([server.log[0], server.log[1]], 0)
