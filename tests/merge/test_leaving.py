"""Calls that are cancelled, late or closed take nothing from other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import DeadlineError, EmbedderFactory, Kind, Reply
from aembed.testing import ScriptedProvider
from tests.leaks import nothing_left_behind
from tests.merge.gathering import PATIENT, WIDE, queries
from tests.scripted import TEXTS, batches, expected


@pytest.mark.virtual_time
async def test_a_call_that_leaves_while_gathering_is_not_sent(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS[:5])
    for gone in (calls[1], calls[3]):
        gone.cancel()
    await asyncio.wait(calls)
    assert batches(provider) == [(TEXTS[0],), (TEXTS[2], TEXTS[4])]


@pytest.mark.virtual_time
async def test_the_last_call_that_leaves_while_gathering_leaves_no_timer(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(spec=WIDE, latency=1.0), merge=PATIENT)
    calls = await queries(embedder, TEXTS[:1])
    with nothing_left_behind():
        gathering = await queries(embedder, TEXTS[1:3])
        for call in gathering:
            call.cancel()
        await asyncio.wait(gathering)
    await asyncio.wait(calls)


@pytest.mark.virtual_time
async def test_a_call_that_leaves_a_request_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS[:5])
    await anyio.sleep(1.5)
    calls[1].cancel()
    await asyncio.wait(calls)
    np.testing.assert_array_equal([call.result() for call in calls[2:]], await expected(TEXTS[2:5]))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:5])]


@pytest.mark.virtual_time
async def test_the_last_one_out_cancels(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS[:3])
    await anyio.sleep(1.5)
    for call in calls[1:]:
        assert provider.in_flight == 1
        call.cancel()
        await asyncio.wait([call])
    assert provider.in_flight == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await embedder.embed_query(TEXTS[0])
    assert anyio.current_time() == pytest.approx(2.5)


@pytest.mark.virtual_time
async def test_a_deadline_is_that_of_one_call(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=10.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    deadlines = [None, None, 5.0, 15.0, None]
    outcomes = await asyncio.gather(
        *(embedder.embed([text], deadline=deadline) for text, deadline in zip(TEXTS[:5], deadlines, strict=True)),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "EmbedResult",
        "EmbedResult",
        "DeadlineError",
        "DeadlineError",
        "EmbedResult",
    ]
    partials = [outcome.partial for outcome in outcomes if isinstance(outcome, DeadlineError)]
    assert [partial.not_attempted for partial in partials if partial] == [(0,), ()]
    assert batches(provider)[1] == (TEXTS[1], TEXTS[3], TEXTS[4])


@pytest.mark.virtual_time
async def test_closing_waits_for_gathered_calls(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS)
    await embedder.aclose()
    np.testing.assert_array_equal([call.result() for call in calls], await expected(TEXTS))
    assert provider.closed == 1


@pytest.mark.virtual_time
async def test_closing_waits_for_a_request_that_is_slow_to_be_cancelled(factory: EmbedderFactory) -> None:
    """Its caller was cancelled, and then once more while it waited for the end of the request."""

    class Slow(ScriptedProvider):
        open_requests: int | None = None

        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            try:
                return await super()._answer(texts, kind)
            except asyncio.CancelledError:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5.0)
                raise

        async def aclose(self) -> None:
            self.open_requests = self.in_flight

    provider = Slow(spec=WIDE, latency=100.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    first, second = await queries(embedder, TEXTS[:2])
    await anyio.sleep(100.5)
    assert provider.in_flight == 1
    for _ in range(2):
        second.cancel()
        await anyio.wait_all_tasks_blocked()
    assert (first.done(), second.done(), provider.in_flight) == (True, True, 1)
    await embedder.aclose()
    assert provider.open_requests == 0
    assert anyio.current_time() == pytest.approx(105.5)
