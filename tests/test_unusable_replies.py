"""Replies in the form of the API whose vectors cannot be used: one bad text among others, and no outage."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from aembed import Config, EmbedderFactory, ReplyError, RetryPolicy
from aembed._gate.backoff import OUTAGE_FAILURES
from aembed.http import HostedModel, HttpApi, ReplyFormat
from aembed.testing import LoopbackServer
from aembed.testing.faults import Rewrite
from tests.provider_requests import opened
from tests.wire.fake import Fake, answer

HERE = "http://localhost:9000"
ROW = [0.6, 0.8]
QUICK = RetryPolicy(initial_delay=1e-3, max_delay=1e-3)


def reply(name: str, rows: list[Any]) -> Any:
    """The API's reply with these vectors."""
    kind = name.partition(":")[0]
    if kind == "tei":
        return rows
    if kind == "google":
        return {"embeddings": [{"values": row} for row in rows]}
    if kind == "cohere":
        return {"embeddings": {"float": rows}}
    if kind == "ollama":
        return {"embeddings": rows}
    return {"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]}


@pytest.mark.parametrize("name", ["openai:m", "cohere:new", "google:new", "jina:new", "ollama:m", "tei"])
@pytest.mark.parametrize("rows", [[ROW, None], [None, ROW], [None, None, ROW], [None], [None, None], [[None, None]]])
async def test_a_null_in_the_place_of_a_vector_is_no_other_api(name: str, rows: list[Any]) -> None:
    """The second such reply would otherwise end all calls, and tell the user to check base_url."""
    provider = await opened(Fake([answer(reply(name, rows))]), name, base_url=HERE)
    for _ in range(3):
        with pytest.raises(ReplyError, match=r"one vector per text|not a number") as caught:
            await provider.embed(["text"] * len(rows), kind="document")
        error = caught.value
        assert (error.retryable, error.fatal, error.server_works) == (True, False, True)


class Rows(msgspec.Struct):
    rows: list[list[float]]


class Item(msgspec.Struct):
    vector: list[float]


class Items(msgspec.Struct):
    items: list[Item]


class Encoded(msgspec.Struct):
    vector: str


class EncodedItems(msgspec.Struct):
    items: list[Encoded]


ROWS = ReplyFormat(Rows, lambda reply: (range(len(reply.rows)), reply.rows))
ITEMS: list[ReplyFormat[Any]] = [
    ReplyFormat(kind, lambda reply: (range(len(reply.items)), [item.vector for item in reply.items]), base64_key=key)
    for kind, key in [(Items, None), (EncodedItems, "vector")]
]


def items(rows: list[Any]) -> dict[str, Any]:
    return {"items": [{"vector": row} for row in rows]}


def base64_items(rows: list[Any]) -> dict[str, Any]:
    return items([row and b64encode(np.array(row, "<f4").tobytes()).decode() for row in rows])


@pytest.mark.parametrize(
    ("reply_format", "body"),
    [(ROWS, lambda rows: {"rows": rows}), (ITEMS[0], items), (ITEMS[1], base64_items)],
    ids=["rows", "items", "base64"],
)
@pytest.mark.parametrize("rows", [[ROW, None], [None, ROW], [None], [None, None], [ROW * 9999, None, ROW * 9999]])
async def test_a_format_that_expects_every_vector_may_be_answered_without_one(
    reply_format: ReplyFormat[Any], body: Callable[[list[Any]], Any], rows: list[Any]
) -> None:
    """The format is a third party's, written as in the docs. The largest reply is decoded as it arrives."""
    api = HttpApi(
        about="rows",
        base_url=HERE,
        path="/embed",
        request=lambda texts, _: {"texts": texts},
        reply=reply_format,
        models={"m": HostedModel(dim=len(rows[0] or ROW))},
    )
    provider = await api(Fake([answer(body(rows))], piece=10_000).source("rows:m", base_url=HERE))
    for _ in range(3):
        with pytest.raises(ReplyError, match=r"one vector per text") as caught:
            await provider.embed(["text"] * len(rows), kind="document")
        error = caught.value
        assert (error.retryable, error.fatal, error.server_works) == (True, False, True)


@pytest.mark.parametrize("body", [{"rows": None}, {"error": None}, {"rows": [{"a": 1}]}, {"rows": ["a"]}, []], ids=str)
async def test_other_json_is_another_api(body: Any) -> None:
    api = HttpApi(about="rows", base_url=HERE, path="/embed", request=lambda texts, _: {"texts": texts}, reply=ROWS)
    provider = await api(Fake([answer(body)]).source("rows:m", base_url=HERE))
    with pytest.raises(ReplyError, match="check base_url"):
        await provider.embed(["one", "two"], kind="document")


def fewer(body: Any) -> Any:
    return {**body, "data": body["data"][1:]}


def zeros(body: Any) -> Any:
    return {**body, "data": [{**item, "embedding": [0.0] * 8} for item in body["data"]]}


@pytest.mark.parametrize(("change", "says"), [(fewer, "1 vectors for 2 texts"), (zeros, "a vector of zeros")])
async def test_wrong_vectors_are_no_outage(change: Any, says: str) -> None:
    """Later calls get the error itself, and other models of the account are not held back."""
    with LoopbackServer(dim=8, faults=lambda _: Rewrite(change)) as server:
        async with EmbedderFactory(Config(retry=QUICK)) as factory:
            embedder = await factory.new_embedder("openai:m", base_url=server.base_url, api_key="any")
            for _ in range(OUTAGE_FAILURES):
                with pytest.raises(ReplyError, match=says):
                    await embedder.embed_documents(["one", "two"])
                assert embedder.is_available
