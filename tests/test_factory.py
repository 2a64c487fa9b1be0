"""The factory resolves names, shares gates by account, and closes everything it opened."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

import aembed
from aembed import (
    AembedError,
    AuthenticationError,
    ClosedError,
    Config,
    ConfigError,
    EmbedderFactory,
    Kind,
    Limits,
    Profile,
    Provider,
    ProviderError,
    Registry,
    Reply,
    Source,
)
from aembed.testing import ScriptedProvider

KEY = "sk-nobody-may-see-this"


class Shop:
    """A registry with one provider, which records its sources."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.providers: list[ScriptedProvider] = []
        self.registry = Registry()
        self.registry.register("shop", self.open)

    async def open(self, source: Source) -> Provider:
        self.sources.append(source)
        self.providers.append(ScriptedProvider(latency=1.0))
        return self.providers[-1]

    def factory(self, config: Config | None = None) -> EmbedderFactory:
        return EmbedderFactory(config or Config(), registry=self.registry)


# ---- names


async def test_a_name_is_a_provider_and_perhaps_a_model() -> None:
    shop = Shop()
    async with shop.factory() as factory:
        await factory.new_embedder("shop")
        await factory.new_embedder("shop:model")
        await factory.new_embedder("shop:path/with:colon")
    assert [source.model for source in shop.sources] == [None, "model", "path/with:colon"]


async def test_without_a_name_the_configured_model_opens() -> None:
    shop = Shop()
    async with shop.factory(Config(model="shop:big")) as factory:
        await factory.new_embedder()
    assert shop.sources[0].model == "big"


async def test_a_profile_is_a_name_with_options() -> None:
    shop = Shop()
    config = Config(profiles={"search": Profile(model="shop:big", dimensions=16, base_url="http://a")}, timeout=7.0)
    async with shop.factory(config) as factory:
        await factory.new_embedder("search", dimensions=32)
    (source,) = shop.sources
    assert (source.model, source.dimensions, source.base_url) == ("big", 32, "http://a")


async def test_one_config_serves_any_number_of_factories() -> None:
    config = Config(model="mock")
    for _ in range(3):
        async with EmbedderFactory(config) as factory:
            assert (await (await factory.new_embedder()).embed_query("text")).shape == (128,)


async def test_the_environment_is_read_when_the_first_embedder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = EmbedderFactory()
    monkeypatch.setenv("AEMBED_MODEL", "mock")
    async with factory:
        assert (await factory.new_embedder()).spec.provider == "mock"


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("mok", {}, "unknown provider 'mok'; did you mean 'mock'"),
        ("zzz", {}, "unknown provider 'zzz'; known are: "),
        ("serch", {}, "unknown provider 'serch'; did you mean 'search'"),
        ("", {}, "unknown provider ''"),
        ("mock", {"dimension": 3}, "unknown option 'dimension'; did you mean 'dimensions'"),
        ("mock", {"dimensions": 0}, "dimensions: .* greater than or equal to 1, not 0"),
        ("mock", {"timeout": -1}, "timeout: .* greater than 0, not -1"),
        ("mock", {"overlong": "cut"}, "overlong: .*'error', 'truncate' or 'split', not 'cut'"),
        ("mock", {"limits": {"max_concurency": 3}}, "unknown option 'limits.max_concurency'; did you mean 'max_conc"),
        ("mock", {"base_url": "http://x"}, "takes no base_url; leave it out"),
        ("mock:small", {}, "takes no model"),
        ("mock", {"api_key": KEY}, "takes no api_key"),
        ("mock", {"provider_options": {"dim": 0}}, "dim: .* greater than or equal to 1, not 0"),
        ("mock", {"provider_options": {"error_rate": 7}}, "error_rate: .* less than or equal to 1, not 7"),
        ("mock", {"provider_options": {"sed": 7}}, "unknown option 'sed'; did you mean 'seed'"),
        (7, {}, "model is a int; give 'provider:model' or a Provider"),
        (ScriptedProvider(), {"api_key": KEY}, "api_key cannot be given with a Provider instance"),
        (ScriptedProvider(), {"dimensions": 3}, "dimensions cannot be given"),
    ],
)
async def test_a_mistake_is_named_with_its_mending(model: Any, options: Any, reason: str) -> None:
    async with EmbedderFactory(Config(profiles={"search": Profile(model="mock")})) as factory:
        with pytest.raises(ConfigError, match=reason) as caught:
            await factory.new_embedder(model, **options)
        assert KEY not in str(caught.value)
        assert "embedders=0" in repr(factory)


async def test_providers_are_listed() -> None:
    shop = Shop()
    names = shop.factory().available_providers()
    assert names == tuple(sorted(names))
    assert {"local", "mock", "shop", "static"} <= set(names)


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


# ---- secrets


