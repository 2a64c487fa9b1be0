"""Candidates: each opens the model of one directory and embeds from a coroutine, as its users would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Candidate(Protocol):
    """An opened library."""

    async def documents(self, texts: Sequence[str]) -> Any: ...

    async def query(self, text: str) -> Any: ...


class Aembed:
    """The whole library: planning, gate, checks, placing."""

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder

    async def documents(self, texts: Sequence[str]) -> Any:
        return await self._embedder.embed_documents(texts)

    async def query(self, text: str) -> Any:
        return await self._embedder.embed_query(text)


class AembedProvider:
    """The provider alone, fed with batches in input order."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    async def documents(self, texts: Sequence[str]) -> Any:
        size = self._provider.spec.max_batch_texts
        batches = [texts[at : at + size] for at in range(0, len(texts), size)]
        replies = [await self._provider.embed(batch, kind="document") for batch in batches]
        return np.concatenate([reply.vectors for reply in replies])

    async def query(self, text: str) -> Any:
        return (await self._provider.embed([text], kind="query")).vectors[0]


class InThread:
    """A synchronous library in a worker thread, which is how an asyncio program has to call it."""

    def __init__(self, documents: Callable[[list[str]], Any], query: Callable[[str], Any]) -> None:
        self._documents = documents
        self._query = query

    async def documents(self, texts: Sequence[str]) -> Any:
        return await asyncio.to_thread(self._documents, list(texts))

    async def query(self, text: str) -> Any:
        return await asyncio.to_thread(self._query, text)


class Infinity:
    def __init__(self, engine: Any) -> None:
        self._engine = engine

    async def documents(self, texts: Sequence[str]) -> Any:
        return np.asarray((await self._engine.embed(list(texts)))[0])

    async def query(self, text: str) -> Any:
        return (await self._engine.embed([text]))[0][0]


@asynccontextmanager
async def aembed(directory: Path) -> AsyncGenerator[Candidate]:
    from aembed import EmbedderFactory

    async with EmbedderFactory() as factory:
        yield Aembed(await factory.new_embedder("local"))


@asynccontextmanager
async def aembed_provider(directory: Path) -> AsyncGenerator[Candidate]:
    from aembed import Source
    from aembed.providers.local import open_provider

    provider = await open_provider(Source(provider="local"))
    yield AembedProvider(provider)
    await provider.aclose()


@asynccontextmanager
async def aembed_directory(directory: Path) -> AsyncGenerator[Candidate]:
    """``local:/path``: the file as it is, without the fused graph of the packaged model."""
    from aembed import EmbedderFactory

    async with EmbedderFactory() as factory:
        yield Aembed(await factory.new_embedder(f"local:{directory}"))


def fastembed(batch_size: int) -> Callable[[Path], AbstractAsyncContextManager[Candidate]]:
    @asynccontextmanager
    async def opened(directory: Path) -> AsyncGenerator[Candidate]:
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        name = f"perf/all-MiniLM-L6-v2-{batch_size}"
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf=name),
            dim=384,
            model_file="model.onnx",
        )
        model = TextEmbedding(name, specific_model_path=str(directory))
        yield InThread(
            lambda texts: np.stack(list(model.embed(texts, batch_size=batch_size))),
            lambda text: next(iter(model.query_embed(text))),
        )

    return opened


@asynccontextmanager
async def infinity(directory: Path) -> AsyncGenerator[Candidate]:
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    arguments = EngineArgs(model_name_or_path=str(directory), engine="torch", device="cpu", model_warmup=False)
    engine = AsyncEmbeddingEngine.from_args(arguments)
    async with engine:
        yield Infinity(engine)


@asynccontextmanager
async def sentence_transformers(directory: Path) -> AsyncGenerator[Candidate]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(directory), device="cpu")
    yield InThread(model.encode, lambda text: model.encode([text])[0])


CANDIDATES: dict[str, Callable[[Path], AbstractAsyncContextManager[Candidate]]] = {
    "aembed": aembed,
    "aembed (provider)": aembed_provider,
    "aembed (directory)": aembed_directory,
    "fastembed": fastembed(256),  # its default
    "fastembed (32)": fastembed(32),
    "fastembed (8)": fastembed(8),
    "infinity": infinity,
    "sentence-transformers": sentence_transformers,
}
ON_TORCH = ("infinity", "sentence-transformers")
"""These need numpy 1 and torch, so a separate environment."""
