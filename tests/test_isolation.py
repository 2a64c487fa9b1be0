"""One text makes every batch fail it is in: it is found, the others are delivered; in an outage nothing is halved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2
from random import Random
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aembed import (
    AembedError,
    AuthenticationError,
    BadTextError,
    BatchSplit,
    Config,
    ConnectError,
    EmbedderFactory,
    Event,
    Kind,
    Limits,
    ModelSpec,
    OverloadedError,
    RateLimitError,
    Reply,
    ReplyError,
    RequestTimeoutError,
    RetryPolicy,
)
from aembed._engine.proof import PROBE
from aembed._gate.backoff import OUTAGE_FAILURES
from aembed.testing import ScriptedProvider
from tests.loops import run
from tests.scripted import batches, expected

ATTEMPTS = 3
QUICK = RetryPolicy(max_attempts=ATTEMPTS, initial_delay=1e-3, max_delay=1e-3)
TEXTS = [f"text {number}" for number in range(20)]

Failure = Callable[[Sequence[str], set[str]], Any]


class Poisoned(ScriptedProvider):
    """Fails with every batch that holds one of the ``bad`` texts, as ``failure`` says."""

    def __init__(self, bad: Sequence[str], failure: Failure, *, size: int = 100, latency: float = 0.0) -> None:
        spec = ModelSpec(name="poisoned", provider="scripted", dim=8, max_batch_texts=size)
        super().__init__(spec=spec, latency=latency)
        self.bad = set(bad)
        self._failure = failure

    async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
        reply = await super()._answer(texts, kind)
        if self.bad.isdisjoint(texts):
            return reply
        failed = self._failure(texts, self.bad)
        if isinstance(failed, BaseException):
            raise failed
        reply.vectors[[text in self.bad for text in texts]] = failed
        return reply


FAILURES: dict[str, tuple[type[AembedError], int, Failure]] = {
    "500": (OverloadedError, ATTEMPTS, lambda texts, bad: OverloadedError("crashed", status=500)),
    "connection": (ConnectError, ATTEMPTS, lambda texts, bad: ConnectError("dropped", maybe_billed=True)),
    "no vector": (ReplyError, 2, lambda texts, bad: ReplyError("null in a vector's place")),
    "named": (
        ReplyError,
        2,
        lambda texts, bad: ReplyError("an empty vector", index=[text in bad for text in texts].index(True)),
    ),
    "NaN": (ReplyError, 2, lambda texts, bad: np.nan),
    "infinity": (ReplyError, 2, lambda texts, bad: np.inf),
    "zeros": (ReplyError, 2, lambda texts, bad: 0.0),
}
CRASH = FAILURES["500"][2]

failing = pytest.mark.parametrize(("kind", "attempts", "failure"), FAILURES.values(), ids=FAILURES)


async def embed(provider: ScriptedProvider, texts: Sequence[str], **options: Any) -> tuple[Any, Any, list[Event]]:
    events: list[Event] = []
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, on_event=events.append, **{"retry": QUICK, **options})
        result = await embedder.embed(texts, on_error="return")
    return result, embedder.statistics(), events


def splits(events: Sequence[Event]) -> list[int]:
    return [event.texts for event in events if isinstance(event, BatchSplit)]


@failing
@pytest.mark.parametrize("bad", [0, 7, 12, 19])
@pytest.mark.virtual_time
async def test_fault_84_the_text_at_fault_is_found(
    kind: type[AembedError], attempts: int, failure: Failure, bad: int
) -> None:
    """In a batch that has no siblings."""
    provider = Poisoned([TEXTS[bad]], failure)
    result, statistics, events = await embed(provider, TEXTS)
    assert list(result.failures) == [bad]
    error: Any = result.failures[bad]
    assert (error.index, error.isolated, error.provider) == (bad, True, "scripted")
    assert type(error) is kind
    others = [index for index in range(len(TEXTS)) if index != bad]
    np.testing.assert_array_equal(result.vectors[others], (await expected(TEXTS))[others])
    assert len(provider.calls) <= attempts + 1 + 2 * ceil(log2(len(TEXTS)))
    assert statistics.failed == 1
    assert splits(events)[0] == 20


async def test_the_texts_that_a_check_of_numbers_names_are_sent_apart() -> None:
    """The others are delivered at once. Both halves of these fail, so that each gets all its attempts, after another
    proof."""
    provider = Poisoned([TEXTS[3], TEXTS[9]], FAILURES["NaN"][2])
    result, _, _ = await embed(provider, TEXTS)
    assert sorted(result.failures) == [3, 9]
    assert list(map(len, batches(provider))) == [20, 20, 1, 18, 2, 1, 1, 1, 1, 1, 1, 1]
    assert [batches(provider)[2], batches(provider)[7]] == [(PROBE,), (PROBE,)]


@failing
@pytest.mark.virtual_time
async def test_raising_names_the_text_and_hands_over_the_others(
    kind: type[AembedError], attempts: int, failure: Failure
) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(Poisoned([TEXTS[19]], failure), retry=QUICK)
        with pytest.raises(kind) as caught:
            await embedder.embed_documents(TEXTS)
    assert caught.value.index == 19
    assert caught.value.partial is not None
    assert not np.isnan(caught.value.partial.vectors[:19]).any()


@pytest.mark.virtual_time
@pytest.mark.parametrize("options", [{"cache": True}, {"merge": True}], ids=str)
async def test_calls_that_share_a_request_lose_their_own_text_alone(options: Any) -> None:
    provider = Poisoned(["bad"], CRASH, latency=1.0)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, retry=QUICK, **options)
        results: dict[str, Any] = {}

        async def call(texts: list[str]) -> None:
            results[texts[0]] = await embedder.embed(texts, on_error="return")

        async with anyio.create_task_group() as tasks:
            for texts in (["first"], ["a", "b"], ["c", "bad"], ["d"]):
                tasks.start_soon(call, texts)
    assert {name: sorted(result.failures) for name, result in results.items()} == {
        "first": [],
        "a": [],
        "c": [1],
        "d": [],
    }
    assert results["c"].failures[1].index == 1


def most_requests(provider: Poisoned, texts: int, bad: int) -> int:
    """Each batch with its attempts; then as :mod:`aembed._engine.isolation` says."""
    size = min(provider.spec.max_batch_texts or texts, texts)
    parts = 2 * bad * ceil(log2(size))
    begun = ceil(texts / size) * ATTEMPTS
    leaves = bad * (ATTEMPTS + 1)
    return begun + parts + leaves + 1 + (begun + parts + leaves) // OUTAGE_FAILURES


@settings(max_examples=150)
@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 4),
    st.sampled_from(sorted(FAILURES)),
    st.data(),
)
def test_fault_84_any_number_of_them_is_found_within_the_bound(
    count: int, size: int, concurrency: int, failure: str, data: st.DataObject
) -> None:
    """Wherever they are, also if nothing else is ever delivered."""
    bad = data.draw(st.frozensets(st.integers(0, count - 1)), label="bad")
    texts = [f"text {number}" for number in range(count)]
    provider = Poisoned([texts[index] for index in bad], FAILURES[failure][2], size=size)
    result, _, _ = run(embed(provider, texts, limits=Limits(max_concurrency=concurrency)))
    assert set(result.failures) == bad
    assert all(error.isolated and error.index == index for index, error in result.failures.items())
    assert np.flatnonzero(np.isnan(result.vectors).any(axis=1)).tolist() == sorted(bad)
    assert result.usage.requests == len(provider.calls) <= most_requests(provider, count, len(bad))


@pytest.mark.virtual_time
@pytest.mark.parametrize("concurrency", [1, 16])
async def test_they_are_found_although_every_batch_holds_one(concurrency: int) -> None:
    """Many failures in a row look like an outage: a short text shows that it is none."""
    texts = [f"text {number}" for number in range(400)]
    provider = Poisoned(texts[3::20], CRASH, size=20, latency=0.2)
    limits = Limits(max_concurrency=concurrency)
    result, _, _ = await embed(provider, texts, retry=RetryPolicy(max_attempts=ATTEMPTS), limits=limits)
    assert sorted(result.failures) == list(range(3, 400, 20))
    assert all(error.isolated for error in result.failures.values())
    assert len(provider.calls) <= most_requests(provider, 400, 20)


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
