"""LlamaIndex: an embedding model for indices, pipelines and query engines.

Settings.embed_model = AembedEmbedding("openai:text-embedding-3-small")
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from aembed.integrations.embedders import Embedders, ModelArgument, as_lists
from aembed.integrations.framework import imported

with imported("llama-index-core", extra="llama-index"):
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import Field, PrivateAttr

__all__ = ["AembedEmbedding"]

LARGEST_BATCH = 2048
"""Texts in one call of aembed, the most that LlamaIndex allows; aembed itself cuts them into requests."""


class AembedEmbedding(BaseEmbedding):
    """``BaseEmbedding`` with aembed's quota, retries and cache; async methods run on the caller's event loop.

    ``model`` is ``"provider:model"``, a profile or an open ``Embedder``; ``options`` are those of ``new_embedder``.
    LlamaIndex's own ``rate_limiter`` and ``embeddings_cache`` are not needed: the first knows no quota of tokens, and
    with the second a text embedded as a query is used as a document.
    """

    options: dict[str, Any] = Field(default_factory=dict, description="Options of aembed.new_embedder, without keys.")
    _embedders: Embedders = PrivateAttr()

    def __init__(
        self,
        model: ModelArgument = None,
        *,
        model_name: str | None = None,
        embed_batch_size: int = LARGEST_BATCH,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """``model_name`` is the name under which LlamaIndex saves ``model``. ``more``: fields of ``BaseEmbedding``, and
        options of ``new_embedder``."""
        own = {name: more.pop(name) for name in list(more) if name in BaseEmbedding.model_fields}
        given = {**(options or {}), **more}
        embedders = Embedders(model if model is not None else _unless_default(model_name), cast("Any", given))
        open_options = {name: value for name, value in given.items() if name not in {"api_key", "headers"}}
        super().__init__(model_name=embedders.name, embed_batch_size=embed_batch_size, options=open_options, **own)
        self._embedders = embedders

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex saves it."""
        return "AembedEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return cast("list[float]", self._embedders.embed_blocking([query], "query").vectors[0].tolist())

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await as_lists(await self._embedders.embed([query], "query")))[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return cast("list[list[float]]", self._embedders.embed_blocking(texts, "document").vectors.tolist())

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await as_lists(await self._embedders.embed(texts, "document"))

    def close(self) -> None:
        """Close the embedder of the synchronous methods."""
        self._embedders.close()

    async def aclose(self) -> None:
        """Close all embedders that were opened."""
        await self._embedders.aclose()


def _unless_default(name: str | None) -> str | None:
    return None if name == "default" else name
