"""The dialects, by name."""

from collections.abc import Mapping

from aembed.testing.server.dialects.dialect import Caps, Dialect
from aembed.testing.server.dialects.openai import OPENAI

DIALECTS: Mapping[str, Dialect] = {
    "openai": OPENAI,
}

__all__ = ["DIALECTS", "Caps", "Dialect"]
