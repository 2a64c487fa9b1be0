"""A key that changes: asked for again after a 401 and before it expires, once for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from aembed import AuthenticationError, Config, ConfigError, EmbedderFactory, Limits
from aembed._settings.keyring import RENEW_BEFORE_S, KeyRing
from aembed.testing import LoopbackServer
from tests.faults.privacy import assert_private

FIRST, SECOND = "sk-first-0123456789", "sk-second-0123456789"


def rotate(server: LoopbackServer, key: str) -> None:
    """From now on the server takes this key alone."""
    object.__setattr__(server.script, "api_key", key)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def giving(*keys: Any) -> tuple[Callable[[], Any], Iterator[Any]]:
    left = iter(keys)
    return lambda: next(left), left


# ---- against a server


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "azure", "cohere", "google", "jina", "mistral", "voyage"])
async def test_fault_92_a_token_that_expires_in_the_middle_of_a_job(dialect: str, is_async: bool) -> None:
    asked: list[str] = []

    def give() -> str:
        asked.append(server.script.api_key or "")
        return asked[-1]

    async def give_later() -> str:
        await anyio.lowlevel.checkpoint()
        return give()

    async with LoopbackServer(dialect, dim=8, api_key=FIRST) as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(
            f"{dialect}:m",
            base_url=server.base_url,
            api_key=give_later if is_async else give,
            batch_size=1,
            limits=Limits(max_concurrency=4),
        )
        texts = [f"text {number}" for number in range(8)]
        await embedder.embed_documents(texts)
        rotate(server, SECOND)
        assert (await embedder.embed_documents(texts)).shape == (8, 8)
        assert asked == [FIRST, SECOND]
        statuses = [entry.status for entry in server.log]
        assert 1 <= statuses.count(401) + statuses.count(400) <= 4  # those in flight with the first
        assert embedder.statistics().retries == 0


async def test_a_key_that_is_rejected_twice_is_rejected() -> None:
    give, left = giving(FIRST, SECOND, "sk-third-0123456789")
    async with LoopbackServer("openai", dim=8, api_key="sk-other") as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=server.base_url, api_key=give)
        with pytest.raises(AuthenticationError) as caught:
            await embedder.embed_query("text")
        assert len(server.log) == 2
        assert next(left) == "sk-third-0123456789"
        assert FIRST not in str(caught.value) + repr(embedder) + repr(factory)
        assert SECOND not in str(caught.value)


async def test_the_same_key_again_is_not_sent_again() -> None:
    async with LoopbackServer("openai", dim=8, api_key="sk-other") as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=server.base_url, api_key=lambda: FIRST)
        with pytest.raises(AuthenticationError):
            await embedder.embed_query("text")
        assert len(server.log) == 1


async def test_a_function_that_fails_later_is_an_error_of_the_call() -> None:
    def give() -> str:
        if server.script.api_key == SECOND:
            raise PermissionError(f"no more {SECOND}")
        return FIRST

    async with LoopbackServer("openai", dim=8, api_key=FIRST) as server, EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=server.base_url, api_key=give)
        await embedder.embed_query("text")
        rotate(server, SECOND)
        with pytest.raises(AuthenticationError, match="api_key function failed with PermissionError") as caught:
            await embedder.embed_query("text")
        assert isinstance(caught.value.__cause__, PermissionError)
        assert_private(None, embedder)


async def test_embedders_of_one_function_are_one_account_and_ask_once() -> None:
    asked: list[int] = []

    def give() -> str:
        asked.append(1)
        return FIRST

    async with LoopbackServer("openai", dim=8, api_key=FIRST) as server, EmbedderFactory(Config()) as factory:
        options: Any = {"base_url": server.base_url, "api_key": give}
        one = await factory.new_embedder("openai:m", limits=Limits(max_concurrency=3), **options)
        two = await factory.new_embedder("openai:m", **options)
        assert "/3 " in repr(one)
        assert "/3 " in repr(two)
        assert len(asked) == 1


# ---- alone


async def test_it_is_asked_again_before_it_expires() -> None:
    clock = Clock()
    give, _ = giving((FIRST, clock.now + 3600), (SecretStr(SECOND), clock.now + 7200))
    keys = KeyRing(give, clock)
    assert (await keys.get()).get_secret_value() == FIRST
    clock.now += 3600 - RENEW_BEFORE_S - 1
    assert (await keys.get()).get_secret_value() == FIRST
    clock.now += 1
    assert (await keys.get()).get_secret_value() == SECOND
    assert (await keys.first()).get_secret_value() == FIRST


async def test_a_short_life_is_used_to_nine_tenths() -> None:
    clock = Clock()
    give, _ = giving((FIRST, clock.now + 100), (SECOND, clock.now + 200))
    keys = KeyRing(give, clock)
    await keys.get()
    clock.now += 89
    assert (await keys.get()).get_secret_value() == FIRST
    clock.now += 1
    assert (await keys.get()).get_secret_value() == SECOND


async def test_many_ask_once() -> None:
    begun = anyio.Event()
    asked: list[int] = []

    async def give() -> str:
        asked.append(1)
        await begun.wait()
        return f"sk-{len(asked)}"

    keys = KeyRing(give)
    waiting = [asyncio.create_task(keys.get()) for _ in range(5)]
    await anyio.wait_all_tasks_blocked()
    begun.set()
    first = {await task for task in waiting}
    again = {await key for key in [keys.renewed(next(iter(first))) for _ in range(5)]}
    assert ([key.get_secret_value() for key in (*first, *again)], len(asked)) == (["sk-1", "sk-2"], 2)


async def test_one_that_is_cancelled_leaves_the_asking_to_the_next() -> None:
    give_key = anyio.Event()

    async def give() -> str:
        await give_key.wait()
        return FIRST

    keys = KeyRing(give)
    first, second = [asyncio.create_task(keys.get()) for _ in range(2)]
    await anyio.wait_all_tasks_blocked()
    first.cancel()
    give_key.set()
    assert (await second).get_secret_value() == FIRST
    assert repr(keys) == "<KeyRing>"


@pytest.mark.parametrize("answer", [None, 7, b"key", (FIRST,), (FIRST, "soon"), [FIRST, 1.0]], ids=repr)
async def test_a_value_that_is_no_key_is_named_by_its_kind(answer: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"api_key: the function gave a \w+, not the key as a str, or the key and"
    ) as caught:
        await KeyRing(lambda: answer).get()
    assert FIRST not in str(caught.value)
