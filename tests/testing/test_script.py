"""Rules of the loopback server at their limits: caps, texts that are cut, quotas and workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aembed.testing import Capacity, Caps, Latency, Quota
from aembed.testing.server.dialects import DIALECTS
from aembed.testing.server.parse import Request, RequestHead
from aembed.testing.server.request_handler import Behaviour, PlannedResponse, RequestHandler


class Server:
    """A script of a dialect, on a clock that the test moves."""

    def __init__(self, dialect: str = "openai", **script: Any) -> None:
        self.now = 1000.0
        self._handler = RequestHandler(DIALECTS[dialect], Behaviour(**{"dim": 4, **script}), cache_bytes=2**20)
        self._number = 0

    def ask(
        self, *texts: str, path: str = "/v1/embeddings", method: str = "POST", key: str | None = None, **fields: Any
    ) -> PlannedResponse:
        self._number += 1
        body = json.dumps({"model": "m", **({"input": texts} if texts else {}), **fields}).encode()
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        head = RequestHead(method, path, "", headers, len(body), keep_alive=True)
        return self._handler.answer(Request(head, body), self._number, self.now)


def outcome(response: PlannedResponse) -> tuple[int, str]:
    return response.status, response.reason


@pytest.mark.parametrize(
    ("caps", "good", "bad", "reason"),
    [
        (Caps(inputs=2), ["a", "b"], ["a", "b", "c"], "batch"),
        (Caps(text_tokens=3), ["x" * 11], ["x" * 12], "text_tokens"),
        (Caps(request_tokens=4), ["x" * 4, "x" * 4], ["x" * 4, "x" * 8], "request_tokens"),
        (Caps(body_bytes=30), ["x"], ["x" * 2], "body"),
    ],
)
def test_a_cap_is_reached_and_not_passed(caps: Caps, good: list[str], bad: list[str], reason: str) -> None:
    server = Server(caps=caps)
    assert outcome(server.ask(*good)) == (200, "")
    assert outcome(server.ask(*bad))[1] == reason


def test_no_text_is_below_every_cap() -> None:
    assert outcome(Server("ollama", caps=Caps(text_tokens=0)).ask(path="/api/embed")) == (200, "")


def test_the_text_that_is_too_long_is_named() -> None:
    response = Server(caps=Caps(text_tokens=3)).ask("a", "x" * 20, "x" * 16)
    assert b"3" in b"".join(response.body)
    assert (response.inputs, response.tokens) == (3, 1 + 6 + 5)


@pytest.mark.parametrize(("key", "expected"), [("secret", (200, "")), ("other", (401, "key")), (None, (401, "no_key"))])
def test_only_its_key_is_served(key: str | None, expected: tuple[int, str]) -> None:
    assert outcome(Server(api_key="secret").ask("a", key=key)) == expected
    assert outcome(Server().ask("a", key=key)) == (200, "")


def test_only_its_models_and_its_path_are_served() -> None:
    server = Server(models=["m"])
    assert outcome(server.ask("a")) == (200, "")
    assert outcome(server.ask("a", model="n")) == (404, "model")
    assert outcome(server.ask("a", path="/v2/other")) == (404, "path")
    assert outcome(server.ask("a", method="GET"))[1] == "method"


@pytest.mark.parametrize(("characters", "text", "tokens"), [(4.0, "x" * 7, 2), (4.0, "x" * 8, 3), (2.0, "x" * 7, 4)])
def test_a_text_has_a_token_for_so_many_characters_and_one_more(characters: float, text: str, tokens: int) -> None:
    response = Server(characters_per_token=characters).ask(text, "")
    assert response.status == 400, "an empty text is none"
    assert Server(characters_per_token=characters).ask(text).tokens == tokens


@pytest.mark.parametrize(("length", "tokens"), [(11, 3), (12, 3), (400, 3)])
def test_a_text_that_may_be_cut_is_cut_to_the_cap(length: int, tokens: int) -> None:
    """Cohere cuts unless the request forbids it: a token of four characters less than the cap, and one more."""
    server = Server("cohere", caps=Caps(text_tokens=3))
    asked: Any = {"texts": ["y", "x" * length], "input_type": "search_document", "embedding_types": ["float"]}
    response = server.ask(path="/v2/embed", **asked)
    assert (response.status, response.tokens) == (200, 1 + tokens)
    short = server.ask(path="/v2/embed", **{**asked, "texts": ["y", "x" * min(length, 8 if length > 11 else 11)]})
    assert vectors(response) == vectors(short)


def test_a_text_that_is_as_long_as_the_cap_is_not_cut_beside_one_that_is() -> None:
    ask: dict[str, Any] = {"texts": ["x" * 11, "y" * 40], "input_type": "search_document", "embedding_types": ["float"]}
    server = Server("cohere", caps=Caps(text_tokens=3))
    long = vectors(server.ask(path="/v2/embed", **ask))["float"]
    alone = vectors(server.ask(path="/v2/embed", **{**ask, "texts": ["x" * 11]}))["float"]
    assert long[:1] == alone


def vectors(response: PlannedResponse) -> Any:
    return json.loads(b"".join(response.body))["embeddings"]


def test_a_quota_says_what_is_short_and_for_how_long() -> None:
    server = Server(quota=Quota.per_minute(requests=60, tokens=600))
    assert [server.ask("x" * 1196).status for _ in range(2)] == [200, 200]
    response = server.ask("a")
    assert outcome(response) == (429, "rate")
    assert response.headers["retry-after"] == "1"
    assert response.headers["x-ratelimit-remaining-tokens"] == "0"
    assert (response.inputs, response.tokens) == (1, 1)
    server.now += 0.1
    assert server.ask("a").status == 200
    assert outcome(server.ask("x" * 2400)) == (429, "never")


def test_a_request_without_sense_uses_up_no_quota() -> None:
    server = Server(quota=Quota.per_minute(requests=1))
    assert server.ask("a", path="/nowhere").status == 404
    assert server.ask().status == 400
    assert [server.ask("a").status for _ in range(2)] == [200, 429]


def test_a_full_server_is_overloaded() -> None:
    server = Server(latency=Latency(median=2.0), capacity=Capacity(workers=1, max_waiting=1))
    assert [server.ask("a").delay for _ in range(2)] == [2.0, 4.0]
    assert outcome(server.ask("a")) == (503, "overloaded")
    server.now += 2.0
    assert server.ask("a").delay == 4.0


def test_a_seed_decides_vectors_and_latencies() -> None:
    def seen(seed: int) -> tuple[bytes, list[float]]:
        server = Server(seed=seed, latency=Latency(median=1.0, sigma=0.5))
        first = server.ask("a", encoding_format="float")
        return b"".join(first.body), [first.delay, server.ask("b").delay]

    assert seen(3) == seen(3)
    assert seen(3)[0] != seen(4)[0]
    assert seen(3)[1] != seen(4)[1]


def test_what_a_script_says_if_it_says_nothing() -> None:
    plain = Behaviour()
    assert (plain.dim, plain.api_key, plain.models, plain.caps, plain.capacity) == (1536, None, None, None, None)
    assert (plain.characters_per_token, plain.seed, plain.quota.rules) == (4.0, 0, ())
    assert plain.latency == Latency()
