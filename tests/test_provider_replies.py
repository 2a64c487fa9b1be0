"""Replies by shape, as recorded: vectors in the order of the texts, and the tokens they cost."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from aembed._errors import ReplyError
from tests.provider_requests import opened
from tests.wire.fake import Fake, answer

VECTORS = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
NUMBERS = VECTORS.tolist()
BASE64 = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in VECTORS]
CONFUSING = ['see [1] and [2, 3]: "embedding": "AAAA"', '\\" [4]']


def listed(rows: list[Any], usage: Any) -> dict[str, Any]:
    items = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
    return {"object": "list", "data": items[::-1], "model": "m", "usage": usage}


def by_type(**embeddings: Any) -> dict[str, Any]:
    return {
        "id": "5807ee2e-0cda-445a-9ec8-864c60a06606",
        "texts": CONFUSING,
        "embeddings": embeddings,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}, "warnings": []},
        "response_type": "embeddings_by_type",
    }


OLLAMA = {
    "model": "all-minilm",
    "embeddings": NUMBERS,
    "total_duration": 14143917,
    "load_duration": 1019500,
    "prompt_eval_count": 7,
}
GOOGLE = {"embeddings": [{"values": row} for row in NUMBERS], "usageMetadata": {"promptTokenCount": 7}}
HERE = "http://localhost:9000"

REPLIES: list[tuple[str, Any, int | None]] = [
    ("openai:m", listed(BASE64, {"prompt_tokens": 7, "total_tokens": 7}), 7),
    ("openai:m", listed(NUMBERS, {"prompt_tokens": 7}), 7),
    ("openai:m", listed(NUMBERS, None), None),
    ("azure:d", listed(BASE64, {"prompt_tokens": 7, "total_tokens": 7}), 7),
    ("voyage:new", listed(BASE64, {"total_tokens": 7}), 7),
    (
        "mistral:new",
        {"id": "cmpl-1", **listed(NUMBERS, {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7})},
        7,
    ),
    ("jina:new", listed(BASE64, {"total_tokens": 7, "prompt_tokens": 0}), 7),
    ("ollama:m", OLLAMA, 7),
    ("ollama:m", {"embeddings": NUMBERS}, None),
    ("cohere:new", by_type(float=NUMBERS), 7),
    ("cohere:new", by_type(base64=BASE64), 7),
    ("cohere:new", by_type(base64=NUMBERS), 7),
    ("cohere:new", {"embeddings": {"float": NUMBERS}}, None),
    ("google:new", GOOGLE, 7),
    ("google:new", {**GOOGLE, "usageMetadata": {"promptTokenCount": 0}}, None),
    ("google:new", {"embeddings": GOOGLE["embeddings"]}, None),
    ("tei", NUMBERS, None),
]


@pytest.mark.parametrize(("name", "body", "tokens"), REPLIES)
async def test_reply(name: str, body: Any, tokens: int | None) -> None:
    provider = await opened(Fake([answer(body)]), name, base_url=HERE)
    reply = await provider.embed(CONFUSING, kind="document")
    np.testing.assert_array_equal(reply.vectors, VECTORS)
    assert reply.vectors.dtype == np.float32
    assert reply.tokens == tokens


async def test_tei_reports_tokens_in_a_header() -> None:
    for said, tokens in (("7", 7), ("", None), ("many", None), ("-1", None), ("²", None)):
        fake = Fake([answer(NUMBERS, x_compute_tokens=said)])
        provider = await opened(fake, "tei")
        assert (await provider.embed(["a", "b"], kind="query")).tokens == tokens


async def test_the_calls_left_to_a_trial_key_of_cohere_are_read() -> None:
    body = {"embeddings": {"float": NUMBERS}}
    said = answer(body, x_trial_endpoint_call_limit="20", x_trial_endpoint_call_remaining="19")
    provider = await opened(Fake([said]), "cohere:new")
    quota = (await provider.embed(["a", "b"], kind="query")).quota
    assert quota is not None
    assert (quota.limit_requests, quota.remaining_requests, quota.reset_requests) == (20, 19, None)


async def test_the_quota_is_read() -> None:
    fake = Fake([answer(listed(NUMBERS, None), x_ratelimit_remaining_requests="59")])
    quota = (await (await opened(fake, "openai:m", base_url=HERE)).embed(["a", "b"], kind="query")).quota
    assert quota is not None
    assert quota.remaining_requests == 59


@pytest.mark.parametrize("name", ["openai:m", "ollama:m", "cohere:new", "google:new", "tei"])
@pytest.mark.parametrize(
    "body",
    [
        b"<html>502 Bad Gateway</html>",
        {},
        [],
        {"data": []},
        {"embeddings": []},
        {"embeddings": {}},
        {"embeddings": {"float": [[0.5, -1.0]]}},
        {"embeddings": [[0.5, -1.0], []]},
        {"embeddings": [[0.5, -1.0], [None, None]]},
        {"embeddings": [{"values": [0.5]}, {}]},
        [[0.5, -1.0], [0.5]],
        [[[0.5, -1.0]], [[0.5, -1.0]]],
        [0.5, -1.0],
    ],
)
async def test_a_reply_of_another_kind_is_rejected(name: str, body: Any) -> None:
    provider = await opened(Fake([answer(body, x_request_id="req-9")]), name, base_url=HERE)
    with pytest.raises(ReplyError) as caught:
        await provider.embed(["a", "b"], kind="document")
    assert caught.value.provider == name.partition(":")[0]
    assert caught.value.request_id == "req-9"
