"""What is measured: a model's calls, or the scenarios of a file. Fresh processes find these here too."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aembed import Embedder, EmbedderFactory, EmbedderOptions, InputError, Limits, bench

FROM_FILE = "texts"
VOCABULARY = (
    "a about after and answer before between book build change city day every field find for from garden green "
    "house idea in is it journey light line long machine model morning music night of on open order paper people "
    "place question rain read river road sea season signal small sound station story summer table text that the "
    "through time to tree under village water week wind window with word work world year"
)


NONE = [None]


@bench.scenario(
    model=NONE, documents=[1], base_url=NONE, rpm=NONE, tpm=NONE, with_cache=NONE, with_merge=NONE, texts=NONE
)
async def embed_documents(case: Any) -> AsyncIterator[bench.Subject]:
    """One call with ``documents`` texts."""
    async with _opened(case) as embedder:
        await embedder.get_dimension()
        yield bench.documents(embedder, _texts(case.texts, case.documents))


@bench.scenario(model=NONE, base_url=NONE, rpm=NONE, tpm=NONE, with_cache=NONE, with_merge=NONE, texts=NONE)
async def embed_query(case: Any) -> AsyncIterator[bench.Subject]:
    """One query."""
    async with _opened(case) as embedder:
        await embedder.get_dimension()
        yield bench.query(embedder, _texts(case.texts, 1)[0])


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


def _texts(file: str | None, count: int) -> list[str]:
    """Lines of the file, again from the beginning where there are too few; or made-up sentences of 8 to 30 words."""
    if file is None:
        dice, words = random.Random(1), VOCABULARY.split()  # noqa: S311 (the same texts on every run)
        return [" ".join(dice.choices(words, k=dice.randint(8, 30))) for _ in range(count)]
    lines = [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{file} holds no text")
    return [lines[i % len(lines)] for i in range(count)]
