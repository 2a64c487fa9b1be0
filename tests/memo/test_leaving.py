"""Calls that are cancelled and embedders that are closed take nothing from other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import DeadlineError, EmbedderFactory, Kind, Limits, RateLimitError, Reply
from aembed._settings.options import Options
from aembed._sharing.cache_key import CacheKeys
from aembed.testing import ScriptedProvider
from tests.memo.shelf import Shelf, started
from tests.scripted import PAIRS, TEXTS, expected, sent


@pytest.mark.virtual_time
@pytest.mark.parametrize("leaves", [0, 1, 2])
async def test_a_call_that_leaves_takes_nothing_from_the_others(factory: EmbedderFactory, leaves: int) -> None:
    provider = ScriptedProvider(latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [await started(embedder.embed_documents(TEXTS[start:])) for start in (0, 2, 4)]
    calls[leaves].cancel()
    await asyncio.wait(calls)
    for start, call in zip((0, 2, 4), calls, strict=True):
        if call is not calls[leaves]:
            np.testing.assert_array_equal(call.result(), await expected(TEXTS[start:]))
    assert calls[leaves].cancelled()
    assert len(provider.calls) == 1


@pytest.mark.virtual_time
async def test_the_last_one_out_cancels(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [await started(embedder.embed_documents(TEXTS)) for _ in range(3)]
    before = asyncio.all_tasks() - set(calls)
    for call in calls:
        assert provider.in_flight == 1
        call.cancel()
        await asyncio.wait([call])
    assert provider.in_flight == 0
    assert asyncio.all_tasks() < before  # the flight's own is gone too
    await embedder.embed_documents(TEXTS)
    assert len(provider.calls) == 2


@pytest.mark.virtual_time
async def test_texts_that_no_call_wants_any_more_are_not_sent(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    leader = await started(embedder.embed_documents(TEXTS))
    follower = await started(embedder.embed_documents(TEXTS[9:10]))
    leader.cancel()
    np.testing.assert_array_equal(await follower, await expected(TEXTS[9:10]))
    await anyio.sleep(100)
    assert [call.texts for call in provider.calls if call.ended == call.started + 1.0] == [tuple(TEXTS[8:10])]
    await embedder.embed_documents(TEXTS)
    assert embedder.statistics().cache_hits == 2


@pytest.mark.virtual_time
async def test_rows_that_were_paid_for_are_cached_even_if_no_call_waits(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, spec=PAIRS)
    shelf = Shelf(slow=0.4)
    embedder = await factory.new_embedder(provider, cache=shelf, limits=Limits(max_concurrency=1))
    call = asyncio.create_task(embedder.embed_documents(TEXTS))
    await anyio.sleep(3.5)
    call.cancel()
    await asyncio.wait([call])
    await embedder.aclose()
    assert len(shelf.kept) == 6


@pytest.mark.virtual_time
async def test_a_newcomer_after_the_last_one_out_starts_anew(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider, cache=True)
    call = await started(embedder.embed_documents(TEXTS))
    call.cancel()
    other = asyncio.create_task(embedder.embed_documents(TEXTS))
    np.testing.assert_array_equal(await other, await expected(TEXTS))
    assert call.cancelled()


@pytest.mark.virtual_time
async def test_a_call_that_leaves_during_its_lookup_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=Shelf(slow=10.0))
    calls = [await started(embedder.embed_documents(TEXTS)) for _ in range(2)]
    calls[0].cancel()
    np.testing.assert_array_equal(await calls[1], await expected(TEXTS))
    assert len(provider.calls) == 1


@pytest.mark.virtual_time
async def test_a_call_that_leaves_before_its_request_takes_nothing_from_the_others(
    factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aembed._sharing.cache_layer.MAX_TEXTS_PER_STEP", 1)
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=True)
    leader = asyncio.create_task(embedder.embed_documents(TEXTS))
    for _ in range(5):
        await anyio.lowlevel.checkpoint()
    follower = asyncio.create_task(embedder.embed_documents(TEXTS[:2]))
    for _ in range(2):
        await anyio.lowlevel.checkpoint()
    assert embedder.statistics().cache_shared == 2
    leader.cancel()
    np.testing.assert_array_equal(await follower, await expected(TEXTS[:2]))
    assert leader.cancelled()
    assert sent(provider) == TEXTS[:2]


@pytest.mark.virtual_time
async def test_closing_an_embedder_takes_nothing_from_another(factory: EmbedderFactory) -> None:
    providers = [ScriptedProvider(latency=10.0, spec=PAIRS) for _ in range(2)]
    one, other = [await factory.new_embedder(provider, cache=True) for provider in providers]
    leader = await started(one.embed_documents(TEXTS[:2]))
    follower = await started(other.embed_documents(TEXTS[:2]))
    leader.cancel()
    await anyio.sleep(1)
    assert providers[0].in_flight == 1
    await one.aclose()
    assert providers[0].in_flight == 0
    np.testing.assert_array_equal(await follower, await expected(TEXTS[:2]))
    assert sent(providers[1]) == TEXTS[:2]


@pytest.mark.virtual_time
async def test_texts_given_back_are_sent_in_the_order_of_the_input(factory: EmbedderFactory) -> None:
    """The follower asks in another order than the leader, and another process has kept the rows meanwhile."""
    shelf = Shelf()
    one, other = [await factory.new_embedder(ScriptedProvider(latency=10.0), cache=shelf) for _ in range(2)]
    leader = await started(one.embed_documents(TEXTS[:4]))
    follower = await started(other.embed_documents(TEXTS[3::-1]))
    keys = CacheKeys(one.spec, Options(), "ScriptedProvider").of(TEXTS[:4], "document")
    shelf.kept.update(zip(keys, await expected(TEXTS[:4]), strict=True))
    leader.cancel()
    await one.aclose()
    np.testing.assert_array_equal(await follower, await expected(TEXTS[3::-1]))
    assert other.statistics().requests == 0


@pytest.mark.virtual_time
async def test_closing_waits_for_calls_in_flight(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider, cache=True)
    call = await started(embedder.embed_documents(TEXTS))
    await embedder.aclose()
    np.testing.assert_array_equal(call.result(), await expected(TEXTS))


@pytest.mark.virtual_time
async def test_a_call_out_of_time_waits_for_the_end_of_its_cancelled_request(factory: EmbedderFactory) -> None:
    """Also where a scope of anyio cancels everything that the call waits for, again and again."""

    class Slow(ScriptedProvider):
        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            try:
                return await super()._answer(texts, kind)
            except asyncio.CancelledError:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5.0)
                raise

    provider = Slow(latency=100.0)
    embedder = await factory.new_embedder(provider, cache=True)
    with anyio.move_on_after(1.0) as scope:
        await embedder.embed_query(TEXTS[0])
    assert scope.cancelled_caught
    assert provider.in_flight == 0
    assert anyio.current_time() == pytest.approx(6.0)


@pytest.mark.virtual_time
async def test_a_late_call_fails_at_once_if_the_text_it_waits_for_cannot_be_sent_in_time(
    factory: EmbedderFactory,
) -> None:
    """The account is paused for a minute; the text of another call is waiting for its end."""
    provider = ScriptedProvider([RateLimitError("slowly", retry_after=60.0)])
    embedder = await factory.new_embedder(provider, cache=True)
    rejected = await started(embedder.embed_query("rejected", deadline=3600.0))
    patient = await started(embedder.embed_query("text", deadline=3600.0))
    before = anyio.current_time()
    with pytest.raises(DeadlineError):
        await embedder.embed_query("text", deadline=20.0)
    assert anyio.current_time() == pytest.approx(before)
    np.testing.assert_array_equal([await rejected, await patient], await expected(["rejected", "text"]))
    assert sorted(sent(provider)) == ["rejected", "rejected", "text"]
