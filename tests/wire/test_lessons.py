"""Lessons that several requests of one provider draw from what a server says: at once, again, and no more than once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio.lowlevel
import numpy as np
import pytest
from pydantic import SecretStr

from aembed._errors import (
    AuthenticationError,
    BatchTooLargeError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    ReplyError,
)
from aembed._wire.api_errors import ErrorDialect, api_error
from aembed._wire.error_body import ErrorBody
from aembed._wire.transport import BodySink, Response
from aembed.providers.openai import OPENAI
from tests.wire.fake import Fake, answer
from tests.wire.local_provider import ONE, URL, encoded, local, vectors
from tests.wire.test_credentials import FIRST, SECOND, THIRD, Keys

NOTHING = answer({"detail": "Not Found"}, 404)


class Together(Fake):
    """Answers once so many requests are there."""

    first: int = 2

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        response = await super().post(url, body, headers, max_bytes=max_bytes, sink=sink)
        self.first -= 1
        while self.first > 0:
            await anyio.lowlevel.checkpoint()
        return response


async def test_of_two_requests_that_are_rejected_together_both_are_sent_again() -> None:
    """The second finds the field left out already."""
    no = answer({"error": {"message": "encoding_format is not supported"}}, 400)
    fake = Together([no, no, answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(local(fake))
    replies = await asyncio.gather(*(provider.embed(["a"], kind="document") for _ in range(2)))
    assert all((reply.vectors == ONE).all() for reply in replies)
    assert [body.get("encoding_format") for body in fake.asked] == ["base64", "base64", None, None]


async def test_of_two_requests_to_a_path_that_is_not_there_both_find_the_other() -> None:
    fake = Together([NOTHING, NOTHING, answer(vectors([1.0, 2.0]))])
    provider = await OPENAI(fake.source("openai:m", key=None, base_url="http://localhost:8000"))
    await asyncio.gather(*(provider.embed(["a"], kind="document") for _ in range(2)))
    paths = [url.removeprefix("http://localhost:8000") for url in fake.urls]
    assert paths == ["/embeddings"] * 2 + ["/v1/embeddings"] * 2


async def test_a_path_that_has_served_is_not_doubted() -> None:
    fake = Fake([answer(vectors([1.0, 2.0])), NOTHING])
    provider = await OPENAI(fake.source("openai:m", key=None, base_url="http://localhost:8000"))
    await provider.embed(["a"], kind="document")
    with pytest.raises(ModelNotFoundError, match="POST /embeddings: Not Found"):
        await provider.embed(["a"], kind="document")
    assert fake.urls == ["http://localhost:8000/embeddings"] * 2


async def test_a_reply_with_too_few_vectors_says_nothing_of_base64() -> None:
    fake = Fake([answer(vectors(encoded(1, 2))), answer(vectors(encoded(1, 2), encoded(3, 4)))])
    provider = await OPENAI(local(fake, dimensions=2))
    with pytest.raises(ReplyError, match="1 vectors for 2 texts") as caught:
        await provider.embed(["a", "b"], kind="document")
    assert caught.value.server_works, "it has answered"
    await provider.embed(["a", "b"], kind="document")
    assert [body["encoding_format"] for body in fake.asked] == ["base64"] * 2


async def test_rows_of_a_known_dimension_are_filled_where_they_are_given() -> None:
    provider: Any = await OPENAI(local(Fake([answer(vectors(encoded(1, 2)))]), dimensions=2))
    rows = np.zeros((1, 2), np.float32)
    assert (await provider.embed_into(rows, ["a"], kind="document")).vectors is rows
    np.testing.assert_array_equal(rows, ONE)
    np.testing.assert_array_equal((await provider.embed_into(None, ["a"], kind="document")).vectors, ONE)


NO_KEY = answer({"error": {"message": "wrong key"}}, 401)


@pytest.mark.parametrize(
    ("answers", "keys", "sent", "is_served"),
    [
        ([NO_KEY, answer(vectors([1.0, 2.0]))], [FIRST, SECOND], [FIRST, SECOND], True),
        ([NO_KEY], [FIRST, SECOND, THIRD], [FIRST, SECOND], False),
        ([NO_KEY], [FIRST], [FIRST], False),
        ([answer({}, 503)], [FIRST, SECOND], [FIRST], False),
    ],
)
async def test_a_rejected_key_is_renewed_once_for_a_request(
    answers: list[Response], keys: list[SecretStr], sent: list[SecretStr], is_served: bool
) -> None:
    """A 401 alone says that the key is wrong, and a second one that another would be wrong too."""
    fake = Fake(list(answers))
    provider = await OPENAI(replace(fake.source("openai:m", base_url=URL), api_key=FIRST, keys=Keys(*keys)))
    if is_served:
        await provider.embed(["a"], kind="document")
    else:
        with pytest.raises(AuthenticationError if answers == [NO_KEY] else OverloadedError):
            await provider.embed(["a"], kind="document")
    assert [headers["Authorization"] for headers in fake.headers] == [
        f"Bearer {key.get_secret_value()}" for key in sent
    ]


def error_of(body: ErrorBody, dialect: ErrorDialect, status: int = 400, path: str = "") -> ProviderError:
    return api_error(answer({}, status), body, dialect, provider="p", texts=["a", "b"], path=path)


@pytest.mark.parametrize(
    ("status", "path", "says"),
    [
        (400, "/embed", "p rejected: no"),
        (404, "/embed", "p rejected POST /embed: no; check base_url, and the model's name"),
        (405, "/embed", "p rejected POST /embed: no"),
        (404, "", "p rejected: no; check base_url, and the model's name"),
        (500, "/embed", "p rejected: no"),
    ],
)
def test_the_path_is_named_where_it_may_be_wrong(status: int, path: str, says: str) -> None:
    error = error_of(ErrorBody(message="no"), ErrorDialect(parse=lambda _: ErrorBody()), status, path)
    assert str(error).partition(" [")[0] == says


def test_words_about_a_batch_count_only_if_the_fields_hold_texts() -> None:
    """Then the patterns that follow decide."""
    patterns = ((r"batch size", BatchTooLargeError), (r"busy", OverloadedError))
    dialect = ErrorDialect(parse=lambda _: ErrorBody(), patterns=patterns)
    for fields, kind in (((), BatchTooLargeError), (("input",), BatchTooLargeError), (("task",), OverloadedError)):
        assert type(error_of(ErrorBody(message="busy; batch size", fields=fields), dialect)) is kind


@pytest.mark.parametrize("length", [60, 119, 200])
async def test_a_media_type_is_quoted_in_120_characters(length: int) -> None:
    provider = await OPENAI(local(Fake([answer(b"<html>", content_type="t" * length)])))
    with pytest.raises(ReplyError) as caught:
        await provider.embed(["a"], kind="document")
    quoted = f"{'t' * length}, not the JSON of this API"[:120]
    assert f"was answered with {quoted}; check base_url" in str(caught.value)
