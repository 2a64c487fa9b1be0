"""What a program gets that names no value: arguments of calls, facts of a model, fields of a result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any

import anyio
import pytest

from aembed import DeadlineError, Embedder, EmbedderFactory, ModelSpec, Source, TextSize, Usage
from aembed._statistics import EmbedderCounts
from aembed.testing import ScriptedProvider


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


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("options", "seconds"), [({}, 30.0), ({"deadline": 5.0}, 5.0), ({"deadline": None}, 40.0)], ids=str
)
async def test_a_query_has_half_a_minute_unless_the_embedder_has_a_deadline(
    factory: EmbedderFactory, options: Any, seconds: float
) -> None:
    spec = ModelSpec(name="m", dim=8, timeout=None)
    embedder = await factory.new_embedder(ScriptedProvider([40.0], spec=spec), **options)
    begun = anyio.current_time()
    with suppress(DeadlineError):
        await embedder.embed_query("one")
    assert anyio.current_time() - begun == pytest.approx(seconds)


@pytest.mark.virtual_time
async def test_documents_have_all_the_time_they_need(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="m", dim=8, timeout=None)
    embedder = await factory.new_embedder(ScriptedProvider([40.0], spec=spec))
    assert (await embedder.embed_documents(["one"])).shape == (1, 8)


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


async def test_a_new_embedder_has_counted_nothing(factory: EmbedderFactory) -> None:
    counted = (await factory.new_embedder("mock")).statistics()
    assert not any(getattr(counted, each.name) for each in fields(EmbedderCounts))
