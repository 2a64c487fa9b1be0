"""Replies in the form of the API whose vectors cannot be used: one bad text among others, and no outage."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import Config, EmbedderFactory, ReplyError, RetryPolicy
from aembed._gate.backoff import OUTAGE_FAILURES
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
