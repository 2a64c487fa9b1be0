"""Cache keys hold everything that decides a vector, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from aembed import EmbedderFactory, Limits, ModelSpec
from aembed._settings.options import Options
from aembed._sharing.cache_key import CacheKeys
from aembed.testing import ScriptedProvider
from tests.scripted import PAIRS, TEXTS, expected

SPEC = ModelSpec(name="model", provider="provider", dim=8)
VARIANTS: dict[str, tuple[ModelSpec, Options]] = {
    "provider": (ModelSpec(name="model", provider="other", dim=8), Options()),
    "base_url": (SPEC, Options(base_url="https://other.test/v1")),
    "model": (ModelSpec(name="other", provider="provider", dim=8), Options()),
    "revision": (ModelSpec(name="model", provider="provider", dim=8, revision="2"), Options()),
    "dim": (ModelSpec(name="model", provider="provider", dim=16), Options()),
    "dimensions": (SPEC, Options(dimensions=4)),
    "normalize": (SPEC, Options(normalize=True)),
    "overlong": (SPEC, Options(overlong="truncate")),
    "provider_options": (SPEC, Options(provider_options={"task": "clustering"})),
    "namespace": (SPEC, Options(cache_namespace="tenant")),
    "headers": (SPEC, Options(headers={"x-route": "a"})),
}


@pytest.mark.parametrize("variant", VARIANTS, ids="case 71: {}".format)
def test_everything_that_decides_a_vector_is_part_of_its_key(variant: str) -> None:
    plain = CacheKeys(SPEC, Options(), "Provider")
    other = CacheKeys(*VARIANTS[variant], "Provider")
    keys = {key for kind in ("document", "query") for who in (plain, other) for key in who.of(TEXTS, kind)}
    assert len(keys) == 4 * len(TEXTS)
    assert {len(key) for key in keys} == {32}


def test_the_order_of_options_decides_no_vector() -> None:
    one, other = (
        CacheKeys(SPEC, Options(provider_options=options, headers=options), "Provider")
        for options in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    )
    assert one.of(TEXTS, "query") == other.of(TEXTS, "query")
    assert one.model == other.model


def test_case_71_a_key_holds_the_whole_text_and_its_kind() -> None:
    identity = CacheKeys(SPEC, Options(), "Provider")
    long = "x" * 100_000
    texts = [long, long + "x", long[:-1] + "y", "\u00e4", "a\u0308"]
    keys = identity.of(texts, "document") + identity.of(texts, "query")
    assert len(set(keys)) == 10
    assert identity.of(["\u00e4"], "query") == [keys[8]]


def test_case_71_limits_and_secrets_decide_no_vector() -> None:
    options = Options(
        api_key="key",
        headers={"Authorization": "y", "api-key": "z"},
        timeout=1.0,
        batch_size=7,
        limits=Limits(max_concurrency=1),
        base_url="https://a.test/v1/",
    )
    plain = CacheKeys(SPEC, Options(base_url="https://a.test/v1"), "P")
    same = CacheKeys(SPEC, options, "P")
    assert plain.of(TEXTS, "query") == same.of(TEXTS, "query")


async def test_case_71_embedders_share_equal_vectors_and_no_others(factory: EmbedderFactory) -> None:
    providers = [ScriptedProvider(spec=PAIRS) for _ in range(3)]
    one, same, other = [
        await factory.new_embedder(provider, cache=True, normalize=provider is providers[2]) for provider in providers
    ]
    await one.embed_documents(TEXTS[:2])
    np.testing.assert_array_equal(await same.embed_documents(TEXTS[:2]), await expected(TEXTS[:2]))
    await other.embed_documents(TEXTS[:2])
    assert [len(provider.calls) for provider in providers] == [1, 0, 1]


def test_the_value_of_a_header_counts_and_the_case_of_its_name_does_not() -> None:
    keys = [
        CacheKeys(SPEC, Options(headers=headers), "P").of(TEXTS, "query")
        for headers in ({"x-route": "a"}, {"X-Route": "a"}, {"x-route": "b"})
    ]
    assert keys[0] == keys[1] != keys[2]


async def test_two_namespaces_share_a_store_and_see_nothing_of_each_other(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS)
    tenants = [await factory.new_embedder(provider, cache=True, cache_namespace=name) for name in ("a", "b", "a")]
    for tenant in tenants:
        await tenant.embed_documents(TEXTS[:2])
    assert len(provider.calls) == 2
    assert [tenant.statistics().cache_hits for tenant in tenants] == [0, 0, 2]
