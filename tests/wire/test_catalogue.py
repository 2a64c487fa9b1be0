"""What is known of a model without asking: its dimensions, caps and price, and which of them goes before which."""

from __future__ import annotations

import pytest

from aembed import ConfigError, ModelSpec
from aembed._types import Source
from aembed._wire.catalogue import Model, describe, listed, with_dimensions

MODELS = {"free": Model(dim=8, offers=(2, 4, 8)), "ranged": Model(dim=8, offers=range(2, 9)), "one": Model(dim=8)}


def wanting(dimensions: int | None) -> Source:
    return Source(provider="p", dimensions=dimensions)


@pytest.mark.parametrize(
    ("name", "wanted", "asked_for"),
    [
        ("free", None, None),
        ("free", 2, 2),
        ("free", 8, 8),
        ("ranged", 3, 3),
        ("one", None, None),
        ("one", 8, None),
        ("unknown", 5, 5),
    ],
)
def test_a_dimension_is_asked_for_where_there_is_a_choice(name: str, wanted: int | None, asked_for: int | None) -> None:
    assert with_dimensions(wanting(wanted), name, MODELS).dimensions == asked_for


@pytest.mark.parametrize(
    ("name", "wanted", "says"),
    [
        ("free", 3, "dimensions: free has 2, 4 or 8, not 3"),
        ("ranged", 9, "dimensions: ranged has 2 to 8, not 9"),
        ("one", 4, "dimensions: one always has 8, not 4; leave dimensions out"),
    ],
)
def test_a_dimension_that_the_model_lacks(name: str, wanted: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_dimensions(wanting(wanted), name, MODELS)
    assert str(caught.value) == says


def test_offers_in_words() -> None:
    assert [listed((1, 2)), listed((1, 2, 3)), listed(range(1, 4))] == ["1 or 2", "1, 2 or 3", "1 to 3"]


def test_a_hosted_model_nothing_is_known_of() -> None:
    """Sixteen requests at once, and one quota for the account, counted by request."""
    assert describe(wanting(None), "m", Model(), max_batch_texts=9) == ModelSpec(
        name="m", provider="p", max_batch_texts=9, max_concurrency=16, quota_unit="request", quota_scope="account"
    )


def test_what_is_known_of_a_model_goes_before_what_the_provider_says_of_all() -> None:
    model = Model(dim=8, max_text_tokens=100, max_batch_tokens=50, max_batch_texts=3, price=0.02)
    spec = describe(
        wanting(4),
        "m",
        model,
        max_batch_texts=9,
        max_batch_tokens=500,
        max_text_tokens=1000,
        max_concurrency=2,
        inputs_per_minute=7.0,
        quota_unit="input",
        quota_scope="model",
    )
    assert spec == ModelSpec(
        name="m",
        provider="p",
        dim=4,
        max_batch_texts=3,
        max_batch_tokens=50,
        max_text_tokens=100,
        max_concurrency=2,
        inputs_per_minute=7.0,
        quota_unit="input",
        quota_scope="model",
        price=0.02,
    )
    assert describe(wanting(None), "m", Model(dim=8), max_batch_texts=9, max_batch_tokens=500).max_batch_tokens == 500