async def test_no_key_shows_anywhere() -> None:
    shop = Shop()
    config = Config(profiles={"p": Profile(model="shop", api_key=SecretStr(KEY), headers={"x-key": KEY})})
    async with shop.factory(config) as factory:
        embedder = await factory.new_embedder("p")
        shown = [repr(thing) + str(thing) for thing in (config, factory, embedder, *shop.sources, config.profiles["p"])]
        shown += [repr(vars(factory)), repr(vars(embedder)), repr(vars(embedder._engine))]
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": {"key": KEY}},
        {"api_key": [KEY]},
        {"api_key": KEY.encode(), "timeout": -1},
        {"headers": KEY},
        {"headers": {"x-key": [KEY]}},
        {"profiles": [{"api_key": KEY}]},
        {"profiles": {"p": [KEY]}},
        {"profiles": {"p": {"api_key": [KEY]}}},
        {"profiles": {"p": {"api_key": KEY, "timeout": "soon"}}},
    ],
    ids=repr,
)
async def test_no_key_shows_in_a_configuration_error(options: Any) -> None:
    async def open_it() -> None:
        config = Config(**options) if "profiles" in options else Config()
        await EmbedderFactory(config).new_embedder("mock", **options)

    with pytest.raises(ConfigError) as caught:
        await open_it()
    assert KEY not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("openai:m", {"bogus": 1}),
        ("openai:m", {"timeout": -1}),
        ("openai:m", {"headers": {"x-key": KEY + "\n"}}),
        ("openai:m", {"headers": {"x:key": KEY}}),
        ("openai:m", {"api_key": KEY + "\n"}),
        ("nowhere:m", {"headers": {"x-key": KEY}}),
        ("mock", {}),
    ],
    ids=repr,
)
async def test_no_key_shows_in_local_variables(model: str, options: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        await EmbedderFactory(Config()).new_embedder(model, **{"api_key": KEY, **options})
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    package = Path(aembed.__file__).parent
    ours = [frame for frame in trace.stack if Path(frame.filename).is_relative_to(package)]
    assert ours
    assert not [frame for frame in ours if KEY in str(frame.locals)]


async def test_errors_travel_between_processes() -> None:
    error = ProviderError("no", provider="p", status=500, index=3)
    copy: AembedError = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), copy.index) == (str(error), 3)


@pytest.mark.parametrize(
    ("provider", "base_url", "sent"),
    [
        ("openai", None, True),
        ("openai", "https://elsewhere.example/v1", False),
        ("openai", "https://api.openai.com/v1", True),
        ("azure", "https://mine.openai.azure.com", True),
        ("azure", "http://mine.openai.azure.com", False),
        ("azure", "https://openai.azure.com.evil.example", False),
    ],
)
async def test_a_key_of_the_environment_goes_to_the_provider_itself_only(
    monkeypatch: pytest.MonkeyPatch, provider: str, base_url: str | None, sent: bool
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "sk-environment")
    seen: list[Source] = []

    async def opener(source: Source) -> Provider:
        seen.append(source)
        return ScriptedProvider()

    registry = Registry()
    registry.register(provider, opener, replace=True)
    async with EmbedderFactory(Config(), registry=registry) as factory:
        await factory.new_embedder(f"{provider}:model", base_url=base_url)
    assert (seen[0].api_key is not None) == sent


async def test_embedders_of_one_model_are_numbered_in_health() -> None:
    async with EmbedderFactory(Config()) as factory:
        await factory.new_embedder("mock")
        await factory.new_embedder("mock", provider_options={"error_rate": 1.0, "error_kinds": ["bad_request"]})
        answers = await factory.check_health()
    assert {name: health.ok for name, health in answers.items()} == {"mock:mock": True, "mock:mock #2": False}


# ---- names that are none


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("text-embedding-3-small", "'openai:text-embedding-3-small'"),
        ("text-embeding-3-small", "'openai:text-embedding-3-small'"),
        ("openai/text-embedding-3-small", "'openai:text-embedding-3-small'"),
        ("OpenAI:text-embedding-3-small", "'openai:text-embedding-3-small'"),
        ("OPENAI/my-model", "'openai:my-model'"),
        ("embed-v4.0", "'cohere:embed-v4.0'"),
        ("voyage-3.5", "'voyage:voyage-3.5'"),
        ("gemini-embedding-001", "'google:gemini-embedding-001'"),
        ("models/gemini-embedding-001", "'google:gemini-embedding-001'"),
        ("BAAI/bge-m3", "'local:BAAI/bge-m3', or 'tei:BAAI/bge-m3' with the base_url of a server that runs it"),
        ("sentence-transformers/all-MiniLM-L6-v2", "'local:sentence-transformers/all-MiniLM-L6-v2', or"),
        ("opena:text-embedding-3-small", "'openai:text-embedding-3-small'"),
    ],
)
async def test_a_model_without_its_provider_gets_a_hint(factory: EmbedderFactory, model: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await factory.new_embedder(model)
    assert f"; did you mean {meant}" in str(caught.value)


async def test_a_profile_that_names_a_profile_is_rejected() -> None:
    profiles = {"a": Profile(model="b"), "b": Profile(model="mock"), "mock": Profile(model="mock", dimensions=8)}
    async with EmbedderFactory(Config(profiles=profiles)) as factory:
        with pytest.raises(ConfigError, match=r"profile 'a' names the profile 'b' as its model; .* such as 'mock'"):
            await factory.new_embedder("a")
        assert (await factory.new_embedder("mock")).spec.dim == 8
