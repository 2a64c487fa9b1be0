"""Chroma: an embedding function for collections, which Chroma saves by name and options.

    client.create_collection("papers", embedding_function=AembedEmbeddingFunction("openai:text-embedding-3-small"))

Import this module before a collection is opened again, so that Chroma finds the function by its name.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

from aembed.integrations.embedders import Embedders
from aembed.integrations.framework import imported

with imported("chromadb", extra="chroma"):
    from chromadb.api.types import Documents, EmbeddingFunction
    from chromadb.utils.embedding_functions import register_embedding_function

if TYPE_CHECKING:
    from aembed import EmbedderOptions, Kind, Vector
    from aembed.integrations.embedders import ModelArgument

__all__ = ["AembedEmbeddingFunction"]

_BUILT: dict[str, Embedders] = {}
"""By configuration, of functions that Chroma builds: one whenever a collection is opened, and it closes none."""


@register_embedding_function
class AembedEmbeddingFunction(EmbeddingFunction[Documents]):
    """``EmbeddingFunction`` with aembed's quota, retries and cache; queries are embedded as queries.

    ``model`` is ``"provider:model"`` or a profile; ``options`` are those of ``new_embedder``. An open embedder works
    too, but Chroma cannot save a collection with it. Keys are never saved: set the provider's variable.
    """

    def __init__(self, model: ModelArgument = None, **options: Unpack[EmbedderOptions]) -> None:
        self._embedders = Embedders(model, options)

    def __call__(self, input: Documents) -> list[Vector]:  # noqa: A002  # Chroma names it
        """float32 arrays, one for each document."""
        return self._embed(input, "document")

    def embed_query(self, input: Documents) -> list[Vector]:  # noqa: A002  # Chroma names it
        """float32 arrays, one for each query."""
        return self._embed(input, "query")

    @staticmethod
    def name() -> str:
        """The name under which Chroma saves it."""
        return "aembed"

    def default_space(self) -> str:
        """Cosine, which is right for every embedding model, of unit length or not."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """Model and options. Raises :class:`aembed.ConfigError` for a key or an open embedder."""
        return {"model": self._embedders.saved_model(), "options": self._embedders.saved_options()}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> AembedEmbeddingFunction:
        """The function that :meth:`get_config` described."""
        function = AembedEmbeddingFunction(config.get("model"), **cast("Any", config.get("options") or {}))
        function._embedders = _BUILT.setdefault(json.dumps(config, sort_keys=True), function._embedders)
        return function

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Raises ``ValueError`` for another model: its vectors cannot be compared with those of the collection."""
        if old_config.get("model") != new_config.get("model"):
            old, new = old_config.get("model"), new_config.get("model")
            raise ValueError(f"the collection has vectors of {old!r}; make another for {new!r}")

    def close(self) -> None:
        """Close the model. Calls open it again."""
        self._embedders.close()

    def _embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]:
        return list(self._embedders.embed_blocking(texts, kind).vectors)
