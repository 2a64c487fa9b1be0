"""Small calls share requests, and none of them is worse off for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    Config,
    ConfigError,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    Kind,
    Limits,
    MergePolicy,
    ModelSpec,
    OverloadedError,
    Reply,
    RetryPolicy,
    Vectors,
)
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(12)]
WIDE = ModelSpec(name="wide", provider="scripted", dim=8, max_batch_texts=100, timeout=None)
PATIENT = MergePolicy(window=1000.0)
ONCE = RetryPolicy(max_attempts=1)


async def expected(texts: Sequence[str]) -> Vectors:
    return (await MockProvider(MockOptions(dim=8)).embed(texts, kind="document")).vectors


def batches(provider: ScriptedProvider) -> list[tuple[str, ...]]:
    return [call.texts for call in provider.calls]


async def queries(embedder: Embedder, texts: Sequence[str]) -> list[asyncio.Task[Any]]:
    """Calls under way, in this order."""
    tasks = [asyncio.create_task(embedder.embed_query(text)) for text in texts]
    await anyio.wait_all_tasks_blocked()
    return tasks


# ---- when a batch leaves


@pytest.mark.virtual_time
async def test_everybody_gets_the_rows_of_their_texts(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=True)
    calls = [TEXTS[:1], TEXTS[3:5], TEXTS[4:6], TEXTS[7:8], TEXTS[::-1][:3]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert len(provider.calls) == 2
    assert sorted(provider.calls[1].texts) == [*TEXTS[10:12], *TEXTS[3:6], TEXTS[7], TEXTS[9]]
    statistics = embedder.statistics()
    assert (statistics.merged_calls, statistics.merged_requests, statistics.requests) == (4, 1, 2)


@pytest.mark.virtual_time
async def test_a_lone_call_goes_at_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    for number, text in enumerate(TEXTS[:3]):
        await embedder.embed_query(text)
        assert anyio.current_time() == pytest.approx(number + 1.0)


@pytest.mark.virtual_time
async def test_who_gathers_leaves_when_a_request_lands(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    await asyncio.gather(*await queries(embedder, TEXTS))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:])]
    assert anyio.current_time() == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_who_gathers_leaves_when_the_window_ends(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([100.0], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(window=0.25))
    calls = await queries(embedder, TEXTS[:3])
    await anyio.sleep(0.125)
    calls += await queries(embedder, TEXTS[3:6])
    await anyio.sleep(0.25)
    calls += await queries(embedder, TEXTS[6:9])
    await asyncio.gather(*calls)
    starts = [(call.texts, call.started) for call in sorted(provider.calls, key=lambda call: call.started)]
    assert starts == [
        ((TEXTS[0],), 0.0),
        (tuple(TEXTS[1:6]), pytest.approx(0.25)),
        (tuple(TEXTS[6:9]), pytest.approx(0.625)),
    ]


@pytest.mark.virtual_time
@pytest.mark.parametrize("cap", ["policy", "provider", "batch_size"])
async def test_who_gathers_leaves_when_there_are_enough(factory: EmbedderFactory, cap: str) -> None:
    spec = replace(WIDE, max_batch_texts=4 if cap == "provider" else 100)
    provider = ScriptedProvider([100.0], spec=spec, latency=1.0)
    policy = MergePolicy(window=50.0, max_texts=4 if cap == "policy" else 64)
    options: Any = {"batch_size": 4} if cap == "batch_size" else {}
    embedder = await factory.new_embedder(provider, merge=policy, **options)
    await asyncio.gather(*await queries(embedder, TEXTS[:11]))
    starts = [(call.started, call.texts) for call in provider.calls]
    assert sorted(starts) == [
        (0.0, (TEXTS[0],)),
        (0.0, tuple(TEXTS[1:5])),
        (0.0, tuple(TEXTS[5:9])),
        (1.0, tuple(TEXTS[9:11])),  # not enough: when another has landed
    ]


@pytest.mark.virtual_time
async def test_larger_calls_go_alone(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(window=1000.0, max_texts=4))
    calls = await queries(embedder, TEXTS[:2])
    await asyncio.gather(embedder.embed(TEXTS[:4], kind="query"), embedder.embed(TEXTS[:5], kind="query"), *calls)
    assert sorted(map(len, batches(provider))) == [1, 1, 4, 5]
    assert embedder.statistics().merged_calls == 0


@pytest.mark.virtual_time
async def test_a_batch_is_never_larger_than_the_provider_takes(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=5, max_batch_tokens=12)
    provider = ScriptedProvider(spec=spec, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = [TEXTS[:1], TEXTS[1:4], TEXTS[4:6], TEXTS[6:7], TEXTS[7:11], ["word " * 8], ["word " * 8]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert all(len(batch) <= 5 for batch in batches(provider))
    assert all(sum(len(text) // 4 + 1 for text in batch) <= 12 for batch in batches(provider))


@pytest.mark.virtual_time
async def test_what_the_account_cannot_take_yet_goes_on_gathering(factory: EmbedderFactory) -> None:
    """One batch waits for the quota; who comes meanwhile leaves with the next one."""
    provider = ScriptedProvider(spec=WIDE)
    embedder = await factory.new_embedder(
        provider, merge=MergePolicy(window=0.01), limits=Limits(requests_per_minute=1)
    )
    calls: list[asyncio.Task[Any]] = []
    for text in TEXTS:
        calls += await queries(embedder, [text])
        await anyio.sleep(1)
    assert embedder.statistics().waiting == 1
    await asyncio.gather(*calls)
    assert [len(batch) for batch in batches(provider)] == [1, 1, 10]
    assert embedder.statistics().merged_requests == 1


@pytest.mark.virtual_time
async def test_queries_and_documents_travel_apart(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    kinds: list[Kind] = ["query", "document"]
    await asyncio.gather(*(embedder.embed([text], kind=kinds[i % 2]) for i, text in enumerate(TEXTS)))
    assert [(call.kind, len(call.texts)) for call in provider.calls] == [
        ("query", 1),
        ("document", 1),
        ("query", 5),
        ("document", 5),
    ]


@pytest.mark.virtual_time
async def test_the_same_text_travels_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    vectors = await asyncio.gather(*await queries(embedder, [TEXTS[0], *TEXTS[1:3] * 4]))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:3])]
    np.testing.assert_array_equal(vectors, await expected([TEXTS[0], *TEXTS[1:3] * 4]))


async def test_nobody_is_left_behind(factory: EmbedderFactory) -> None:
    """Calls that follow on each other, on real time."""

    class Yielding(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            return await super().embed(texts, kind=kind)

    provider = Yielding(spec=WIDE)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(max_texts=3, window=0.0))

    async def caller(number: int) -> None:
        for turn in range(20):
            text = f"{number} {turn}"
            np.testing.assert_array_equal(await embedder.embed_query(text), (await expected([text]))[0])

    await asyncio.gather(*(caller(number) for number in range(10)))
    assert sum(map(len, batches(provider))) == 200


# ---- what it costs


@pytest.mark.virtual_time
async def test_what_is_shared_is_paid_for_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]), tokens=10)], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.usage.requests for result in results] == [1, 1, 0, 0]
    assert sum(result.usage.tokens or 0 for result in results[1:]) == 10
    assert {result.usage.tokens for result in results[1:]} <= {3, 4}


@pytest.mark.virtual_time
async def test_tokens_nobody_counts_are_unknown_to_all(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]))], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.usage.tokens for result in results[1:]] == [None] * 3


@pytest.mark.virtual_time
async def test_a_cut_text_is_that_of_its_caller(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]), truncated=[1])], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.truncated for result in results] == [(), (), (0,), ()]


# ---- failures


@pytest.mark.virtual_time
@pytest.mark.parametrize("error", [BadTextError("no"), BadRequestError("no")], ids=lambda error: type(error).__name__)
async def test_one_bad_text_fails_only_its_caller(factory: EmbedderFactory, error: BadRequestError) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0, refused={TEXTS[5]: error})
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = [TEXTS[:1], TEXTS[1:4], [TEXTS[4], TEXTS[5]], TEXTS[6:7], TEXTS[7:9], [TEXTS[5]]]
    outcomes = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    for texts, outcome in zip(calls, outcomes, strict=True):
        if TEXTS[5] in texts:
            assert type(outcome) is type(error)
        else:
            assert not isinstance(outcome, BaseException)
            np.testing.assert_array_equal(outcome, await expected(texts))
    assert outcomes[2] is not outcomes[5]
    assert embedder.statistics().merged_calls == 5
    if isinstance(error, BadTextError):
        assert isinstance(outcomes[2], BadTextError)
        assert outcomes[2].index == 1
        assert outcomes[2].partial is not None
        np.testing.assert_array_equal(outcomes[2].partial.vectors[0], (await expected([TEXTS[4]]))[0])


@pytest.mark.virtual_time
async def test_a_failed_request_fails_all_of_it_each_in_its_own_way(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, OverloadedError("busy")], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, retry=ONCE)
    first, one, two, three = await asyncio.gather(
        embedder.embed(TEXTS[:1]),
        embedder.embed_documents(TEXTS[1:2]),
        embedder.embed(TEXTS[2:4], on_error="return"),
        embedder.embed_documents(TEXTS[4:5]),
        return_exceptions=True,
    )
    assert not isinstance(first, BaseException)
    assert isinstance(one, OverloadedError)
    assert isinstance(three, OverloadedError)
    assert one is not three
    assert not isinstance(two, BaseException)
    assert list(two.failures) == [0, 1]


@pytest.mark.virtual_time
async def test_a_refused_key_ends_all_of_it(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    outcomes = await asyncio.gather(*await queries(embedder, TEXTS[:4]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1:]] == [AuthenticationError] * 3
    assert len({id(outcome) for outcome in outcomes}) == 4


@pytest.mark.virtual_time
async def test_what_is_no_failure_of_a_text_is_raised_to_whose_text_does_it(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0, refused={TEXTS[2]: LookupError("a bug")})
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    outcomes = await asyncio.gather(*await queries(embedder, TEXTS[:4]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [np.ndarray, np.ndarray, LookupError, np.ndarray]
    assert embedder.statistics().merged_calls == 3


# ---- who leaves


@pytest.mark.virtual_time
async def test_who_leaves_while_gathering_is_not_sent(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS[:5])
    for gone in (calls[1], calls[3]):
        gone.cancel()
    await asyncio.wait(calls)
    assert batches(provider) == [(TEXTS[0],), (TEXTS[2], TEXTS[4])]


@pytest.mark.virtual_time
async def test_who_leaves_a_request_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
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
async def test_closing_waits_for_who_gathers(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = await queries(embedder, TEXTS)
    await embedder.aclose()
    np.testing.assert_array_equal([call.result() for call in calls], await expected(TEXTS))
    assert provider.closed == 1


# ---- with a cache


@pytest.mark.virtual_time
async def test_what_a_cache_does_not_know_is_merged(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True)
    for _ in range(2):
        vectors = await asyncio.gather(*await queries(embedder, TEXTS + TEXTS))
        np.testing.assert_array_equal(vectors, await expected(TEXTS + TEXTS))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:])]
    assert anyio.current_time() == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_who_leaves_a_merged_flight_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True)
    calls = await queries(embedder, [*TEXTS[:4], TEXTS[1], TEXTS[2]])
    calls[1].cancel()
    calls[3].cancel()
    await anyio.sleep(1.5)
    calls[2].cancel()
    await asyncio.wait(calls)
    np.testing.assert_array_equal([calls[i].result() for i in (0, 4, 5)], await expected(TEXTS[:3]))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:3])]


@pytest.mark.virtual_time
async def test_a_refused_key_ends_flights_that_are_only_partly_sent(factory: EmbedderFactory) -> None:
    """The second flight is in both requests of what was merged, and the first of them is refused."""
    spec = replace(WIDE, max_batch_tokens=12)
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=spec, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True, limits=Limits(max_concurrency=1))
    calls = [TEXTS[:1], TEXTS[1:5], TEXTS[5:9]]
    outcomes = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1:]] == [AuthenticationError] * 2
    assert len(provider.calls) == 2
    partials = [outcome.partial for outcome in outcomes if isinstance(outcome, AuthenticationError)]
    assert [(list(p.failures), p.not_attempted) for p in partials if p] == [([0, 1, 2, 3], ()), ([0, 1], (2, 3))]


# ---- settings


async def test_how_to_merge_stands_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text("merge = true\n", encoding="utf-8")  # noqa: ASYNC240
    assert Config.load().merge is True
    monkeypatch.setenv("AEMBED_MERGE", "false")
    assert Config.load().merge is False
    monkeypatch.delenv("AEMBED_MERGE")
    Path("aembed.toml").write_text("[merge]\nwindow = 0.5\n", encoding="utf-8")  # noqa: ASYNC240
    assert Config.load().merge == MergePolicy(window=0.5)
    monkeypatch.setenv("AEMBED_MERGE__MAX_TEXTS", "7")
    assert Config.load().merge == MergePolicy(window=0.5, max_texts=7)


@pytest.mark.parametrize("value", [7, "yes please", MergePolicy], ids=repr)
async def test_what_is_no_way_to_merge_is_refused(factory: EmbedderFactory, value: Any) -> None:
    with pytest.raises(ConfigError, match="merge"):
        await factory.new_embedder("mock", merge=value)


@pytest.mark.parametrize("option", [{"max_texts": 0}, {"window": -1.0}, {"windows": 1.0}])
def test_a_wrong_policy_is_refused(option: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        MergePolicy(**option)
