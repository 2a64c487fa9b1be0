"""Under load: the mock with a few milliseconds of latency is the provider, and never the bottleneck."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

from aembed import RetryPolicy, bench
from perf.suite.corpora import SMALL, Corpus
from perf.suite.subjects import embedder

LATENCY = {"latency": 0.005, "latency_spread": 0.3}


@bench.scenario(on=["mock", "http"])
async def queries(case: Any) -> AsyncIterator[bench.Subject]:
    """Different ones, in turns."""
    options = LATENCY if case.on == "mock" else {}
    async with embedder(case.on, provider_options=options) as opened:
        texts = iter(Corpus().queries(500) * 10_000)

        async def call() -> Any:
            return await opened.embed_query(next(texts))

        yield bench.Subject(call, lambda row: None if row.ndim == 1 else f"shape {row.shape}")


@bench.scenario
async def mixed(_: Any) -> AsyncIterator[bench.Subject]:
    """Seven queries for every three calls with 10 documents."""
    async with embedder(provider_options=LATENCY) as opened:
        dice, corpus = random.Random(3), Corpus()
        asked, texts = corpus.queries(50), corpus.of_length(SMALL, 10)

        async def call() -> Any:
            if dice.random() < 0.7:
                return await opened.embed_query(dice.choice(asked))
            return await opened.embed_documents(texts)

        yield bench.Subject(call, lambda rows: None if rows.shape[-1] == 128 else f"shape {rows.shape}")


@bench.scenario
async def error_recovery(_: Any) -> AsyncIterator[bench.Subject]:
    """One request in ten fails and is retried: only the latency should change."""
    options = {**LATENCY, "error_rate": 0.1, "error_kinds": ["overloaded", "connect", "timeout"]}
    retry = RetryPolicy(initial_delay=0.005, max_delay=0.05, max_attempts=10)
    async with embedder(provider_options=options, retry=retry) as opened:
        question = Corpus().queries(1)[0]
        yield bench.query(opened, question)
