"""Fields that an endpoint rejects are not sent again; fields that the user asks for are kept."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from aembed._errors import BadRequestError, ReplyError, TextTooLongError
from aembed.providers.openai import OPENAI
from tests.wire.fake import Fake, answer
from tests.wire.local_provider import ONE, URL, encoded, local, vectors

FIELDS = {"encoding_format": None, "dimensions": None}.keys()


async def test_numbers_are_not_asked_for_otherwise_again() -> None:
    fake = Fake([answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake))
    for _ in range(2):
        np.testing.assert_array_equal((await provider.embed(["a"], kind="document")).vectors, ONE)
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", None]


@pytest.mark.parametrize(
    "rejection",
    [
        answer({"error": {"message": "encoding_format is not supported"}}, 400),
        answer({"error": {"message": "unsupported value", "param": "encoding_format"}}, 400),
        answer({"detail": [{"loc": ["body", "encoding_format"], "msg": "Extra inputs are not permitted"}]}, 422),
    ],
)
async def test_an_endpoint_without_base64(rejection: Any) -> None:
    fake = Fake([rejection, answer(vectors([1.0, 2.0]))])
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
