"""Common parts of HTTP providers: they learn which fields an endpoint takes, and keep those that the user asks for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from aembed._errors import (
    BadRequestError,
    ClosedError,
    ConfigError,
    ModelNotFoundError,
    OverloadedError,
    ReplyError,
    TextTooLongError,
)
from aembed.providers import google, tei
from aembed.providers.openai import OPENAI
from tests.wire.fake import Fake, answer
from tests.wire.local_provider import ONE, URL, encoded, local, vectors


async def test_a_server_without_a_version_in_its_path() -> None:
    """vLLM's base_url without its ``/v1``; Infinity's has none."""
    nothing = answer({"detail": "Not Found"}, 404)
    fake = Fake([nothing, answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(fake.source("openai:m", key=None, base_url="http://localhost:8000"))
    for _ in range(2):
        await provider.embed(["a"], kind="document")
    root = "http://localhost:8000"
    assert fake.urls == [f"{root}/embeddings", f"{root}/v1/embeddings", f"{root}/v1/embeddings"]


async def test_a_path_that_is_not_found_is_named() -> None:
    nothing = answer({"detail": "Not Found"}, 404)
    for base_url, path in (("http://localhost:8000", "/v1/embeddings"), ("http://h/a/v2", "/a/v2/embeddings")):
        provider = await OPENAI(Fake([nothing]).source("openai:m", key=None, base_url=base_url))
        with pytest.raises(ModelNotFoundError, match=f"POST {path}: Not Found; check base_url, and the model's name"):
            await provider.embed(["a"], kind="document")


async def test_a_model_that_is_not_found_is_asked_for_once() -> None:
    fake = Fake([answer({"error": {"message": "The model `m` does not exist"}}, 404)])
    provider = await OPENAI(fake.source("openai:m", key=None, base_url="http://localhost:8000"))
    with pytest.raises(ModelNotFoundError, match="POST /embeddings: The model `m` does not exist"):
        await provider.embed(["a"], kind="document")
    assert len(fake.urls) == 1


async def test_a_reply_may_repeat_the_texts() -> None:
    fake = Fake([answer(vectors(encoded(1, 2)))])
    provider = await OPENAI(local(fake, dimensions=2))
    text = "é" * 10**6
    await provider.embed([text], kind="document")
    assert fake.max_bytes[0] > 6 * len(text)  # all of it escaped as JSON


@pytest.mark.parametrize(
    ("name", "settings", "width"),
    [
        ("openai:m", {"base_url": URL}, 8192),  # nothing is known
        ("openai:text-embedding-3-small", {}, 1536),
        ("openai:text-embedding-3-small", {"dimensions": 256}, 8192),  # the server may not do as it is asked
    ],
)
async def test_an_answer_may_be_as_long_as_its_vectors_can_be(name: str, settings: dict[str, Any], width: int) -> None:
    fake = Fake([answer({}, 500)])
    provider = await OPENAI(fake.source(name, **settings))
    with pytest.raises(OverloadedError):
        await provider.embed(["a", "b"], kind="document")
    texts_again = 4 * len(json.dumps(fake.asked[0], separators=(",", ":")))
    assert fake.max_bytes == [2 * width * 32 + 2**20 + texts_again]


async def test_the_users_headers_are_sent_and_kept_secret() -> None:
    fake = Fake([answer({"error": {"message": "no such tenant: a-tenants-token"}}, 403)])
    provider = await OPENAI(local(fake, headers={"X-Tenant": "a-tenants-token"}))
    with pytest.raises(Exception, match="no such tenant") as caught:
        await provider.embed(["a"], kind="document")
    assert fake.headers[0]["X-Tenant"] == "a-tenants-token"
    assert "a-tenants-token" not in str(caught.value)
    assert "a-tenants-token" not in repr(vars(provider)["_credentials"].headers)


async def test_the_key_is_in_no_repr() -> None:
    source = Fake([]).source("openai", key="sk-made-up-0123456789")
    provider = await OPENAI(source)
    for thing in (source, provider, vars(provider)["_api"], vars(provider)["_credentials"].headers):
        assert "0123456789" not in repr(thing)


@pytest.mark.parametrize("headers", [{"X": "a\nb"}, {"X\r": "a"}, {"X Y": "a"}, {"": "a"}, {"Ü": "a"}])
async def test_headers_that_no_request_can_have(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="headers"):
        await OPENAI(local(Fake([]), headers=headers))


async def test_closed() -> None:
    fake = Fake([answer(vectors(encoded(1, 2)))])
    provider = await OPENAI(local(fake))
    await provider.aclose()
    with pytest.raises(ClosedError):
        await provider.embed(["a"], kind="document")
    assert fake.asked == []


HTML = answer(b"<html>", content_type="text/html")


async def test_a_second_answer_that_is_none_ends_all() -> None:
    fake = Fake([HTML])
    provider = await OPENAI(local(fake))
    told = []
    for _ in range(3):
        with pytest.raises(ReplyError, match=r"^POST /v1/embeddings was answered with text/html") as caught:
            await provider.embed(["a"], kind="document")
        told.append((caught.value.retryable, caught.value.fatal))
    assert told == [(True, False), (False, True), (False, True)]


async def test_answers_that_are_none_end_nothing_where_others_came() -> None:
    fake = Fake([answer(vectors([1.0, 2.0])), answer(b"<html>")])
    provider = await OPENAI(local(fake))
    await provider.embed(["a"], kind="document")
    for _ in range(3):
        with pytest.raises(ReplyError, match="was answered with no content type") as caught:
            await provider.embed(["a"], kind="document")
        assert (caught.value.retryable, caught.value.fatal) == (True, False)


async def test_another_model_is_no_reply_where_it_is_strict() -> None:
    provider = await OPENAI(
        local(Fake([answer(vectors([1.0, 2.0], model="n" * 101), x_request_id="r-1")]), strict=True)
    )
    with pytest.raises(ReplyError) as caught:
        await provider.embed(["a"], kind="document")
    assert str(caught.value) == (
        f"openai answered with the model {'n' * 100!r} instead of 'm' [provider openai, status 200, request id r-1]"
    )
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("req_1.a:b=c+/-2", "req_1.a:b=c+/-2"),
        ("i" * 100, "i" * 100),
        ("i" * 101, "i" * 100),
        ("atext", "[...]"),
        ("it-is-SK-MADE-UP-0123456789", "it-is-[...]"),
        ("made-up-0123", "[...]"),
        ("é", "é"),
    ],
)
async def test_the_name_of_a_good_answer(given: str, shown: str) -> None:
    fake = Fake([answer(vectors([1.0, 2.0]), x_request_id=given)])
    provider = await OPENAI(fake.source("openai:m", base_url=URL))
    assert (await provider.embed(["atext"], kind="document")).request_id == shown


@pytest.mark.parametrize(
    ("value", "tokens"),
    [("7", 7), ("0", 0), ("9" * 15, 999_999_999_999_999), ("1" + "0" * 18, None), ("-1", None), ("7.5", None)],
)
async def test_tokens_reported_by_a_header(value: str, tokens: int | None) -> None:
    fake = Fake([answer([[1.0, 2.0]], x_compute_tokens=value)])
    provider = await tei.TEI(fake.source("tei"))
    assert (await provider.embed(["a"], kind="document")).tokens == tokens


@pytest.mark.parametrize(("texts", "tokens", "is_cut"), [(1, 2047, False), (1, 2048, True), (2, 5000, False)])
async def test_a_text_that_counts_as_many_tokens_as_the_model_takes_was_cut(
    texts: int, tokens: int, is_cut: bool
) -> None:
    rows = [{"values": [1.0] * 3072}] * texts
    usage = {"promptTokenCount": tokens}
    fake = Fake([answer({"embeddings": rows, "usageMetadata": usage}, x_request_id="r-1")])
    provider = await google.GOOGLE(fake.source("google"))
    if not is_cut:
        assert (await provider.embed(["a"] * texts, kind="document")).tokens == tokens
        return
    with pytest.raises(TextTooLongError, match=r"^the server counted 2048 tokens, the model's limit") as caught:
        await provider.embed(["a"] * texts, kind="document")
    error = caught.value
    assert (error.index, error.status, error.request_id, error.maybe_billed) == (0, 200, "r-1", True)


@pytest.mark.parametrize(("status", "is_good"), [(200, True), (299, True), (300, False), (304, False), (400, False)])
async def test_an_answer_is_good_up_to_299(status: int, is_good: bool) -> None:
    provider = await OPENAI(local(Fake([answer(vectors([1.0, 2.0]), status)])))
    if is_good:
        np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    else:
        with pytest.raises(BadRequestError, match=f"HTTP {status} with"):
            await provider.embed(["a"], kind="document")
