"""What a program gets that names no value: arguments of calls, facts of a model, fields of a result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from aembed import Embedder, EmbedderFactory, ModelSpec, Source, TextSize, Usage
from aembed._factory.layers import QUERY_DEADLINE_S


@pytest.mark.parametrize(
    ("method", "argument", "value"),
    [
        (Embedder.check_health, "timeout", 5.0),
        (EmbedderFactory.check_health, "timeout", 5.0),
        (Embedder.aclose, "grace", 10.0),
        (EmbedderFactory.aclose, "grace", 10.0),
        (Embedder.embed, "kind", "document"),
        (Embedder.embed, "on_error", "raise"),
        (Embedder.embed_query, "deadline", None),
    ],
    ids=lambda each: getattr(each, "__qualname__", None),
)
def test_an_argument_that_is_not_given(method: Callable[..., Any], argument: str, value: object) -> None:
    assert inspect.signature(method).parameters[argument].default == value


def test_a_query_ends_within_half_a_minute() -> None:
    assert QUERY_DEADLINE_S == 30.0


def test_a_model_of_which_the_name_alone_is_known() -> None:
    spec = ModelSpec(name="m")
    assert (spec.max_concurrency, spec.timeout) == (16, 30.0)
    assert not spec.adaptive
    assert not spec.pads
    assert (spec.quota_unit, spec.quota_scope) == ("request", "account")


@pytest.mark.parametrize(
    ("price", "tokens", "cost"), [(0.5, 2_000_000, 1.0), (0.5, 0, 0.0), (None, 5, None), (0.5, None, None)]
)
def test_prices_are_for_a_million_tokens(price: float | None, tokens: int | None, cost: float | None) -> None:
    assert ModelSpec(name="m", price=price).cost(tokens) == cost


def test_a_size_is_exact_and_nothing_is_billed_in_vain_unless_said() -> None:
    assert TextSize(tokens=1, unknown=0, pieces=[(0, 1)]).exact
    assert Usage(requests=1, tokens=1).maybe_billed == 0


def test_a_source_is_lenient_and_may_download() -> None:
    source = Source(provider="p")
    assert (source.strict, source.download, source.overlong) == (False, True, "error")
