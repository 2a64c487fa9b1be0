"""LangChain: embeddings for vector stores and retrievers.

store = InMemoryVectorStore(AembedEmbeddings("openai:text-embedding-3-small"))
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, cast

from aembed.integrations.embedders import Embedders, as_lists
from aembed.integrations.framework import imported

with imported("langchain-core", extra="langchain"):
    from langchain_core.embeddings import Embeddings

if TYPE_CHECKING:
    from aembed import EmbedderOptions
    from aembed.integrations.embedders import ModelArgument

__all__ = ["AembedEmbeddings"]


class AembedEmbeddings(Embeddings):
    """``Embeddings`` with aembed's quota, retries and cache.

    ``model`` is ``"provider:model"``, a profile or an open ``Embedder``; ``options`` are those of ``new_embedder``.
    Documents and queries are embedded as such. A blank text raises :class:`aembed.InputError` with its index.
    """

    def __init__(self, model: ModelArgument = None, **options: Unpack[EmbedderOptions]) -> None:
        self._embedders = Embedders(model, options)

    def __repr__(self) -> str:
        return f"AembedEmbeddings({self._embedders.name!r})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents, and block until they are done."""
        return cast("list[list[float]]", self._embedders.embed_blocking(texts, "document").vectors.tolist())

    def embed_query(self, text: str) -> list[float]:
        """Embed a query, and block until it is done."""
        return cast("list[float]", self._embedders.embed_blocking([text], "query").vectors[0].tolist())

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents on the running event loop."""
        return await as_lists(await self._embedders.embed(texts, "document"))

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a query on the running event loop."""
        return (await as_lists(await self._embedders.embed([text], "query")))[0]

    def close(self) -> None:
        """Close the embedder of the synchronous methods."""
        self._embedders.close()

    async def aclose(self) -> None:
        """Close all embedders that were opened."""
        await self._embedders.aclose()
