"""Published facts of hosted models: dimensions, caps and prices, known without a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aembed._errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedModel:
    """Published facts of one model. ``None`` means unknown, or not published."""

    dim: int | None = None
    """Dimension of the vectors if none is requested."""
    dimensions: Sequence[int] = ()
    """Dimensions that a request may ask for; empty if the model has only its own."""
    max_text_tokens: int | None = None
    """Tokens of one text."""
    max_batch_tokens: int | None = None
    """Tokens of all texts of a request."""
    max_batch_texts: int | None = None
    """Texts of a request."""
    price: float | None = None
    """US dollars per million tokens."""


UNKNOWN = HostedModel()


def dimensions_to_request(wanted: int | None, name: str, model: HostedModel) -> int | None:
    """The ``dimensions`` field of a request: ``None`` if the model has no choice, or nothing was wanted.

    Raises:
        ConfigError: the model does not have this dimension; the message names those it has.
    """
    if model.dim is None or wanted is None or wanted in model.dimensions:
        return wanted
    if not model.dimensions and wanted == model.dim:
        return None
    if not model.dimensions:
        raise ConfigError(f"dimensions: {name} always has {model.dim}, not {wanted}; leave dimensions out")
    raise ConfigError(f"dimensions: {name} has {listed(model.dimensions)}, not {wanted}")


def listed(dimensions: Sequence[int]) -> str:
    """``"128, 256 or 512"``, or ``"64 to 768"``."""
    if isinstance(dimensions, range):
        return f"{dimensions[0]} to {dimensions[-1]}"
    return ", ".join(map(str, dimensions[:-1])) + f" or {dimensions[-1]}"
