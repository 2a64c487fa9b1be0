"""What providers publish about their models: the facts that need no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aembed._errors import ConfigError
from aembed._types import ModelSpec, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model's facts. ``None`` means unknown, or not published."""

    dim: int | None = None
    offers: Sequence[int] = ()
    """Dimensions that may be asked for; none where the model has only its own."""
    max_text_tokens: int | None = None
    max_batch_tokens: int | None = None
    max_batch_texts: int | None = None
    price: float | None = None
    """US dollars for a million tokens."""


UNKNOWN = Model()


def with_dimensions(source: Source, name: str, models: Mapping[str, Model]) -> Source:
    """``source``, asking for a dimension only where the model has a choice.

    Raises:
        ConfigError: the model does not have this dimension; the message names those it has.
    """
    model, wanted = models.get(name, UNKNOWN), source.dimensions
    if model.dim is None or wanted is None or wanted in model.offers:
        return source
    if not model.offers and wanted == model.dim:
        return replace(source, dimensions=None)
    if not model.offers:
        raise ConfigError(f"dimensions: {name} always has {model.dim}, not {wanted}; leave dimensions out")
    raise ConfigError(f"dimensions: {name} has {listed(model.offers)}, not {wanted}")


def describe(
    source: Source,
    name: str,
    model: Model,
    *,
    max_batch_texts: int,
    max_batch_tokens: int | None = None,
    max_text_tokens: int | None = None,
    max_concurrency: int = 16,
    inputs_per_minute: float | None = None,
    quota_unit: Literal["request", "input"] = "request",
    quota_scope: Literal["account", "model"] = "account",
) -> ModelSpec:
    """The spec of a hosted model. The caps are the provider's for all its models; a model's own go before them."""
    return ModelSpec(
        name=name,
        provider=source.provider,
        dim=source.dimensions or model.dim,
        max_batch_texts=model.max_batch_texts or max_batch_texts,
        max_batch_tokens=model.max_batch_tokens or max_batch_tokens,
        max_text_tokens=model.max_text_tokens or max_text_tokens,
        max_concurrency=max_concurrency,
        inputs_per_minute=inputs_per_minute,
        quota_unit=quota_unit,
        quota_scope=quota_scope,
        price=model.price,
    )


def listed(offers: Sequence[int]) -> str:
    """``"128, 256 or 512"``, or ``"64 to 768"``."""
    if isinstance(offers, range):
        return f"{offers[0]} to {offers[-1]}"
    return ", ".join(map(str, offers[:-1])) + f" or {offers[-1]}"
