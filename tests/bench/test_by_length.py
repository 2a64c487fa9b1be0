"""Service time by length: the time that a server takes for every token is found."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import Embedder, EmbedderFactory, Kind, Provider, Registry, Reply, bench
from aembed.bench.model.work import LengthCost
from aembed.bench.report import sections
from aembed.bench.stats.fits import line_by_groups
from aembed.testing import ScriptedProvider

FIXED, PER_TOKEN = 0.005, 20e-6
"""The planted server."""


class Planted(ScriptedProvider):
    """Takes 5 ms and 20 us for each token, and with ``noise`` a lognormal multiple of that."""

    def __init__(self, tokens: Callable[[str], float], *, reported: bool, noise: float) -> None:
        super().__init__()
        self._tokens, self._reported, self._noise = tokens, reported, noise
        self._dice = random.Random(1)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        tokens = sum(map(self._tokens, texts))
        factor = self._dice.lognormvariate(-(self._noise**2) / 2, self._noise)
        await anyio.sleep(factor * (FIXED + PER_TOKEN * tokens))
        reply = await super().embed(texts, kind=kind)
        return replace(reply, tokens=round(tokens) if self._reported else None)


@asynccontextmanager
async def embedding(provider: Provider) -> AsyncIterator[Embedder]:
    async def open_provider(_: Any) -> Provider:
        return provider

    registry = Registry()
    registry.register("planted", open_provider)
    async with EmbedderFactory(registry=registry) as factory:
        yield await factory.new_embedder("planted:one")


async def found(provider: Provider, *, corpus: bench.Corpus, size: str = "1", seconds: float = 20) -> bench.Report:
    async with embedding(provider) as embedder:
        subject = bench.documents(embedder, corpus, size=size)
        return await bench.load(subject, arrivals=bench.poisson(50), duration=seconds, seed=2)


def line(report: bench.Report) -> LengthCost:
    assert report.work is not None
    assert report.work.by_length is not None
    return report.work.by_length


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("tokens", "reported", "size"),
    [(lambda text: len(text) / 4, False, "1"), (lambda text: len(text.split()) * 1.3, True, "1..4")],
    ids=["characters", "reported tokens"],
)
async def test_truth_a_planted_server_is_found(tokens: Callable[[str], float], reported: bool, size: str) -> None:
    """Both figures within 3 %, by the tokens that the report counts."""
    provider = Planted(tokens, reported=reported, noise=0.0)
    report = await found(provider, corpus=bench.corpus("documents"), size=size)
    fit = line(report)
    assert fit.requests == 1000
    assert fit.fixed.value == pytest.approx(FIXED, rel=0.03)
    per_token = fit.per_character.value * (fit.characters_per_token if reported else 4)
    assert per_token == pytest.approx(PER_TOKEN, rel=0.03)
    (table,) = [table for table in sections.tables(report) if table.title == "Service time by length"]
    assert [row[0] for row in table.rows][:2] == ["fixed", "per 1,000 characters"]
    assert len(table.rows) == 2 + reported
    assert bench.reports_from_json(bench.reports_to_json([report])) == (report,)


@pytest.mark.virtual_time
async def test_intervals_hold_the_truth_under_noise() -> None:
    provider = Planted(lambda text: len(text) / 4, reported=False, noise=0.3)
    fit = line(await found(provider, corpus=bench.corpus("documents")))
    for estimate, true in ((fit.fixed, FIXED), (fit.per_character, PER_TOKEN / 4)):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= true <= estimate.high
        assert estimate.high - estimate.low < true


@pytest.mark.virtual_time
@pytest.mark.parametrize(("tokens", "seconds"), [("40", 20.0), ("20..500", 1.0)], ids=["equal lengths", "too few"])
async def test_there_is_no_line_where_none_can_be_seen(tokens: str, seconds: float) -> None:
    provider = Planted(len, reported=False, noise=0.0)
    report = await found(provider, corpus=bench.corpus(tokens=tokens), seconds=seconds)
    assert report.work is not None
    assert (report.work.by_length is None) == (seconds == 1.0 or tokens == "40")


def test_groups_cover_dependent_values() -> None:
    """Noise that neighbours share would make the usual intervals too narrow."""
    dice, covered, usual = np.random.default_rng(3), 0, 0
    for _ in range(200):
        noise = np.repeat(dice.normal(0, 1, 100), 8)
        x = np.repeat(dice.uniform(0, 10, 100), 8)
        _, slope = line_by_groups(x, 2 + 0.5 * x + noise, 20)
        covered += (slope.low or 0) <= 0.5 <= (slope.high or 0)
        half = 1.96 / np.sqrt(len(x)) / x.std()
        usual += abs(slope.value - 0.5) <= half
    assert covered >= 0.92 * 200 > usual


def test_a_line_needs_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match="the same x"):
        line_by_groups([1.0] * 40, range(40), 4)
