"""Facts about a model known without a request: dimensions, caps and price, and which source has precedence."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import ConfigError, ModelSpec
from aembed._types import Source
from aembed._wire.api import HttpApi
from aembed._wire.catalogue import UNKNOWN, HostedModel, dimensions_to_request, listed
from aembed._wire.endpoint import find_endpoint

MODELS = {
    "free": HostedModel(dim=8, dimensions=(2, 4, 8)),
    "ranged": HostedModel(dim=8, dimensions=range(2, 9)),
    "one": HostedModel(dim=8),
}


def nothing(*_: Any) -> dict[str, Any]:
    return {}


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
    assert dimensions_to_request(wanted, name, MODELS.get(name, UNKNOWN)) == asked_for


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
        dimensions_to_request(wanted, name, MODELS[name])
    assert str(caught.value) == says


def test_offers_in_words() -> None:
    assert [listed((1, 2)), listed((1, 2, 3)), listed(range(1, 4))] == ["1 or 2", "1, 2 or 3", "1 to 3"]


def test_a_model_without_facts_has_the_caps_of_the_api() -> None:
    """Sixteen requests at once, and one quota for the account, counted by request."""
    api = HttpApi(request=nothing, base_url="https://h", default_model="m", max_batch_texts=9, needs_key=False)
    assert find_endpoint(api, wanting(None)).spec == ModelSpec(
        name="m", provider="p", max_batch_texts=9, max_concurrency=16, quota_unit="request", quota_scope="account"
    )


def test_the_facts_of_a_model_go_before_the_caps_of_its_api() -> None:
    own = HostedModel(dim=8, dimensions=(4, 8), max_text_tokens=100, max_batch_tokens=50, max_batch_texts=3, price=0.02)
    api = HttpApi(
        request=nothing,
        needs_key=False,
        base_url="https://api.example/v1",
        models={"m": own, "other": HostedModel(dim=8)},
        default_model="m",
        max_batch_texts=9,
        max_batch_tokens=500,
        max_text_tokens=1000,
        max_concurrency=2,
        inputs_per_minute=7.0,
        quota_unit="input",
        quota_scope="model",
    )
    assert find_endpoint(api, wanting(4)).spec == ModelSpec(
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
    assert find_endpoint(api, Source(provider="p", model="other")).spec.max_batch_tokens == 500
    elsewhere = Source(provider="p", base_url="https://proxy.example")
    assert find_endpoint(api, elsewhere).spec.inputs_per_minute is None, "another server has another quota"
