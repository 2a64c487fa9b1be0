"""Keys are shown nowhere, and go nowhere but to the provider they belong to."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import aembed
from aembed import (
    AembedError,
    Config,
    ConfigError,
    EmbedderFactory,
    Profile,
    Provider,
    ProviderError,
    Registry,
    Source,
)
from aembed.testing import ScriptedProvider
from tests.shop import KEY, Shop


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
