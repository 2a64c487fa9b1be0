"""Haystack: components that embed queries and documents.

    pipeline.add_component("embedder", AembedTextEmbedder("openai:text-embedding-3-small"))

Haystack loads saved pipelines only with classes it trusts: ``Pipeline.load(file, allowed_modules=[__name__])``, where
the name is ``"aembed.integrations.haystack"``.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from aembed import EmbedderOptions, EmbedResult
from aembed.integrations.embedders import Embedders, ModelArgument, as_lists
from aembed.integrations.framework import imported

with imported("haystack-ai", extra="haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.utils import Secret

__all__ = ["AembedDocumentEmbedder", "AembedTextEmbedder"]

T = TypeVar("T")


class _Component:
    """Parts that both components share: opening, closing and the model's name and usage."""

    def __init__(self, model: ModelArgument, api_key: Secret | None, options: dict[str, Any] | None) -> None:
        self.model = model
        self.api_key = api_key
        self.options = options or {}
        self._embedders: Embedders | None = None

    @property
    def embedders(self) -> Embedders:
        """Made at the first call: only then a key is read."""
        if self._embedders is None:
            key = {} if self.api_key is None else {"api_key": self.api_key.resolve_value()}
            self._embedders = Embedders(self.model, cast("EmbedderOptions", {**self.options, **key}))
        return self._embedders

    def saved(self) -> dict[str, Any]:
        """Parameters for ``to_dict``. Raises :class:`aembed.ConfigError` for a key or an open embedder."""
        embedders = Embedders(self.model, cast("EmbedderOptions", self.options))
        return {"model": embedders.saved_model(), "api_key": self.api_key, "options": embedders.saved_options()}

    def meta(self, result: EmbedResult) -> dict[str, Any]:
        """Model and usage, in the form of Haystack's own embedders."""
        tokens = result.usage.tokens or 0
        return {"model": self.embedders.name, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


@component
class AembedTextEmbedder:
    """Embeds one text as a query, with aembed's quota, retries and cache.

    ``model`` is ``"provider:model"``, a profile or an open ``Embedder``; ``options`` are those of ``new_embedder``.
    ``api_key`` is a Haystack ``Secret``; without it the key comes from the provider's variable.
    """

    def __init__(
        self, model: ModelArgument = None, *, api_key: Secret | None = None, options: dict[str, Any] | None = None
    ) -> None:
        self._embedding = _Component(model, api_key, options)

    def warm_up(self) -> None:
        """Open the model for :meth:`run`."""
        self._embedding.embedders.opened_blocking()

    async def warm_up_async(self) -> None:
        """Open the model for :meth:`run_async`."""
        await self._embedding.embedders.opened()

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a query, and block until it is done."""
        result = self._embedding.embedders.embed_blocking([text], "query")
        return {"embedding": result.vectors[0].tolist(), "meta": self._embedding.meta(result)}

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed a query on the running event loop."""
        result = await self._embedding.embedders.embed([text], "query")
        return {"embedding": (await as_lists(result))[0], "meta": self._embedding.meta(result)}

    def close(self) -> None:
        """Close the embedder of :meth:`run`."""
        self._embedding.embedders.close()

    async def close_async(self) -> None:
        """Close all embedders that were opened."""
        await self._embedding.embedders.aclose()

    def to_dict(self) -> dict[str, Any]:
        """The component without any key."""
        return cast("dict[str, Any]", default_to_dict(self, **self._embedding.saved()))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AembedTextEmbedder:
        """The component that :meth:`to_dict` described."""
        return cast("AembedTextEmbedder", default_from_dict(cls, data))


@component
class AembedDocumentEmbedder:
    """Embeds documents, with aembed's quota, retries and cache. Options are those of :class:`AembedTextEmbedder`.

    ``meta_fields_to_embed`` are put before the content of a document, separated by ``embedding_separator``. Documents
    come back as copies with their embedding, in their order.
    """

    def __init__(
        self,
        model: ModelArgument = None,
        *,
        api_key: Secret | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        options: dict[str, Any] | None = None,
    ) -> None:
        self._embedding = _Component(model, api_key, options)
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator = embedding_separator

    def warm_up(self) -> None:
        """Open the model for :meth:`run`."""
        self._embedding.embedders.opened_blocking()

    async def warm_up_async(self) -> None:
        """Open the model for :meth:`run_async`."""
        await self._embedding.embedders.opened()

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents, and block until they are done."""
        result = self._embedding.embedders.embed_blocking(self._texts(documents), "document")
        return self._answer(documents, result, result.vectors.tolist())

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents on the running event loop."""
        result = await self._embedding.embedders.embed(self._texts(documents), "document")
        return self._answer(documents, result, await as_lists(result))

    def close(self) -> None:
        """Close the embedder of :meth:`run`."""
        self._embedding.embedders.close()

    async def close_async(self) -> None:
        """Close all embedders that were opened."""
        await self._embedding.embedders.aclose()

    def to_dict(self) -> dict[str, Any]:
        """The component without any key."""
        own = {
            "meta_fields_to_embed": self.meta_fields_to_embed,
            "embedding_separator": self.embedding_separator,
        }
        return cast("dict[str, Any]", default_to_dict(self, **self._embedding.saved(), **own))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AembedDocumentEmbedder:
        """The component that :meth:`to_dict` described."""
        return cast("AembedDocumentEmbedder", default_from_dict(cls, data))

    def _texts(self, documents: Sequence[Document]) -> list[str]:
        if isinstance(documents, str) or not all(isinstance(each, Document) for each in documents):
            raise TypeError("AembedDocumentEmbedder takes a list of Documents; for a text, use AembedTextEmbedder")
        return [self.embedding_separator.join([*self._fields(each), each.content or ""]) for each in documents]

    def _fields(self, document: Document) -> list[str]:
        values = (document.meta.get(name) for name in self.meta_fields_to_embed)
        return [str(value) for value in values if value is not None]

    def _answer(self, documents: Sequence[Document], result: EmbedResult, rows: list[list[float]]) -> dict[str, Any]:
        done = [replace(document, embedding=row) for document, row in zip(documents, rows, strict=True)]
        return {"documents": done, "meta": self._embedding.meta(result)}
