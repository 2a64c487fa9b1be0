"""Common parts of HTTP providers: they learn which fields an endpoint takes, and keep those that the user asks for."""

from __future__ import annotations

import base64
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
from aembed._types import Source
from aembed.providers import google, tei
from aembed.providers.openai import OPENAI
from tests.wire.fake import Fake, answer

URL = "http://localhost:8000/v1"
FIELDS = {"encoding_format": None, "dimensions": None}.keys()
ONE = np.array([[1.0, 2.0]], np.float32)


def vectors(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)], **more}


def encoded(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def local(fake: Fake, **settings: Any) -> Source:
    return fake.source("openai:m", key=None, base_url=URL, **settings)


async def test_numbers_are_not_asked_for_otherwise_again() -> None:
    fake = Fake([answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake))
    for _ in range(2):
        np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", None]


@pytest.mark.parametrize(
    "refusal",
    [
        answer({"error": {"message": "encoding_format is not supported"}}, 400),
        answer({"error": {"message": "unsupported value", "param": "encoding_format"}}, 400),
        answer({"detail": [{"loc": ["body", "encoding_format"], "msg": "Extra inputs are not permitted"}]}, 422),
    ],
)
async def test_an_endpoint_without_base64(refusal: Any) -> None:
    fake = Fake([refusal, answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake))
    for _ in range(2):
        await provider.embed(["a"], kind="document")
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", None, None]


async def test_base64_that_is_of_no_use_is_not_asked_for_again() -> None:
    doubles = base64.b64encode(np.array([1.0, 2.0], "<f8").tobytes()).decode()
    fake = Fake([answer(vectors(doubles), x_request_id="req-1"), answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake, dimensions=2))
    with pytest.raises(ReplyError, match="dimension 4 where 2") as caught:
        await provider.embed(["a"], kind="document")
    assert (caught.value.provider, caught.value.status, caught.value.request_id) == ("openai", 200, "req-1")
    np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", None]


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


async def test_one_damaged_reply_changes_nothing() -> None:
    fake = Fake(
        [answer(vectors(encoded(1, 2))), answer(vectors("AAA")), answer(b"<html>"), answer(vectors(encoded(1, 2)))]
    )
    provider = await OPENAI(local(fake))
    await provider.embed(["a"], kind="document")
    for _ in range(2):
        with pytest.raises(ReplyError):
            await provider.embed(["a"], kind="document")
    await provider.embed(["a"], kind="document")
    assert [body["encoding_format"] for body in fake.asked] == ["base64"] * 4


@pytest.mark.parametrize("complaint", ["dimensions is currently not supported", "does not support matryoshka"])
async def test_an_endpoint_whose_own_dimension_is_the_wanted_one(complaint: str) -> None:
    fake = Fake([answer({"message": complaint}, 400), answer(vectors(encoded(1, 2)))])
    provider = await OPENAI(local(fake, dimensions=2))
    for _ in range(2):
        np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    assert [body.get("dimensions") for body in fake.asked] == [2, None, None]


async def test_an_endpoint_whose_own_dimension_is_another() -> None:
    fake = Fake([answer({"message": "dimensions is not supported"}, 400), answer(vectors(encoded(1, 2, 3)))])
    provider = await OPENAI(local(fake, dimensions=2))
    with pytest.raises(BadRequestError, match="gives 3, not 2; leave dimensions out") as caught:
        await provider.embed(["a"], kind="document")
    assert not caught.value.retryable


@pytest.mark.parametrize("row", [[1.0, 2.0, 3.0], encoded(1, 2, 3)])
async def test_an_endpoint_that_ignores_dimensions(row: Any) -> None:
    fake = Fake([answer(vectors(row))])
    provider = await OPENAI(local(fake, dimensions=2))
    with pytest.raises(BadRequestError, match="gives 3, not 2; leave dimensions out"):
        await provider.embed(["a"], kind="document")


async def test_an_endpoint_that_once_gave_the_dimension_does_not_ignore_it() -> None:
    fake = Fake([answer(vectors([1.0, 2.0])), answer(vectors([1.0])), answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake, dimensions=2))
    await provider.embed(["a"], kind="document")
    with pytest.raises(ReplyError):
        await provider.embed(["a"], kind="document")
    await provider.embed(["a"], kind="document")


@pytest.mark.parametrize("key", ["sk-encoding_format-and-dimensions", "sk-my-dimensions-0"])
async def test_a_key_like_a_field_does_not_hide_a_complaint_about_it(key: str) -> None:
    complaints = [answer({"error": {"message": f"{field} is not supported"}}, 400) for field in FIELDS]
    fake = Fake([*complaints, answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(fake.source("openai:m", key=key, base_url=URL, dimensions=2))
    await provider.embed(["a"], kind="document")
    assert [FIELDS & set(body) for body in fake.asked] == [FIELDS, FIELDS - {"encoding_format"}, set()]


async def test_a_field_that_is_repeated_is_no_complaint() -> None:
    fake = Fake([answer({"error": {"message": "sk-dimensions-0 is unknown"}}, 400)])
    provider = await OPENAI(fake.source("openai:m", key="sk-dimensions-0", base_url=URL, dimensions=2))
    with pytest.raises(BadRequestError):
        await provider.embed(["a"], kind="document")
    assert len(fake.asked) == 1


async def test_a_text_about_dimensions_is_no_complaint() -> None:
    text = "what are the dimensions and the base64 encoding_format of a football field?"
    too_long = answer({"error": {"message": f"maximum context length is 8 tokens: {text}"}}, 400)
    bad = answer({"error": {"message": f"input {text!r} is refused"}}, 400)
    fake = Fake([too_long, bad, answer(vectors(encoded(1, 2)))])
    provider = await OPENAI(local(fake, dimensions=2))
    with pytest.raises(TextTooLongError):
        await provider.embed([text], kind="document")
    with pytest.raises(BadRequestError):
        await provider.embed([text], kind="document")
    await provider.embed([text], kind="document")
    assert [(body["dimensions"], body["encoding_format"]) for body in fake.asked] == [(2, "base64")] * 3


async def test_rows_are_filled_where_they_are_given() -> None:
    fake = Fake([answer(vectors(encoded(1, 2), encoded(3, 4)))])
    provider: Any = await OPENAI(local(fake))
    rows = np.zeros((2, 2), np.float32)
    reply = await provider.embed_into(rows, ["a", "b"], kind="document")
    assert reply.vectors is rows
    np.testing.assert_array_equal(rows, [[1, 2], [3, 4]])


async def test_large_replies_are_decoded_too() -> None:
    values = np.arange(64 * 6000, dtype=np.float32).reshape(64, 6000)
    fake = Fake([answer(vectors(*(encoded(*row) for row in values)))])
    provider = await OPENAI(local(fake))
    assert len(fake.answers[0].body) > 2**20
    np.testing.assert_array_equal((await provider.embed(["t"] * 64, kind="document")).vectors, values)


@pytest.mark.parametrize("base64", [True, False])
async def test_long_replies_are_decoded_while_they_come_in(base64: bool) -> None:
    """But the first, which shows what this endpoint is like."""
    rows = np.random.default_rng(0).standard_normal((200, 1024)).astype(np.float32)
    long = answer(vectors(*(encoded(*row) if base64 else row.tolist() for row in rows), usage={"total_tokens": 9}))
    fake = Fake([long], piece=100_000)
    provider = await OPENAI(local(fake, dimensions=1024))
    for _ in range(2):
        reply = await provider.embed(["a"] * 200, kind="document")
        np.testing.assert_array_equal(reply.vectors, rows)
        assert reply.tokens == 9
    assert fake.taken == [0, len(long.body) // 100_000]


@pytest.mark.parametrize("place", ["first", "last"])
async def test_the_model_is_found_in_a_long_reply_that_came_in_pieces(place: str) -> None:
    body = vectors(*[encoded(*[1.0] * 1024)] * 200)
    named = {"model": "m"}, {"model": "another"}
    right, wrong = ({**name, **body} if place == "first" else {**body, **name} for name in named)
    fake = Fake([answer(right), answer(wrong)], piece=100_000)
    provider = await OPENAI(local(fake, dimensions=1024, strict=True))
    await provider.embed(["a"] * 200, kind="document")
    with pytest.raises(ReplyError, match="'another' instead of 'm'"):
        await provider.embed(["a"] * 200, kind="document")
    assert fake.taken[1] > 0


async def test_another_model_is_named_in_each_of_its_replies() -> None:
    right, wrong = answer(vectors(encoded(1, 2), model="m")), answer(vectors(encoded(1, 2), model="another"))
    provider = await OPENAI(local(Fake([right, wrong, wrong, right, wrong])))
    named = [(await provider.embed(["a"], kind="query")).other_model for _ in range(5)]
    assert named == [None, "another", "another", None, "another"]


async def test_a_fault_in_a_long_reply_says_where_it_is() -> None:
    rows = [encoded(*[1.0] * 1024)] * 200
    bad = answer(vectors(*rows[:7], encoded(1.0), *rows[8:]), x_request_id="req-1")
    fake = Fake([answer(vectors(*rows)), bad], piece=100_000)
    provider = await OPENAI(local(fake, dimensions=1024))
    await provider.embed(["a"] * 200, kind="document")
    with pytest.raises(ReplyError, match="dimension 1 where 1024") as caught:
        await provider.embed(["a"] * 200, kind="document")
    assert (caught.value.index, caught.value.request_id) == (7, "req-1")
    assert (fake.taken[1], fake.asked[1]["encoding_format"]) == (len(bad.body) // 100_000, "base64")


async def test_rows_of_another_length_are_not_filled_while_they_come_in() -> None:
    """The endpoint has stopped taking ``dimensions``, so the reply is decoded when it is complete."""
    long = answer(vectors(*[encoded(*[1.0] * 1024)] * 200))
    fake = Fake([long, answer({"error": {"message": "dimensions: no"}}, 400), long], piece=100_000)
    provider = await OPENAI(local(fake, dimensions=1024))
    for _ in range(2):
        await provider.embed(["a"] * 200, kind="document")
    assert fake.taken == [0, 0, 0]


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


@pytest.mark.parametrize(("dim", "is_sunk"), [(2**16 // 4, False), (2**16 // 4 + 1, True)])
@pytest.mark.parametrize("base64", [True, False])
async def test_an_answer_of_more_than_a_mebibyte_is_decoded_while_it_comes_in(
    dim: int, is_sunk: bool, base64: bool
) -> None:
    """By what its numbers usually take: 16 bytes for three of them as base64, 20 bytes for one."""
    texts = 12 if base64 else 64 // 20
    dim = dim if base64 else 2**20 // 60 + is_sunk
    row = encoded(*[1.0] * dim) if base64 else [1.0] * dim
    fake = Fake([answer(vectors(*[row] * texts))], piece=1000)
    provider = await OPENAI(local(fake, dimensions=dim))
    for _ in range(2):
        await provider.embed(["a"] * texts, kind="document")
    assert (fake.taken[1] > 0) is is_sunk


@pytest.mark.parametrize(("status", "is_good"), [(200, True), (299, True), (300, False), (304, False), (400, False)])
async def test_an_answer_is_good_up_to_299(status: int, is_good: bool) -> None:
    provider = await OPENAI(local(Fake([answer(vectors([1.0, 2.0]), status)])))
    if is_good:
        np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    else:
        with pytest.raises(BadRequestError, match=f"HTTP {status} with"):
            await provider.embed(["a"], kind="document")
