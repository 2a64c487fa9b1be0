"""A server's words outside of the body of a rejection repeat no key and no text, and control no terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from aembed import AembedError, Config, EmbedderFactory, Event, RetryPolicy
from aembed.testing import LoopbackServer
from aembed.testing.faults import Answer, Fault, Redirect, Stage, Status, Step
from tests.faults.case import DIM, always
from tests.faults.privacy import KEY, TEXTS, assert_private

SAID = {
    "a key": KEY,
    "a key in capitals": KEY.upper(),
    "a piece of a key": KEY[:16],
    "a text": TEXTS[0],
    "a text in capitals": TEXTS[0].upper(),
    "escapes": "\x1b[31mred\x1b]0;title\x07",
    "c1": "\x9b2J\x85next",
    "bidi": "\u202eidib\u2066",
    "a command": "::set-output name=a::b",
    "another command": "##[add-path]/tmp",
    "much": "x" * 190,
}


def no_vectors(**headers: str) -> Status:
    return Status(200, {"data": []}, headers)


@dataclass(frozen=True)
class OfAnother:
    """The model is named in raw bytes, and not escaped as JSON wants it."""

    model: str
    at: Stage = "body"

    def play(self, good: Answer) -> Iterator[Step]:
        body = re.sub(rb'"model":"m"', b'"model":"%b"' % self.model.encode(), good.body)
        answer = replace(good, body=body)
        yield answer.head() + body


def as_header(said: str) -> str:
    """Bytes of UTF-8, as headers hold them."""
    return said.encode().decode("latin-1")


def places(said: str) -> dict[str, Fault]:
    header = as_header(said)
    return {
        "request id of a rejection": Status(400, {"error": {"message": "no"}}, {"x-request-id": header}),
        "request id of an outage": Status(500, {}, {"x-request-id": header}),
        "request id of a reply": no_vectors(**{"x-request-id": header}),
        "code of a rejection": Status(400, {"error": {"message": "no", "code": said, "type": said}}),
        "field of a rejection": Status(422, {"detail": [{"loc": ["body", said], "msg": said, "type": said}]}),
        "encoding": Status(200, b"", {"content-encoding": header}),
        "content type": Status(200, b"<html>", {"content-type": header}),
        "host of a redirect": Redirect(f"http://{header}.example/"),
        "model": OfAnother(f"another {said}"),
    }


PLACES = list(places(""))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
async def test_quoted_server_messages_are_safe_to_print(place: str, said: str) -> None:
    events: list[Event] = []
    error: AembedError | None = None
    options: dict[str, Any] = {"strict": place == "model", "on_event": events.append}
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=always(places(said)[place])) as server:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(
                "openai:m", base_url=server.base_url, api_key=KEY, retry=RetryPolicy(max_attempts=1), **options
            )
            with pytest.raises(AembedError) as caught:
                await embedder.embed_documents(TEXTS[:1])  # one: a probe has another text, which is all it redacts
            error = caught.value
    assert_private(error, embedder, *events)
    shown = f"{error} {getattr(error, 'request_id', '')} {events}"
    for private in (KEY[:16], TEXTS[0][:20]):
        assert private.casefold() not in shown.casefold()
    assert str(error).isprintable()
    assert len(str(error)) < 800
    assert re.search(r"(?<!\S)::(?=\S)|##\[", shown) is None


async def test_another_model_in_an_event() -> None:
    events: list[Event] = []
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=always(OfAnother(f"another {KEY} \u202e"))) as server:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(
                "openai:m", base_url=server.base_url, api_key=KEY, on_event=events.append
            )
            await embedder.embed_documents(TEXTS)
    assert_private(None, *events)
    assert repr(events).isprintable()
    assert any("another [...] ?" in repr(event) for event in events)
