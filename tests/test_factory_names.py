"""Names of models: providers, profiles, the default, and mistakes with a hint."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import (
    Config,
    ConfigError,
    EmbedderFactory,
    Profile,
)
from aembed.testing import ScriptedProvider
from tests.shop import KEY, Shop


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
