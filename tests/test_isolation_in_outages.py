"""In an outage no batch is split, and no text is blamed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import anyio
import pytest

from aembed import (
    AembedError,
    AuthenticationError,
    BadTextError,
    Config,
    ConnectError,
    EmbedderFactory,
    Kind,
    Limits,
    ModelSpec,
    OverloadedError,
    RateLimitError,
    Reply,
    RequestTimeoutError,
    RetryPolicy,
)
from aembed._engine.proof import PROBE
from aembed.testing import ScriptedProvider
from tests.loops import run
from tests.poisoned import ATTEMPTS, CRASH, QUICK, TEXTS, Poisoned, embed, splits
from tests.scripted import batches


@pytest.mark.virtual_time
@pytest.mark.parametrize("failure", [OverloadedError("down", status=503), ConnectError("refused")], ids=str)
@pytest.mark.parametrize("concurrency", [1, 16])
async def test_fault_84_in_an_outage_nothing_is_halved(failure: AembedError, concurrency: int) -> None:
    spec = ModelSpec(name="down", provider="scripted", dim=8, max_batch_texts=4)
    provider = ScriptedProvider([failure] * 9999, spec=spec)
    result, statistics, events = await embed(provider, TEXTS, limits=Limits(max_concurrency=concurrency))
    assert len(result.failures) == 20
    assert not any(getattr(error, "isolated", False) for error in result.failures.values())
    assert [call for call in batches(provider) if len(call) < 4] == [(PROBE,)], "one short text in all"
    assert splits(events) == []
    assert statistics.failed == 20


@pytest.mark.virtual_time
async def test_an_outage_that_begins_during_the_search_ends_it() -> None:
    class Dying(Poisoned):
        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            if len(self.calls) > ATTEMPTS + 2:
                raise OverloadedError("down", status=503)
            return await super()._answer(texts, kind)

    texts = [f"text {number}" for number in range(1000)]
    provider = Dying(texts[:1], CRASH, size=1000)
    result, _, _ = await embed(provider, texts)
    assert sorted(result.failures) == list(range(500))
    assert len(provider.calls) < 30
    assert not any(error.isolated for error in result.failures.values() if error.status == 503)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "failure",
    [
        RateLimitError("too fast", retry_after=1e6),
        OverloadedError("busy", retry_after=1e6),
        OverloadedError("no use", retryable=False),
        RequestTimeoutError("slow"),
        AuthenticationError("who are you"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_an_error_about_the_server_is_no_fault_of_a_text(failure: AembedError) -> None:
    provider = ScriptedProvider([failure] * 99)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, retry=QUICK)
        with pytest.raises(type(failure)):
            await embedder.embed_documents(TEXTS)
    assert {len(call) for call in batches(provider)} == {20}


@pytest.mark.virtual_time
async def test_a_batch_that_is_too_slow_is_halved_if_others_are_answered() -> None:
    class Slow(ScriptedProvider):
        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            if "slow" in texts:
                await anyio.sleep(100.0)
            await anyio.sleep(1.0)
            return await super()._answer(texts, kind)

    spec = ModelSpec(name="slow", provider="scripted", dim=8, max_batch_texts=4)
    texts = [*TEXTS[:4], "slow", *TEXTS[4:7], *TEXTS]
    result, _, _ = await embed(Slow(spec=spec), texts, timeout=2.0, limits=Limits(max_concurrency=2))
    assert list(result.failures) == [4]


@pytest.mark.virtual_time
async def test_one_text_to_a_request_is_isolated_by_its_siblings() -> None:
    provider = Poisoned([TEXTS[7]], CRASH, size=1)
    result, _, _ = await embed(provider, TEXTS)
    assert {index: (error.index, error.isolated) for index, error in result.failures.items()} == {7: (7, True)}


@pytest.mark.virtual_time
async def test_a_document_without_siblings_is_blamed_if_the_server_works() -> None:
    """It may be the last row of a bulk job, which would never end."""
    provider = Poisoned(TEXTS[:1], CRASH)
    result, _, _ = await embed(provider, TEXTS[:1])
    assert (result.failures[0].isolated, result.failures[0].attempts) == (True, ATTEMPTS)
    assert batches(provider)[ATTEMPTS:] == [(PROBE,)]
    assert result.usage.requests == ATTEMPTS + 1


@pytest.mark.virtual_time
async def test_a_single_query_asks_for_no_proof() -> None:
    provider = Poisoned(TEXTS[:1], CRASH)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, retry=QUICK)
        with pytest.raises(OverloadedError) as caught:
            await embedder.embed_query(TEXTS[0])
    assert not caught.value.isolated
    assert len(provider.calls) == ATTEMPTS


@pytest.mark.virtual_time
async def test_other_ends_of_a_part_are_seen_to() -> None:
    """A half holds a text that is rejected for a reason."""

    class Both(Poisoned):
        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            if self.bad & set(texts):
                raise OverloadedError("crashed", status=500)
            if TEXTS[15] in texts:
                raise BadTextError("not allowed")
            return await super()._answer(texts, kind)

    result, _, _ = await embed(Both([TEXTS[2]], CRASH), TEXTS)
    assert {index: type(error) for index, error in result.failures.items()} == {2: OverloadedError, 15: BadTextError}


@pytest.mark.parametrize("seed", range(3))
def test_failures_at_random_blame_no_text(seed: int) -> None:
    """A fifth of all requests fail, with any texts."""

    class Flaky(ScriptedProvider):
        dice = Random(seed)

        async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
            await anyio.sleep(0.01)
            if self.dice.random() < 0.2:
                raise OverloadedError("busy", status=503)
            return await super()._answer(texts, kind)

    texts = [f"text {number}" for number in range(2000)]
    spec = ModelSpec(name="flaky", provider="scripted", dim=8, max_batch_texts=8)
    result, _, _ = run(embed(Flaky(spec=spec), texts, retry=RetryPolicy(initial_delay=0.01)))
    assert not [error for error in result.failures.values() if error.isolated]
