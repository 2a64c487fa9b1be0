"""Candidates: each opens the model of one directory and embeds from a coroutine, as its users would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aembed import Source
from aembed.providers._background import WorkerLanes
from aembed.providers._in_process import usable_cores
from aembed.providers._onnx import Encoder, plan_runs
from aembed.providers._packaged.minilm import load_minilm, minilm_files
from aembed.providers._tokenize import TextTokenizer, load_tokenizer


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


class BareOnnxruntime:
    """The floor: token ids that are ready, in the runs, threads and sessions of aembed, and nothing around them."""

    def __init__(self, documents: Any, queries: Any, tokenizer: Any, threads: int) -> None:
        self._documents, self._queries = documents, queries
        self._ids = lru_cache(None)(lambda texts: tokenizer.encode(texts).ids)
        self._lanes = WorkerLanes({"document": threads, "query": 1})

    async def documents(self, texts: Sequence[str]) -> Any:
        ids = self._ids(tuple(texts))
        vectors: list[Any] = [None] * len(ids)

        def step(run: list[int]) -> None:
            for piece, vector in zip(run, self._documents.run([ids[piece] for piece in run]), strict=True):
                vectors[piece] = vector

        await self._lanes.run_all("document", [partial(step, run) for run in plan_runs([len(each) for each in ids])])
        return np.stack(vectors)

    async def query(self, text: str) -> Any:
        return (await self._lanes.run("query", partial(self._queries.run, self._ids((text,)))))[0]


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
async def bare_onnxruntime(directory: Path) -> AsyncGenerator[Candidate]:
    """The packaged model in bare sessions, a thread a run for documents and all of them for a query."""
    files = minilm_files(Source(provider="local"))
    tokenizer = TextTokenizer(load_tokenizer(files.tokenizer), max_tokens=files.max_tokens, overlong="error")
    encoder = partial(Encoder, load_minilm(files.onnx), files, pad_id=tokenizer.pad_id)
    threads = usable_cores()
    yield BareOnnxruntime(encoder(threads=1), encoder(threads=threads), tokenizer, threads)


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
    "onnxruntime": bare_onnxruntime,
    "fastembed": fastembed(256),  # its default
    "fastembed (32)": fastembed(32),
    "fastembed (8)": fastembed(8),
    "infinity": infinity,
    "sentence-transformers": sentence_transformers,
}
ON_TORCH = ("infinity", "sentence-transformers")
"""These need numpy 1 and torch, so a separate environment."""
