"""Each dialect asks for what its provider requires, and rejects the rest in its provider's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import Capacity, Caps, LoopbackServer, Quota
from aembed.testing.server import DIALECTS
from tests.testing.client import Answer, connected
from tests.testing.dialect_facts import FACTS, KEY, google_body, inputs

WRONG = {"authorization": "Bearer wrong", "api-key": "wrong", "x-goog-api-key": "wrong"}
TEXTS = ["one", "another text", "one"]
everyone = pytest.mark.parametrize("name", FACTS)


async def ask(name: str, body: Any, headers: Mapping[str, str] | None = None, **script: Any) -> Answer:
    facts = FACTS[name]
    async with LoopbackServer(name, **{"dim": 16, "api_key": KEY, **script}) as server, connected(server) as client:
        return await client.ask(facts.path, body, facts.headers if headers is None else headers)


# texts of a request, tokens of a request, tokens of a text, bytes of a request
CAPS = {
    "azure": (2048, None, 8192, None),
    "cohere": (96, None, 128_000, None),
    "google": (100, None, 2048, 4_194_304),
    "jina": (2048, None, 8192, None),
    "mistral": (256, 16_384, 8192, None),
    "ollama": (None, None, 2048, None),
    "openai": (2048, 300_000, 8192, None),
    "tei": (32, None, 512, 2_000_000),
    "voyage": (1000, 120_000, 32_000, None),
}


def test_the_caps_of_each_dialect_are_its_providers() -> None:
    caps = {name: dialect.caps for name, dialect in DIALECTS.items() if dialect.caps != Caps()}
    assert {name: (c.inputs, c.request_tokens, c.text_tokens, c.body_bytes) for name, c in caps.items()} == CAPS


def test_every_dialect_is_here() -> None:
    assert FACTS.keys() == DIALECTS.keys()


@everyone
async def test_a_good_request_is_answered(name: str) -> None:
    facts = FACTS[name]
    for dim, more in ((16, {}), (5, {facts.dimensions: 5})):
        expected = (await MockProvider(MockOptions(dim=dim)).embed(TEXTS, kind="document")).vectors
        body = google_body(TEXTS, 5 if more else None) if name == "google" else facts.body(TEXTS, **more)
        for encoding in ({}, facts.base64 or {}):
            answer = await ask(name, {**body, **encoding})
            assert answer.status == 200, answer.body
            np.testing.assert_array_equal(np.stack(facts.vectors(answer.json)), expected)
            assert facts.tokens(answer) == 1 + 4 + 1


@everyone
async def test_the_key_is_asked_for_and_checked(name: str) -> None:
    facts = FACTS[name]
    without, wrong = [await ask(name, facts.body(TEXTS), headers) for headers in ({}, WRONG)]
    assert (without.status, wrong.status) == (facts.no_key, facts.wrong_key)
    for answer in (without, wrong):
        assert facts.message(answer.json)
    assert (await ask(name, facts.body(TEXTS), {}, api_key=None)).status == 200


@everyone
async def test_an_unknown_model_is_rejected(name: str) -> None:
    answer = await ask(name, FACTS[name].body(TEXTS), models={"other"})
    assert answer.status == FACTS[name].model


@everyone
async def test_every_required_field_is_required(name: str) -> None:
    facts = FACTS[name]
    for missing in facts.required:
        body = {key: value for key, value in facts.body(TEXTS).items() if key != missing}
        answer = await ask(name, body)
        assert (answer.status, missing) == (facts.bad_field, missing)
        assert facts.message(answer.json)


@everyone
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff"', b'{"model": "\\ud800"}', b"<html>"])
async def test_json_of_another_shape_is_rejected(name: str, body: bytes) -> None:
    answer = await ask(name, body)
    assert answer.status in {400, 422}
    assert FACTS[name].message(answer.json)


@everyone
async def test_empty_texts_are_rejected_except_by_ollama(name: str) -> None:
    for texts in (["a", ""], []):
        answer = await ask(name, FACTS[name].body(texts))
        if name == "ollama":
            assert (answer.status, len(answer.json["embeddings"])) == (200, len(texts))
        else:
            assert answer.status in {400, 413, 422}


@everyone
async def test_a_batch_that_is_too_large_is_rejected(name: str) -> None:
    facts = FACTS[name]
    most, status, message = facts.batch
    assert (await ask(name, facts.body(["a"] * most), dim=1)).status == 200
    answer = await ask(name, facts.body(["a"] * (most + 1)), dim=1)
    assert answer.status == status
    if status != 200:
        assert facts.message(answer.json) == message


@everyone
async def test_a_text_that_is_too_long_is_rejected_or_cut(name: str) -> None:
    facts = FACTS[name]
    caps = Caps(text_tokens=4)
    long = ["short", "x" * 20]
    if name != "google":
        answer = await ask(name, facts.body(long, **facts.no_truncation), caps=caps)
        status, message = facts.too_long
        assert answer.status == status
        assert facts.message(answer.json).startswith(message)
    cutting = {"jina": {"truncate": True}, "tei": {"truncate": True}}.get(name, {})
    if name == "google" or facts.no_truncation or cutting:
        answer = await ask(name, facts.body(long, **cutting), caps=caps)
        cut = await ask(name, facts.body(["short", "x" * 12]), caps=caps)
        assert facts.tokens(answer) == facts.tokens(cut) == 2 + 4
        np.testing.assert_array_equal(facts.vectors(answer.json), facts.vectors(cut.json))


@everyone
async def test_too_many_requests_get_a_429(name: str) -> None:
    facts = FACTS[name]
    quota = Quota.per_minute(requests=1, algorithm="sliding")
    async with LoopbackServer(name, dim=4, quota=quota) as server, connected(server) as client:
        answers = [await client.ask(facts.path, facts.body(TEXTS)) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert facts.message(answers[1].json)
    if name == "google":
        (retry,) = [one for one in answers[1].json["error"]["details"] if one["@type"].endswith("RetryInfo")]
        assert 59 < float(retry["retryDelay"].removesuffix("s")) <= 60
        assert "retry-after" not in answers[1].headers
    else:
        assert answers[1].headers["retry-after"] == "60"


@everyone
async def test_a_request_above_the_whole_quota_gets_a_429_each_time(name: str) -> None:
    facts = FACTS[name]
    quota = Quota.per_minute(inputs=1, algorithm="sliding")
    async with LoopbackServer(name, dim=4, quota=quota) as server, connected(server) as client:
        answers = [await client.ask(facts.path, facts.body(["a", "b"])) for _ in range(2)]
    assert [answer.status for answer in answers] == [429, 429]
    assert facts.message(answers[0].json)


@everyone
@pytest.mark.virtual_time
async def test_a_server_with_a_full_queue_says_so(name: str) -> None:
    facts = FACTS[name]
    script: dict[str, Any] = {"dim": 4, "latency": 1.0, "capacity": Capacity(workers=1, max_waiting=0)}
    async with LoopbackServer(name, **script) as server, connected(server) as busy, connected(server) as client:
        first, second = json.dumps(facts.body(["a"])).encode(), json.dumps(facts.body(["b"])).encode()
        busy.writer.write(f"POST {facts.path} HTTP/1.1\r\ncontent-length: {len(first)}\r\n\r\n".encode() + first)
        await busy.writer.drain()
        answer = await client.ask(facts.path, second)
        assert (answer.status, (await busy.read()).status) == (facts.overloaded, 200)


@everyone
async def test_elsewhere_is_nothing(name: str) -> None:
    async with LoopbackServer(name) as server, connected(server) as client:
        assert (await client.ask("/elsewhere", {})).status == 404
        assert (await client.ask(FACTS[name].path, b"", method="GET")).status == 405
        assert [entry.reason for entry in server.log] == ["path", "method"]


async def test_azure_needs_its_version_but_on_the_v1_path() -> None:
    async with LoopbackServer("azure", dim=4) as server, connected(server) as client:
        body = inputs(["a"])
        assert (await client.ask("/openai/deployments/m/embeddings", body)).status == 404
        assert (await client.ask("/openai/v1/embeddings", body)).json["model"] == "m"


async def test_google_names_one_model_in_path_and_items() -> None:
    body = google_body(["a"])
    body["requests"][0]["model"] = "models/other"
    assert (await ask("google", body)).status == 400
    assert (await ask("google", google_body(["a"], taskType="NONSENSE"))).status == 400


async def test_some_models_have_caps_of_their_own() -> None:
    """Voyage's lite models take a million tokens a request, Jina's v4 takes 512 texts."""
    texts = ["x" * 100_000] * 10
    assert (await ask("voyage", inputs(texts) | {"model": "voyage-code-3"}, dim=1)).status == 400
    assert (await ask("voyage", inputs(texts) | {"model": "voyage-3.5-lite"}, dim=1)).status == 200
    assert (await ask("jina", inputs(["a"] * 513) | {"model": "jina-embeddings-v4"}, dim=1)).status == 400
    assert (await ask("jina", inputs(["a"] * 513) | {"model": "jina-embeddings-v3"}, dim=1)).status == 200


@pytest.mark.parametrize("name", ["openai", "cohere", "voyage", "mistral", "jina"])
async def test_unknown_fields_are_rejected(name: str) -> None:
    answer = await ask(name, FACTS[name].body(TEXTS, unheard_of=1))
    assert answer.status in {400, 422}
    assert "unheard_of" in FACTS[name].message(answer.json)
