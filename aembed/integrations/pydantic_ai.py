"""Pydantic AI: an embedding model for its ``Embedder``.

embedder = pydantic_ai.Embedder(AembedEmbeddingModel("openai:text-embedding-3-small"))
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Unpack, cast

import anyio.to_thread

from aembed import ConfigError, EmbedderOptions, ProviderError
from aembed.integrations.embedders import Embedders, ModelArgument, as_lists
from aembed.integrations.framework import imported

with imported("pydantic-ai-slim", extra="pydantic-ai"):
    from pydantic_ai.embeddings import EmbeddingModel, EmbeddingResult, EmbeddingSettings
    from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
    from pydantic_ai.usage import RequestUsage

if TYPE_CHECKING:
    from aembed import EmbedResult, Kind

__all__ = ["AembedEmbeddingModel"]


class AembedEmbeddingModel(EmbeddingModel):
    """``EmbeddingModel`` with aembed's quota, retries and cache.

    ``model`` is ``"provider:model"``, a profile or an open ``Embedder``; ``options`` are those of ``new_embedder``.
    ``settings`` may have ``dimensions``, ``truncate`` and ``extra_headers``; each combination opens the model once.
    Failures of the provider are a ``ModelHTTPError`` or ``ModelAPIError``, with aembed's error as its cause.
    """

    def __init__(
        self,
        model: ModelArgument = None,
        *,
        settings: EmbeddingSettings | None = None,
        **options: Unpack[EmbedderOptions],
    ) -> None:
        super().__init__(settings=settings)
        self._model = model
        self._options = options
        self._embedders = {_key({}): Embedders(model, options)}

    def __repr__(self) -> str:
        return f"AembedEmbeddingModel({self.model_name!r})"

    @property
    def model_name(self) -> str:
        """The model's name without its provider."""
        return self._names[1]

    @property
    def system(self) -> str:
        """The provider's name."""
        return self._names[0]

    @property
    def _names(self) -> tuple[str, str]:
        provider, _, name = self._embedders[_key({})].name.partition(":")
        return (provider, name) if name else ("aembed", provider)

    async def embed(
        self, inputs: str | Sequence[str], *, input_type: Kind, settings: EmbeddingSettings | None = None
    ) -> EmbeddingResult:
        """Embed on the running event loop; usage as the provider reports it."""
        texts, merged = self.prepare_embed(inputs, settings)
        embedders = self._for(_open_options(merged))
        try:
            result = await embedders.embed(texts, input_type)
            spec = await embedders.spec()
        except ProviderError as error:
            self._raise(error)
        return EmbeddingResult(
            embeddings=await as_lists(result),
            inputs=texts,
            input_type=input_type,
            model_name=spec.name,
            provider_name=spec.provider,
            usage=_usage(result),
        )

    async def max_input_tokens(self) -> int | None:
        """The model's limit for one text; None where it is not known."""
        return (await self._embedders[_key({})].spec()).max_text_tokens

    async def count_tokens(self, text: str) -> int:
        """Tokens of a text: exact for models in this process, estimated for others."""
        embedder = await self._embedders[_key({})].opened()
        return (await anyio.to_thread.run_sync(embedder.measure, [text]))[0].tokens

    async def aclose(self) -> None:
        """Close all embedders that were opened."""
        for embedders in self._embedders.values():
            await embedders.aclose()

    def _for(self, wanted: EmbedderOptions) -> Embedders:
        key = _key(wanted)
        if key not in self._embedders:
            if not isinstance(self._model, str | None):
                raise ConfigError(f"an open embedder takes no settings; give {', '.join(wanted)} where it is opened")
            self._embedders[key] = Embedders(self._model, cast("EmbedderOptions", {**self._options, **wanted}))
        return self._embedders[key]

    def _raise(self, error: ProviderError) -> NoReturn:
        if error.status is None:
            raise ModelAPIError(self.model_name, str(error)) from error
        raise ModelHTTPError(error.status, self.model_name, str(error)) from error


def _open_options(settings: EmbeddingSettings) -> EmbedderOptions:
    """The settings of one call as options of ``new_embedder``."""
    wanted: EmbedderOptions = {}
    if settings.get("dimensions") is not None:
        wanted["dimensions"] = settings["dimensions"]
    if settings.get("truncate"):
        wanted["overlong"] = "truncate"
    if settings.get("extra_headers"):
        wanted["headers"] = settings["extra_headers"]
    return wanted


def _key(wanted: EmbedderOptions) -> str:
    return repr(sorted(wanted.items()))


def _usage(result: EmbedResult) -> Any:
    return RequestUsage(input_tokens=result.usage.tokens or 0)
