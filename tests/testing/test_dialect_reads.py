"""A dialect takes a request apart by its provider's fields, and puts an answer together, without any connection."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import pytest

from aembed.testing.quotas import QuotaLevel
from aembed.testing.server.dialects import DIALECTS
from aembed.testing.server.dialects.dialect import Ask, Rejection, ReplyParts
from aembed.testing.server.parse import Request, RequestHead
from tests.testing.dialect_facts import FACTS, google_body

TEXTS = ["one", "two"]


def request(path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Request:
    place, _, query = path.partition("?")
    return Request(RequestHead("POST", place, query, headers or {}, len(body), keep_alive=True), body)


def read(name: str, body: Any) -> Ask:
    dialect, made = DIALECTS[name], request(FACTS[name].path, msgspec.json.encode(body))
    return dialect.read(made, dialect.route(made.head.path) or "")


def asked(name: str, **fields: Any) -> dict[str, Any]:
    """What it asks for besides two texts of the model m."""
    found = asdict(read(name, {**FACTS[name].body(TEXTS), **fields}))
    usual = asdict(Ask(TEXTS, "" if name == "tei" else "m"))
    return {field: value for field, value in found.items() if value != usual[field]}


CUT = {"truncate": True}


@pytest.mark.parametrize(
    ("name", "fields", "wanted"),
    [
        ("openai", {}, {}),
        ("openai", {"encoding_format": "float", "dimensions": 1}, {"encoding_format": True, "dimensions": 1}),
        ("openai", {"encoding_format": "base64"}, {"encoding_format": True, "base64": True}),
        ("openai", {"input": "one"}, {"texts": ["one"]}),
        ("openai", {"input": [1, 2]}, {"texts": ["[1,2]"], "tokens": [2]}),
        ("openai", {"input": [[1], [2, 3]]}, {"texts": ["[1]", "[2,3]"], "tokens": [1, 2]}),
        ("azure", {"model": "ignored"}, {}),
        ("cohere", {}, CUT),
        ("cohere", {"truncate": "START", "output_dimension": 1}, CUT | {"dimensions": 1}),
        ("cohere", {"truncate": "NONE", "embedding_types": ["base64"]}, {"base64": True}),
        ("voyage", {}, CUT),
        ("voyage", {"truncation": False, "input_type": "query", "output_dimension": 1}, {"dimensions": 1}),
        ("voyage", {"encoding_format": "base64"}, CUT | {"base64": True, "encoding_format": True}),
        ("google", {}, CUT),
        ("google", google_body(TEXTS, 1, taskType="CLUSTERING", title="t"), CUT | {"dimensions": 1}),
        ("mistral", {}, {}),
        ("mistral", {"encoding_format": "float", "output_dimension": 1}, {"encoding_format": True, "dimensions": 1}),
        ("mistral", {"encoding_format": "base64"}, {"encoding_format": True, "base64": True}),
        ("jina", {}, {}),
        ("jina", {"input": [{"text": "one"}, "two"], "truncate": True, "dimensions": 1}, CUT | {"dimensions": 1}),
        ("jina", {"input": "one", "embedding_type": "base64"}, {"texts": ["one"], "base64": True}),
        ("ollama", {}, CUT),
        ("ollama", {"truncate": True, "dimensions": 1, "input": "one"}, CUT | {"dimensions": 1, "texts": ["one"]}),
        ("ollama", {"truncate": False, "dimensions": -1, "input": None}, {"texts": []}),
        ("tei", {}, {}),
        ("tei", {"truncate": False, "truncation_direction": "Left"}, {}),
        ("tei", {"truncate": True, "dimensions": 1}, CUT | {"dimensions": 1}),
    ],
)
def test_fields_decide_what_is_asked_for(name: str, fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert asked(name, **fields) == wanted


def item(**more: Any) -> dict[str, Any]:
    return {"model": "models/m", "content": {"parts": [{"text": "a"}]}, **more}


REJECTED: list[tuple[str, dict[str, Any], str]] = [
    *((name, {field.dimensions: 0}, "field") for name, field in FACTS.items() if name not in {"google", "ollama"}),
    ("openai", {"encoding_format": "hex"}, "field"),
    ("openai", {"model": ""}, "field"),
    ("openai", {"input": ["a", [1]]}, "field"),
    ("openai", {"input": []}, "empty"),
    ("openai", {"input": ["a", ""]}, "empty 1"),
    ("openai", {"input": [[1], []]}, "empty 1"),
    ("cohere", {"input_type": "other"}, "field"),
    ("cohere", {"truncate": "MIDDLE"}, "field"),
    ("cohere", {"embedding_types": ["int8"]}, "field"),
    ("cohere", {"embedding_types": ["float", "base64"]}, "field"),
    ("cohere", {"texts": ["a", ""]}, "empty 1"),
    ("voyage", {"input_type": "other"}, "field"),
    ("voyage", {"encoding_format": "float"}, "field"),
    ("voyage", {"output_dtype": "int8"}, "field"),
    ("voyage", {"input": []}, "empty"),
    ("voyage", {"input": ["a", ""]}, "empty 1"),
    ("google", google_body(["a"], 0), "field"),
    ("google", {"requests": []}, "field"),
    ("google", {"requests": [item(), item(outputDimensionality=5)]}, "field"),
    ("google", {"requests": [item(taskType="OTHER")]}, "field"),
    ("google", {"requests": [item(), item(model="models/n")]}, "field"),
    ("google", {"requests": [item(), item(content={"parts": []})]}, "empty 1"),
    ("google", {"requests": [item(content={"parts": [{"text": "a", "unheard_of": 1}]})]}, "field"),
    ("google", {"requests": [item(content={"parts": [{"text": "a"}], "unheard_of": 1})]}, "field"),
    ("google", {"requests": [item(unheard_of=1)]}, "field"),
    ("google", {"unheard_of": 1}, "field"),
    ("mistral", {"encoding_format": "hex"}, "field"),
    ("mistral", {"output_dtype": "int8"}, "field"),
    ("jina", {"embedding_type": "hex"}, "field"),
    ("jina", {"input": [{"text": "a", "unheard_of": 1}]}, "field"),
    ("ollama", {"model": ""}, "model"),
    ("tei", {"truncation_direction": "up"}, "field"),
    ("tei", {"prompt_name": "query"}, "prompt"),
]


@pytest.mark.parametrize(("name", "fields", "problem"), REJECTED)
def test_fields_that_are_rejected(name: str, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(Rejection) as caught:
        asked(name, **fields)
    assert f"{caught.value.problem} {caught.value.index or ''}".strip() == problem


def test_ollama_needs_a_body() -> None:
    with pytest.raises(Rejection) as caught:
        DIALECTS["ollama"].read(request("/api/embed"), "")
    assert (caught.value.problem, caught.value.detail) == ("field", "missing request body")


@pytest.mark.parametrize(
    ("name", "path", "model"),
    [
        *((name, path, "") for name in ("openai", "voyage", "mistral", "jina") for path in ("/v1/embeddings",)),
        *((name, "/v2/embeddings", None) for name in DIALECTS),
        *(("cohere", path, model) for path, model in (("/v2/embed", ""), ("/v1/embed", None))),
        *(("tei", path, model) for path, model in (("/embed", ""), ("/", ""), ("/embed/", None))),
        ("ollama", "/api/embed", ""),
        ("azure", "/openai/v1/embeddings", ""),
        ("azure", "/openai/deployments/a%20b/embeddings", "a b"),
        ("azure", "/openai/deployments/a/b/embeddings", None),
        ("google", "/v1beta/models/a%20b:batchEmbedContents", "a b"),
        ("google", "/v1/models/m:batchEmbedContents", "m"),
        ("google", "/v1/models/m:embedContent", None),
    ],
)
def test_the_path_of_a_request_may_name_its_model(name: str, path: str, model: str | None) -> None:
    assert DIALECTS[name].route(path) == model


@pytest.mark.parametrize(
    ("name", "path", "headers", "key"),
    [
        ("openai", "/", {"authorization": "bearer  k "}, "k"),
        ("openai", "/", {"authorization": "Basic k"}, None),
        ("openai", "/", {}, None),
        ("azure", "/", {"api-key": "k", "authorization": "Bearer other"}, "k"),
        ("azure", "/", {"authorization": "Bearer k"}, "k"),
        ("google", "/?key=k", {}, "k"),
        ("google", "/?key=other", {"x-goog-api-key": "k"}, "k"),
        ("google", "/", {}, ""),
    ],
)
def test_the_key_of_a_request(name: str, path: str, headers: dict[str, str], key: str | None) -> None:
    assert DIALECTS[name].key(request(path, headers=headers)) == key


LISTED = [{"object": "embedding", "index": 1, "embedding": [2]}, {"object": "embedding", "index": 0, "embedding": [1]}]
LIST = {"object": "list", "data": LISTED, "model": "m"}
REPLIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "openai": (LIST, {"usage": {"prompt_tokens": 7, "total_tokens": 7}}),
    "azure": (LIST, {"usage": {"prompt_tokens": 7, "total_tokens": 7}}),
    "voyage": (LIST, {"usage": {"total_tokens": 7}}),
    "jina": (LIST, {"usage": {"prompt_tokens": 7, "total_tokens": 7}}),
    "mistral": (
        {"id": "req-00000003", **LIST},
        {"usage": {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}},
    ),
    "google": ({"embeddings": [{"values": [1]}, {"values": [2]}]}, {"usageMetadata": {"promptTokenCount": 7}}),
    "ollama": (
        {"model": "m", "embeddings": [[1], [2]], "total_duration": 1_000_000, "load_duration": 1000},
        {"prompt_eval_count": 7},
    ),
    "cohere": (
        {"id": "req-00000003", "texts": TEXTS, "embeddings": {"float": [[1], [2]]}}
        | {"meta": {"api_version": {"version": "2"}}, "response_type": "embeddings_by_type"},
        {"meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}}},
    ),
    "tei": ([[1], [2]], {}),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_an_answer_is_put_together(name: str) -> None:
    plain, counted = REPLIES[name]
    for tokens in (None, 7):
        parts = ReplyParts(Ask(TEXTS, "m"), [b"[1]", b"[2]"], tokens, [1, 0], 3)
        written = json.loads(b"".join(DIALECTS[name].write(parts)))
        assert written == (plain if tokens is None or not counted else {**plain, **counted})
    headers = {"x-compute-type": "cpu", "x-compute-characters": "6", "x-compute-tokens": "7"} if name == "tei" else {}
    assert DIALECTS[name].headers(parts) == headers


def test_cohere_names_the_type_of_its_vectors() -> None:
    parts = ReplyParts(Ask(TEXTS, "m"), [b'"a"', b'"b"'], None, [0, 1], 1)
    assert json.loads(b"".join(DIALECTS["cohere"].write(parts)))["embeddings"] == {"base64": ["a", "b"]}


LEVELS = [
    QuotaLevel("requests", 60.0, 59.9, 1.5),
    QuotaLevel("tokens", 1000.0, 7.0, 60.0),
    QuotaLevel("inputs", 5.0, 5.0, 0.0),
]
OPENAI_HEADERS = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1.5s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "7",
    "x-ratelimit-reset-tokens": "1m0s",
}
ANNOUNCED = {
    "openai": OPENAI_HEADERS,
    "azure": OPENAI_HEADERS,
    "cohere": {"x-trial-endpoint-call-limit": "60", "x-trial-endpoint-call-remaining": "59"},
    "mistral": {
        "x-ratelimit-limit-req-minute": "60",
        "x-ratelimit-remaining-req-minute": "59",
        "x-ratelimit-limit-tokens-minute": "1000",
        "x-ratelimit-remaining-tokens-minute": "7",
    },
}


@pytest.mark.parametrize("name", DIALECTS)
def test_quotas_are_announced_by_some(name: str) -> None:
    assert DIALECTS[name].announce(LEVELS) == ANNOUNCED.get(name, {})


@pytest.mark.parametrize(
    ("wait", "openai", "azure"),
    [(0.0, "", ""), (math.inf, "", ""), (0.5, " Please try again in 500ms.", " Please retry after 1 seconds.")],
)
def test_a_rejection_says_when_to_try_again(wait: float, openai: str, azure: str) -> None:
    rejection = Rejection("rate", limit=60, got=1, wait=wait, model="m")
    messages = {name: DIALECTS[name].reject(rejection)[1]["error"]["message"] for name in ("openai", "azure")}
    assert messages["openai"] == f"Rate limit reached for m on requests per min: Limit 60, Requested 1.{openai}"
    assert messages["azure"].partition(" pricing tier.")[2] == azure
