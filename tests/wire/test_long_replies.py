"""Long replies are decoded while they arrive, into the rows of the call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aembed._errors import ReplyError
from aembed.providers.openai import OPENAI
from tests.wire.fake import Fake, answer
from tests.wire.local_provider import encoded, local, vectors


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
