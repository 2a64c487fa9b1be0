"""The dialects, by name."""

from collections.abc import Mapping

from aembed.testing.server.dialects.azure import AZURE
from aembed.testing.server.dialects.cohere import COHERE
from aembed.testing.server.dialects.dialect import Caps, Dialect
from aembed.testing.server.dialects.google import GOOGLE
from aembed.testing.server.dialects.jina import JINA
from aembed.testing.server.dialects.mistral import MISTRAL
from aembed.testing.server.dialects.ollama import OLLAMA
from aembed.testing.server.dialects.openai import OPENAI
from aembed.testing.server.dialects.tei import TEI
from aembed.testing.server.dialects.voyage import VOYAGE

DIALECTS: Mapping[str, Dialect] = {
    "azure": AZURE,
    "cohere": COHERE,
    "google": GOOGLE,
    "jina": JINA,
    "mistral": MISTRAL,
    "ollama": OLLAMA,
    "openai": OPENAI,
    "tei": TEI,
    "voyage": VOYAGE,
}

__all__ = ["DIALECTS", "Caps", "Dialect"]
