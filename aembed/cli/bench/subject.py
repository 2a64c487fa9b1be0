"""The model's calls as scenarios. Fresh processes find these here too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aembed import (
    DeadlineError,
    Embedder,
    EmbedderFactory,
    EmbedderOptions,
    InputError,
    Limits,
    ProviderError,
    bench,
)

NONE = [None]
OPTIONS: dict[str, Any] = dict.fromkeys(
    ("texts", "corpus", "tokens", "copies", "price", "base_url", "rpm", "tpm", "with_cache", "with_merge"), NONE
)
"""Parameters of both scenarios, as the command's options set them."""


@bench.scenario(model=NONE, documents=[1], **OPTIONS)
async def embed_documents(case: Any) -> AsyncIterator[bench.Subject]:
    """One call with ``documents`` texts."""
    async with _opened(case) as embedder:
        await _first_request(embedder)
        yield bench.documents(embedder, _corpus(case, "passages"), size=case.documents, price=case.price)


@bench.scenario(model=NONE, **OPTIONS)
async def embed_query(case: Any) -> AsyncIterator[bench.Subject]:
    """One query."""
    async with _opened(case) as embedder:
        await _first_request(embedder)
        yield bench.query(embedder, _corpus(case, "queries"), price=case.price)


async def _first_request(embedder: Embedder) -> None:
    """Learn the dimension, before the clock starts. A provider that fails here fails the run, which counts it."""
    with suppress(ProviderError, DeadlineError):
        await embedder.get_dimension()


@asynccontextmanager
async def _opened(case: Any) -> AsyncIterator[Embedder]:
    """The embedder, without cache and merging unless they are asked for: they would answer in the model's place."""
    options: EmbedderOptions = {}
    if not case.with_cache:
        options["cache"] = False
    if not case.with_merge:
        options["merge"] = False
    if case.base_url is not None:
        options["base_url"] = case.base_url
    if case.rpm is not None or case.tpm is not None:
        options["limits"] = Limits(requests_per_minute=case.rpm, tokens_per_minute=case.tpm)
    async with EmbedderFactory() as factory:
        yield await factory.new_embedder(case.model, **options)


def _corpus(case: Any, usual: str) -> bench.Corpus:
    """Every line of a file, or made-up texts."""
    if case.texts is None:
        return bench.corpus(case.corpus or usual, tokens=case.tokens, copies=case.copies)
    if case.corpus is not None or case.tokens is not None:
        raise InputError("--texts excludes --corpus and --tokens: the file has its own texts and lengths")
    return bench.corpus_of(Path(case.texts), copies=case.copies or 0.0)
