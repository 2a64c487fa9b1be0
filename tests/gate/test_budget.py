"""Retries are a share of the traffic, and a few with time: a job of a failing server waits, and loses nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Config, ConnectError, Embedder, EmbedderFactory, Kind, ModelSpec, Provider, Reply, RetryPolicy
from aembed._gate.budget import MAX_RETRIES, RETRIES_PER_ATTEMPT, RETRIES_PER_S, RetryBudget
from aembed.testing import ScriptedProvider

SPEC = ModelSpec(name="scripted", provider="scripted", dim=8, max_batch_texts=1, max_concurrency=4)


def test_a_new_account_has_some_retries_at_once_and_then_one_a_second() -> None:
    budget = RetryBudget()
    waits = [budget.take(100.0) for _ in range(int(MAX_RETRIES) + 3)]
    assert waits == pytest.approx(
        [0.0] * int(MAX_RETRIES) + [1.0 / RETRIES_PER_S, 2.0 / RETRIES_PER_S, 3.0 / RETRIES_PER_S]
    )


def test_first_attempts_pay_for_a_share_of_retries() -> None:
    budget = RetryBudget()
    at_once = 0
    for _ in range(10_000):
        budget.attempted()
        at_once += budget._left >= 1 and budget.take(0.0) == 0.0
    assert at_once == pytest.approx(RETRIES_PER_ATTEMPT * 10_000 + MAX_RETRIES, abs=2)


def test_no_more_is_saved_up_than_a_new_account_has() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.attempted()
    budget.take(0.0)
    waits = [budget.take(1e6) for _ in range(int(MAX_RETRIES) + 1)]
    assert waits.count(0.0) == int(MAX_RETRIES)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_every_wait_for_a_retry_is_finite_at_any_time_of_the_clock(times: list[float | None]) -> None:
    budget = RetryBudget()
    for n, now in enumerate(times):
        if now is None:
            budget.attempted()
        else:
            assert 0.0 <= budget.take(now) <= (n + 1) / RETRIES_PER_S
            assert math.isfinite(budget.take(now))


async def embedder(factory: EmbedderFactory, provider: Provider) -> Embedder:
    return await factory.new_embedder(provider, retry=RetryPolicy(initial_delay=0.001, max_delay=0.001))


@pytest.mark.virtual_time
async def test_a_server_that_fails_every_other_request_gets_little_more_traffic_and_no_text_is_lost(
    factory: EmbedderFactory,
) -> None:
    every_other = [ConnectError("broken") if n % 2 else None for n in range(4000)]
    provider = ScriptedProvider(every_other, spec=SPEC)
    result = await (await embedder(factory, provider)).embed([f"text {n}" for n in range(1000)], on_error="return")
    assert result.ok
    retries = len(provider.calls) - 1000
    assert retries <= 1000 * RETRIES_PER_ATTEMPT + MAX_RETRIES + asyncio.get_running_loop().time() * RETRIES_PER_S + 1


@pytest.mark.virtual_time
async def test_a_single_call_has_all_its_attempts(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([ConnectError("broken")] * 4, spec=SPEC)
    await (await embedder(factory, provider)).embed_query("text")
    assert len(provider.calls) == 5


@pytest.mark.virtual_time
async def test_an_outage_in_the_middle_of_a_job_loses_nothing() -> None:
    async with EmbedderFactory(Config()) as factory:
        provider = Unreachable(10.0, 40.0)
        result = await (await embedder(factory, provider)).embed([f"text {n}" for n in range(400)], on_error="return")
        assert result.ok
        assert provider.failed <= 30


class Unreachable(ScriptedProvider):
    """Cannot be reached between two times; each answer takes a second. More requests at once than are an outage."""

    def __init__(self, since: float, until: float) -> None:
        super().__init__(spec=replace(SPEC, max_concurrency=16), latency=1.0)
        self._since, self._until = since, until
        self.failed = 0

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        if self._since <= asyncio.get_running_loop().time() < self._until:
            self.failed += 1
            raise ConnectError("no route")
        return await super().embed(texts, kind=kind)
