"""The factory shares gates by account, checks health, and closes everything it opened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from aembed import (
    AuthenticationError,
    ClosedError,
    Config,
    ConfigError,
    EmbedderFactory,
    Kind,
    Limits,
    Profile,
    Provider,
    Registry,
    Reply,
    Source,
)
from aembed.testing import ScriptedProvider
from tests.shop import KEY, Shop

# ---- accounts


@pytest.mark.virtual_time
async def test_embedders_of_one_account_share_one_gate() -> None:
    shop = Shop()
    async with shop.factory() as factory:
        one = await factory.new_embedder("shop:a", api_key=KEY, limits=Limits(max_concurrency=1))
        two = await factory.new_embedder("shop:b", api_key=SecretStr(KEY))
        await asyncio.gather(one.embed_documents(["text"]), two.embed_documents(["text"]))
        assert anyio.current_time() == pytest.approx(2.0)
        assert one.statistics().in_flight == two.statistics().in_flight == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize("other", [{"api_key": "another"}, {"base_url": "http://other"}, {}])
async def test_another_key_or_host_is_another_account(other: Any) -> None:
    shop = Shop()
    async with shop.factory() as factory:
        one = await factory.new_embedder("shop", api_key=KEY, limits=Limits(max_concurrency=1))
        two = await factory.new_embedder("shop", **other, limits=Limits(max_concurrency=1))
        await asyncio.gather(one.embed_documents(["text"]), two.embed_documents(["text"]))
        assert anyio.current_time() == pytest.approx(1.0)


@pytest.mark.virtual_time
async def test_spellings_of_one_address_share_one_gate_and_one_cache() -> None:
    shop = Shop()
    async with shop.factory() as factory:
        urls = ("http://other/v1", "http://OTHER:80/v1/")
        one, two = [
            await factory.new_embedder("shop", base_url=url, limits=Limits(max_concurrency=1), cache=True)
            for url in urls
        ]
        await asyncio.gather(one.embed_documents(["text"]), two.embed_documents(["another"]))
        assert anyio.current_time() == pytest.approx(2.0)
        await two.embed_documents(["text"])
        assert two.statistics().cache_hits == 1


async def test_one_account_has_one_set_of_limits() -> None:
    shop = Shop()
    async with shop.factory() as factory:
        await factory.new_embedder("shop", limits=Limits(max_concurrency=1))
        with pytest.raises(ConfigError, match=r"already runs with .*max_concurrency=1.*give the same"):
            await factory.new_embedder("shop", limits=Limits(max_concurrency=2))
        await factory.new_embedder("shop", limits=Limits(max_concurrency=1))
        assert [provider.closed for provider in shop.providers] == [0, 1, 0]


async def test_a_provider_instance_is_closed_with_the_last_embedder_that_uses_it() -> None:
    provider = ScriptedProvider()
    async with EmbedderFactory(Config()) as factory:
        first, second = [await factory.new_embedder(provider) for _ in range(2)]
        await first.aclose()
        assert provider.closed == 0
        await second.embed_query("text")
        await second.aclose()
        assert provider.closed == 1


# ---- the end


async def test_closing_closes_everything_newest_first() -> None:
    closed: list[str] = []

    class Noting(ScriptedProvider):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        async def aclose(self) -> None:
            closed.append(self.name)

    async with EmbedderFactory(Config()) as factory:
        for name in "abc":
            await factory.new_embedder(Noting(name))
    assert closed == ["c", "b", "a"]
    await factory.aclose()
    assert closed == ["c", "b", "a"]
    assert repr(factory) == "<EmbedderFactory embedders=0 closed>"


async def test_one_that_will_not_close_keeps_none_of_the_others_open() -> None:
    class Stuck(ScriptedProvider):
        async def aclose(self) -> None:
            raise OSError("stuck")

    first = ScriptedProvider()
    factory = EmbedderFactory(Config())
    await factory.new_embedder(first)
    await factory.new_embedder(Stuck())
    with pytest.raises(OSError, match="stuck"):
        await factory.aclose()
    assert first.closed == 1


async def test_a_closed_factory_makes_nothing() -> None:
    async with EmbedderFactory(Config()) as factory:
        pass
    with pytest.raises(ClosedError, match="this factory is closed"):
        await factory.new_embedder("mock")


@pytest.mark.virtual_time
async def test_an_embedder_opened_while_the_factory_closes_is_closed_too() -> None:
    opened: list[ScriptedProvider] = []

    async def open_slowly(source: Source) -> Provider:
        await anyio.sleep(5.0)
        opened.append(ScriptedProvider())
        return opened[-1]

    registry = Registry()
    registry.register("slow", open_slowly)
    factory = EmbedderFactory(Config(), registry=registry)
    opening = asyncio.create_task(factory.new_embedder("slow"))
    await anyio.sleep(1.0)
    await factory.aclose()
    with pytest.raises(ClosedError):
        await opening
    assert opened[0].closed == 1


# ---- health


async def test_health_covers_open_embedders_and_profiles() -> None:
    profiles = {"good": Profile(model="mock"), "bad": Profile(model="nowhere")}
    async with EmbedderFactory(Config(profiles=profiles)) as factory:
        await factory.new_embedder(ScriptedProvider([AuthenticationError("who are you")]))
        health = await factory.check_health()
    assert {name: answer.ok for name, answer in health.items()} == {
        "scripted:scripted": False,
        "good": True,
        "bad": False,
    }
    assert isinstance(health["bad"].error, ConfigError)


async def test_with_nothing_open_health_is_that_of_the_default() -> None:
    shop = Shop()
    async with EmbedderFactory(Config(model="mock"), registry=shop.registry) as factory:
        assert {name: answer.ok for name, answer in (await factory.check_health()).items()} == {"mock": True}


async def test_a_foreign_error_in_a_health_check_arrives_as_itself() -> None:
    class Broken(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            raise ZeroDivisionError

    async with EmbedderFactory(Config()) as factory:
        await factory.new_embedder(Broken())
        with pytest.raises(ZeroDivisionError):
            await factory.check_health()


async def test_embedders_of_one_model_are_numbered_in_health() -> None:
    async with EmbedderFactory(Config()) as factory:
        await factory.new_embedder("mock")
        await factory.new_embedder("mock", provider_options={"error_rate": 1.0, "error_kinds": ["bad_request"]})
        answers = await factory.check_health()
    assert {name: health.ok for name, health in answers.items()} == {"mock:mock": True, "mock:mock #2": False}
