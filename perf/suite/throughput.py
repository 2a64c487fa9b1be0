"""Texts of several sizes, in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aembed import bench
from perf.suite.corpora import LARGE, MEDIUM, SMALL, Corpus
from perf.suite.subjects import embedder

CHARACTERS = {"small": SMALL, "medium": MEDIUM, "large": LARGE}
WORDS = {"5 to 10": (5, 10), "20 to 50": (20, 50), "100 to 200": (100, 200)}


@bench.scenario(size=list(CHARACTERS), documents=[10, 50])
async def by_characters(case: Any) -> AsyncIterator[bench.Subject]:
    """47, 133 and 2300 characters, on the mock."""
    async with embedder() as opened:
        yield bench.documents(opened, Corpus().of_length(CHARACTERS[case.size], case.documents))


@bench.scenario(words=list(WORDS), documents=[10, 50])
async def by_words(case: Any) -> AsyncIterator[bench.Subject]:
    """On the mock."""
    async with embedder() as opened:
        yield bench.documents(opened, Corpus().of_words(*WORDS[case.words], case.documents))


@bench.scenario(on=["local", "http"])
async def realistic(case: Any) -> AsyncIterator[bench.Subject]:
    """10 documents as they come: most short, some long, other scripts, copies."""
    async with embedder(case.on, overlong="truncate") as opened:
        yield bench.documents(opened, Corpus().documents(10))
