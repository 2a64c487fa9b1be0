"""Histograms of calls and of their waits."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from aembed import Config, DeadlineError, EmbedderFactory, Limits, telemetry
from aembed.testing import ScriptedProvider
from tests.engine.call import TEXTS
from tests.telemetry.scrape import CALLS, samples, value

BOUNDS = {
    "aembed_call_duration_seconds": "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1.0 2.5 5.0 10.0 30.0 60.0 300.0",
    "aembed_gate_wait_seconds": "0.001 0.01 0.1 0.5 1.0 2.5 5.0 10.0 30.0 60.0 120.0",
}


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("name", "took"), [("aembed_call_duration_seconds", (0.5, 2.5)), ("aembed_gate_wait_seconds", (0.0, 0.5))]
)
async def test_a_duration_counts_in_every_bucket_from_its_own_on(name: str, took: tuple[float, ...]) -> None:
    """The second document waits for the first, which takes half a second."""
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder(ScriptedProvider([0.5, 2.0]), limits=Limits(max_concurrency=1))
        await asyncio.gather(*(embedder.embed_documents([text]) for text in TEXTS[:2]))
        exposed = samples(registry)
    counts = {dict(labels)["le"]: number for (sample, labels), number in exposed.items() if sample == f"{name}_bucket"}
    bounds = (*BOUNDS[name].split(), "+Inf")
    assert counts == {bound: sum(each <= float(bound) for each in took) for bound in bounds}
    assert value(registry, f"{name}_sum") == sum(took)


async def test_hits_alone_wait_for_nothing_and_are_no_wait_of_zero() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder("mock", cache=True)
        for _ in range(3):
            await embedder.embed_query("one")
        assert value(registry, CALLS) == 3
        assert value(registry, "aembed_gate_wait_seconds_count") == 1


@pytest.mark.virtual_time
async def test_a_call_that_waits_until_its_deadline_has_waited() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder(ScriptedProvider(), limits=Limits(requests_per_minute=1))
        await embedder.embed_query("one")
        with pytest.raises(DeadlineError):
            await embedder.embed_query("two", deadline=2.0)
        assert value(registry, "aembed_gate_wait_seconds_sum") == pytest.approx(2.0, abs=1e-6)
        assert value(registry, "aembed_gate_wait_seconds_count") == 2
