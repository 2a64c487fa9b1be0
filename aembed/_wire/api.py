"""The facts of one JSON API, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aembed._types import Kind
from aembed._wire.decode import Shape
from aembed._wire.refusal import Dialect


@dataclass(frozen=True, slots=True)
class Asked:
    """How to ask: what the user wants, less what this endpoint has refused to be asked."""

    base64: bool
    dimensions: int | None

    def fields(self, *, base64: str | None = "encoding_format", dimensions: str = "dimensions") -> dict[str, Any]:
        """What of it is asked for, under the names this API has for it. ``None``: it is asked for in another way."""
        fields: dict[str, Any] = {}
        if self.base64 and base64 is not None:
            fields[base64] = "base64"
        if self.dimensions is not None:
            fields[dimensions] = self.dimensions
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The facts of one provider. ``request`` gives the JSON body for a batch."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    request: Callable[[Sequence[str], Kind, Asked], Mapping[str, Any]]
    shape: Shape[Any]
    dialect: Dialect
    url_with_version: str | None = None
    """Asked from then on where ``url`` is not found: most servers want ``/v1`` before the path, a few do not."""
    tokens_header: str | None = None
    """Where the usage is told in a header."""
    cuts_at: int | None = None
    """Tokens at which the server may cut a text and not say so: one that counts so many is taken for cut."""
    echoes_model: bool = False
    """True where an answer names the model that gave it, and another than was asked for is worth a word."""
