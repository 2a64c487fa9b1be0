"""Cases 66 to 68: what stays secret."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import re
import traceback
from typing import Any

import pytest
from pydantic import SecretStr

from aembed import Config, ConfigError, EmbedderFactory, Event, HttpSettings, Profile, ReplyError
from aembed.testing import LoopbackServer
from aembed.testing.faults import Reset, Status
from tests.faults.case import AT_ONCE, DIM, always, attempt, embedding, messages
from tests.faults.privacy import KEY, TEXTS, assert_private

ECHO = {"error": {"message": f"no {KEY} and no {TEXTS[0]}", "code": KEY, "param": TEXTS[0]}}


@pytest.mark.parametrize(
    "fault", [None, Status(401, ECHO), Status(400, ECHO), Status(503, ECHO, {"x-echo": KEY}), Reset()]
)
async def test_fault_66_68_neither_key_nor_text_is_shown(fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    """In reprs of everything users hold, errors and all behind them, local variables, events, bytes, and DEBUG logs."""
    caplog.set_level(logging.DEBUG)
    events: list[Event] = []
    with LoopbackServer("openai", dim=DIM, faults=() if fault is None else always(fault)) as server:
        profile = Profile(
            model="openai:m",
            base_url=server.base_url,
            retry=AT_ONCE,
            api_key=SecretStr(KEY),
            headers={"x-extra": KEY},
        )
        config = Config(profiles={"p": profile})
        async with EmbedderFactory(config) as factory:
            embedder = await factory.new_embedder("p", on_event=events.append)
            result, error = await attempt(embedder)
            # the server of this test repeats a text to the probe too, which did not carry it
            events = [event for event in events if getattr(event, "texts", 0) != 1]
            things = (config, profile, factory, embedder, result, events, embedder.spec, embedder.statistics())
            assert_private(error, *things, copy.copy(profile), logged=messages(caplog))
            assert KEY not in repr(await factory.check_health())
            assert_private(None, *caplog.records)
            for thing in (embedder, factory, config, profile):
                assert_not_in_bytes(thing)
        assert server.log[0].status in {0, 200, 400, 401, 503}
        assert "authorization" in server.log[0].header_names


def assert_not_in_bytes(thing: object) -> None:
    """It cannot be pickled, or holds no key then."""
    try:
        written = pickle.dumps(thing)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        assert KEY not in str(error)
    else:
        assert KEY.encode() not in written


async def test_fault_66_objects_still_alive_do_not_show_it() -> None:
    """All objects of aembed's that a dump of the process would print."""
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        async with embedding(server) as embedder:
            await embedder.embed_documents(TEXTS)
            homes = [(thing, str(type(thing).__module__)) for thing in gc.get_objects()]
            ours = [thing for thing, home in homes if re.match(r"aembed\.(?!testing\.)", home)]
            shown = [type(thing).__name__ for thing in ours if KEY in repr(thing)]
            assert len(ours) > 10
            assert shown == []


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nx-more: 1", f" {KEY}", f"{KEY}\0", f"{KEY}\u00e9", f"\n{KEY}"])
@pytest.mark.parametrize(
    "provider", ["openai:m", "cohere", "google", "azure:d", "tei", "voyage", "jina", "mistral", "ollama:m"]
)
async def test_fault_67_a_key_that_cannot_be_one(key: str, provider: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match=r"api_key (contains whitespace|holds several lines)") as caught:
            await factory.new_embedder(provider, api_key=key, base_url="http://localhost:9")
        assert_private(caught.value, factory)
        with pytest.raises(ConfigError, match="headers: 'x-key' has a line break") as caught:
            await factory.new_embedder(
                provider, api_key=KEY, headers={"x-key": key + "\n"}, base_url="http://localhost:9"
            )
        assert_private(caught.value, factory)


@pytest.mark.parametrize("key", [5, b"sk-never-to-be-seen", ["sk-never-to-be-seen"]])
async def test_fault_67_a_key_that_is_no_text(key: Any) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="api_key: give the key as a str, or a function that gives it") as caught:
            await factory.new_embedder("openai:m", api_key=key, base_url="http://localhost:9")
        assert "never-to-be-seen" not in str(caught.value)
        assert "lax-or-strict" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "\n"])
async def test_fault_67_an_empty_key(key: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="api_key is empty; give the key, or leave api_key out"):
            await factory.new_embedder("openai:m", api_key=key, base_url="http://localhost:9")


def test_the_search_finds_a_planted_secret() -> None:
    """The check of all cases, checked."""

    def holding(secret: str) -> None:
        raise ReplyError(f"no {secret}")

    for secret, where in ((KEY, "the key is in a ReplyError"), (TEXTS[0], "a text is in a ReplyError")):
        with pytest.raises(ReplyError) as caught:
            holding(secret)
        with pytest.raises(AssertionError, match=where):
            assert_private(caught.value)
        outer = ReplyError("fine")
        outer.__context__ = caught.value
        with pytest.raises(AssertionError, match=where):
            assert_private(outer)
        with pytest.raises(AssertionError, match="a log"):
            assert_private(None, logged=[f"DEBUG {secret}"])
        with pytest.raises(AssertionError, match="the repr of a list"):
            assert_private(None, [secret])
    with pytest.raises(ValueError, match="invalid literal") as raised:
        _ = HttpSettings.model_validate(int(KEY))  # pydantic's frames hold nothing, int's argument is in the message
    with pytest.raises(AssertionError):
        assert_private(raised.value)
    assert traceback.format_exception(raised.value)
