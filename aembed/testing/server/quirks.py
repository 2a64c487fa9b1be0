"""Deviations of servers from the documentation they claim to follow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """All off is the documented server. They apply to every dialect in which they make sense."""

    always_floats: bool = False
    """Always answers with numbers."""
    rejects_encoding_format: bool = False
    """Rejects a request that says how to encode vectors."""
    rejects_dimensions: bool = False
    """Rejects a request that says how many dimensions."""
    no_usage: bool = False
    """Reports no usage."""
    shuffled: bool = False
    """Items out of order, where the reply numbers them."""
    mixed: bool = False
    """Every second vector as numbers, where base64 is asked."""
    spaced: bool = False
    """Blanks after commas and colons."""
    escaped_slashes: bool = False
    """Base64 with its slashes escaped, as some JSON writers do."""
