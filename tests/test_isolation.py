"""One text makes every batch fail it is in: it is found, the others are delivered; in an outage nothing is halved."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aembed import AembedError, Config, EmbedderFactory, Limits, RetryPolicy
from aembed._engine.proof import PROBE
from aembed._gate.backoff import OUTAGE_FAILURES
from tests.loops import run
from tests.poisoned import ATTEMPTS, CRASH, FAILURES, QUICK, TEXTS, Failure, Poisoned, embed, splits
from tests.scripted import batches, expected

failing = pytest.mark.parametrize(("kind", "attempts", "failure"), FAILURES.values(), ids=FAILURES)


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
