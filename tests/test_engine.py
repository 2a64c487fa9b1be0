"""plan -> fan out -> retry(admit(timeout(send)) -> check) -> place: in this order, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from threading import current_thread
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchFailed,
    BatchSplit,
    BatchTooLargeError,
    ClosedError,
    Config,
    ConfigError,
    ConnectError,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    EmbedResult,
    Event,
    InputError,
    Kind,
    Limits,
    ModelSpec,
    OverloadedError,
    RateLimitError,
    Reply,
    ReplyError,
    RequestDone,
    RequestTimeoutError,
    RetryPolicy,
    RetryScheduled,
    Vectors,
)
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import ScriptedProvider, Step
from tests.loops import run

TEXTS = [f"text {number}" for number in range(6)]
PAIRS = ModelSpec(name="pairs", provider="scripted", dim=8, max_batch_texts=2)
AT_ONCE = RetryPolicy(initial_delay=1e-6)
NAN = Reply(np.full((2, 8), np.nan, np.float32))


async def expected(texts: Sequence[str], dim: int = 8) -> Any:
    return (await MockProvider(MockOptions(dim=dim)).embed(texts, kind="document")).vectors


async def embed(provider: ScriptedProvider, texts: Sequence[str], **options: Any) -> EmbedResult:
    """One call, with its failures returned."""
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **{"retry": AT_ONCE, **options})
        return await embedder.embed(texts, on_error="return")


# ---- every input is exactly one of: a row, failed, not attempted

outcomes: st.SearchStrategy[Step] = st.sampled_from(
    [
        None,
        0.3,
        OverloadedError("busy"),
        RateLimitError("slow down", retry_after=2.0),
        ConnectError("lost"),
        BadRequestError("no"),
        BatchTooLargeError("too much"),
        BadTextError("one of them"),
        AuthenticationError("who are you"),
        Reply(np.ones((1, 5), np.float32)),
    ]
)


@given(
    texts=st.lists(st.text("abc\u00e4", min_size=1, max_size=3), max_size=15),
    script=st.lists(outcomes, max_size=12),
    refused=st.sets(st.text("abc\u00e4", min_size=1, max_size=2), max_size=4),
    batch_size=st.integers(1, 16),
    pads=st.booleans(),
    slots=st.integers(1, 3),
    on_error=st.sampled_from(["raise", "return"]),
    deadline=st.none() | st.floats(0.1, 5.0),
)
def test_every_input_ends_as_exactly_one_of_ok_failed_or_not_attempted(
    texts: list[str],
    script: list[Step],
    refused: set[str],
    batch_size: int,
    pads: bool,
    slots: int,
    on_error: Any,
    deadline: float | None,
) -> None:
    async def main() -> None:
        spec = ModelSpec(name="model", dim=8, pads=pads, max_batch_tokens=20)
        bad = {text: BadTextError("refused") for text in refused}
        provider = ScriptedProvider(script, spec=spec, refused=bad, latency=0.2)
        async with EmbedderFactory(Config()) as factory:
            limits = Limits(max_concurrency=slots)
            embedder = await factory.new_embedder(provider, batch_size=batch_size, limits=limits)
            try:
                result: EmbedResult | None = await embedder.embed(texts, on_error=on_error, deadline=deadline)
            except AembedError as error:
                assert on_error == "raise" or error.fatal
                result = error.partial
            statistics = embedder.statistics()
        assert (statistics.in_flight, statistics.waiting, provider.in_flight) == (0, 0, 0)
        assert provider.most_in_flight <= slots
        assert result is not None
        good = np.flatnonzero(np.isfinite(result.vectors).all(axis=1)).tolist()
        assert sorted([*good, *result.failures, *result.not_attempted]) == list(range(len(texts)))
        np.testing.assert_array_equal(result.vectors[good], (await expected(texts))[good])
        assert np.isnan(np.delete(result.vectors, good, axis=0)).all()
        assert all(error.index in (None, index) for index, error in result.failures.items())
        assert result.ok == (len(good) == len(texts))

    run(main())


# ---- retry


async def test_a_passing_failure_is_not_noticed() -> None:
    result = await embed(ScriptedProvider([NAN, OverloadedError("busy", retry_after=0.0)]), TEXTS[:2])
    assert result.ok
    assert result.usage.requests == 3


async def test_a_failure_that_stays_carries_what_is_known() -> None:
    provider = ScriptedProvider([OverloadedError("busy", status=503, retry_after=0.0)] * 9)
    result = await embed(provider, TEXTS, retry=RetryPolicy(max_attempts=3))
    (error,) = set(result.failures.values())
    assert isinstance(error, OverloadedError)
    assert (error.attempts, error.provider, error.status, error.retryable) == (3, "scripted", 503, True)
    assert "[provider scripted, status 503, attempts 3]" in str(error)
    assert len(provider.calls) == 3


@pytest.mark.virtual_time
async def test_a_sleeping_retry_holds_no_slot() -> None:
    provider = ScriptedProvider([ConnectError("broken")])
    retry = RetryPolicy(initial_delay=600.0, max_delay=600.0)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1), retry=retry)
        sleeping = asyncio.create_task(embedder.embed_documents(TEXTS))
        await anyio.sleep(1.0)
        await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == pytest.approx(1.0)
        await sleeping


@pytest.mark.virtual_time
async def test_every_attempt_pays_the_rate() -> None:
    provider = ScriptedProvider([OverloadedError("busy", retry_after=0.0)] * 3)
    await embed(provider, TEXTS, limits=Limits(requests_per_minute=2.0))
    assert [call.started for call in provider.calls] == pytest.approx([0, 0.1, 60, 60.1], abs=0.2)


@pytest.mark.virtual_time
async def test_a_refused_account_is_frozen_and_the_refused_batch_goes_first() -> None:
    provider = ScriptedProvider([RateLimitError("later", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1))
        first = asyncio.create_task(embedder.embed_documents(TEXTS))
        await anyio.sleep(1.0)
        assert embedder.statistics().paused == pytest.approx(59.0)
        await embedder.embed_documents(TEXTS[:1])
        await first
    assert [len(call.texts) for call in provider.calls] == [len(TEXTS), len(TEXTS), 1]
    assert [call.started for call in provider.calls] == pytest.approx([0.0, 60.0, 60.0])


@pytest.mark.virtual_time
async def test_a_batch_above_the_quota_of_a_minute_is_parted_until_it_fits() -> None:
    provider = ScriptedProvider()
    await embed(provider, ["x" * 400] * 4 + ["y"], limits=Limits(tokens_per_minute=250.0))
    assert max(sum(map(len, call.texts)) for call in provider.calls) <= 1000
    result = await embed(ScriptedProvider(), ["y", "x" * 4000], limits=Limits(tokens_per_minute=250.0))
    (error,) = result.failures.values()
    assert isinstance(error, InputError)
    assert (list(result.failures), error.index) == ([1], 1)


async def test_a_reply_that_cannot_be_used_is_asked_for_once_more_and_never_kept() -> None:
    result = await embed(ScriptedProvider([NAN] * 9), TEXTS[:2])
    assert {type(error) for error in result.failures.values()} == {ReplyError}
    assert result.usage.requests == 2
    assert np.isnan(result.vectors).all()


# ---- timeout and deadline


@pytest.mark.virtual_time
async def test_no_answer_in_time_is_an_error_and_retried() -> None:
    provider = ScriptedProvider([100.0, None])
    result = await embed(provider, TEXTS, timeout=2.0, retry=RetryPolicy(initial_delay=1.0))
    assert result.ok
    assert provider.calls[0].ended == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_the_timeout_names_itself() -> None:
    result = await embed(ScriptedProvider(latency=100.0), TEXTS, timeout=2.0, retry=RetryPolicy(max_attempts=1))
    (error,) = set(result.failures.values())
    assert isinstance(error, RequestTimeoutError)
    assert isinstance(error, TimeoutError)
    assert "timeout of 2.0 s" in str(error)


@pytest.mark.virtual_time
async def test_waiting_in_our_own_queue_is_not_the_provider_being_slow() -> None:
    provider = ScriptedProvider(latency=1.5, spec=PAIRS)
    result = await embed(provider, TEXTS, timeout=2.0, limits=Limits(max_concurrency=1))
    assert result.ok
    assert len(provider.calls) == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize(("option", "answers"), [({}, False), ({"timeout": None}, True), ({"timeout": 60.0}, True)])
async def test_the_providers_own_timeout_stands_unless_another_is_given(option: Any, answers: bool) -> None:
    spec = ModelSpec(name="slow", dim=8, timeout=10.0)
    provider = ScriptedProvider(latency=50.0, spec=spec)
    result = await embed(provider, TEXTS, retry=RetryPolicy(max_attempts=1), **option)
    assert result.ok is answers


@pytest.mark.virtual_time
async def test_a_deadline_keeps_what_was_finished() -> None:
    provider = ScriptedProvider([1.0, 100.0], spec=PAIRS)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1))
        with pytest.raises(DeadlineError, match=r"deadline of 5\.0 s") as caught:
            await embedder.embed(TEXTS, deadline=5.0)
        assert anyio.current_time() == pytest.approx(5.0)
    partial = caught.value.partial
    assert partial is not None
    assert not np.isnan(partial.vectors[:2]).any()
    assert list(partial.failures) == [2, 3]
    assert partial.not_attempted == (4, 5)


@pytest.mark.virtual_time
async def test_a_deadline_covers_waiting_and_retries() -> None:
    provider = ScriptedProvider([RateLimitError("later", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, deadline=30.0)
        with pytest.raises(DeadlineError):
            await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == pytest.approx(30.0)


@pytest.mark.virtual_time
async def test_a_deadline_returns_what_it_must_not_raise() -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=10.0))
        result = await embedder.embed(TEXTS, on_error="return", deadline=1.0)
    assert {type(error) for error in result.failures.values()} == {DeadlineError}


# ---- texts and batches at fault


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("bad", [[0], [5], [1, 2], [0, 3, 5], [0, 1, 2, 3, 4, 5]])
async def test_refused_texts_are_found_and_the_others_delivered(bad: list[int], named: bool) -> None:
    class Pointing(ScriptedProvider):
        """Says which text it was, if it is asked to."""

        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            try:
                return await super().embed(texts, kind=kind)
            except BadTextError as error:
                if named:
                    error.index = next(i for i, text in enumerate(texts) if TEXTS.index(text) in bad)
                raise

    provider = Pointing(refused={TEXTS[i]: BadTextError("no") for i in bad})
    result = await embed(provider, TEXTS)
    assert sorted(result.failures) == bad
    assert [error.index for _, error in sorted(result.failures.items())] == bad
    assert np.flatnonzero(np.isnan(result.vectors).all(axis=1)).tolist() == bad
    if named:
        assert len(provider.calls) <= len(bad) + 1


async def test_a_batch_may_hold_any_number_of_culprits() -> None:
    class Strict(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            if "bad" in texts:
                raise BadTextError("no", index=texts.index("bad"))
            return await super().embed(texts, kind=kind)

    result = await embed(Strict(), ["bad", "good"] * 500)
    assert sorted(result.failures) == list(range(0, 1000, 2))


@pytest.mark.parametrize("index", [-1, 99])
async def test_a_culprit_that_is_not_in_the_batch_is_looked_for(index: int) -> None:
    provider = ScriptedProvider(refused={TEXTS[4]: BadTextError("no", index=index)})
    result = await embed(provider, TEXTS)
    assert {i: error.index for i, error in result.failures.items()} == {4: 4}


async def test_a_batch_that_is_too_large_goes_in_halves() -> None:
    provider = ScriptedProvider([BatchTooLargeError("too much")])
    assert (await embed(provider, TEXTS)).ok
    assert [len(call.texts) for call in provider.calls] == [6, 3, 3]


async def test_a_text_that_is_too_large_alone_fails_alone() -> None:
    result = await embed(ScriptedProvider(refused={TEXTS[2]: BatchTooLargeError("too much")}), TEXTS)
    assert list(result.failures) == [2]


async def test_what_is_fatal_stops_the_call_and_keeps_the_rest_unsent() -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=PAIRS)
    with pytest.raises(AuthenticationError) as caught:
        await embed(provider, TEXTS, limits=Limits(max_concurrency=1))
    partial = caught.value.partial
    assert partial is not None
    assert not np.isnan(partial.vectors[:2]).any()
    assert (list(partial.failures), partial.not_attempted) == ([2, 3], (4, 5))
    assert len(provider.calls) == 2


@pytest.mark.parametrize("error", [ConfigError("ca_file cannot be read"), ClosedError("closed")], ids=repr)
async def test_a_wrong_setting_is_no_fault_of_a_text(error: AembedError) -> None:
    with pytest.raises(type(error)) as caught:
        await embed(ScriptedProvider([error]), TEXTS[:1])
    assert caught.value.index is None


async def test_a_server_that_is_not_trusted_is_no_fault_of_a_text() -> None:
    result = await embed(ScriptedProvider([ConnectError("no trusted TLS", retryable=False)]), TEXTS[:1])
    assert result.failures[0].index is None


@pytest.mark.virtual_time
async def test_siblings_of_a_failed_batch_finish() -> None:
    provider = ScriptedProvider([1.0, 5.0, 5.0], spec=PAIRS, refused={TEXTS[0]: BadRequestError("no")})
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider)
        with pytest.raises(BadRequestError) as caught:
            await embedder.embed_documents(TEXTS)
    assert caught.value.partial is not None
    assert not np.isnan(caught.value.partial.vectors[2:]).any()


# ---- tasks


async def test_one_batch_spawns_no_task_and_many_do() -> None:
    class Counting(ScriptedProvider):
        most_tasks = 0

        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
            return await super().embed(texts, kind=kind)

    before = len(asyncio.all_tasks())
    one, many = Counting(), Counting(spec=PAIRS)
    await embed(one, TEXTS)
    await embed(many, TEXTS)
    assert one.most_tasks == before
    assert many.most_tasks > before


async def test_an_error_that_is_not_ours_arrives_as_itself_from_many_batches() -> None:
    with pytest.raises(ZeroDivisionError):
        await embed(ScriptedProvider([None, ZeroDivisionError()], spec=PAIRS), TEXTS)


# ---- normalising


async def test_vectors_are_scaled_to_unit_length_on_request() -> None:
    vectors = np.arange(1, 17, dtype=np.float32).reshape(2, 8)
    vectors.flags.writeable = False
    for normalize in (True, False):
        result = await embed(ScriptedProvider([Reply(vectors)]), TEXTS[:2], normalize=normalize)
        lengths = np.linalg.norm(result.vectors, axis=1)
        assert np.allclose(lengths, 1.0) is normalize


# ---- what can be observed


async def watched(provider: ScriptedProvider, texts: Sequence[str]) -> tuple[list[Event], Embedder]:
    events: list[Event] = []
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, on_event=events.append, retry=AT_ONCE)
        await embedder.embed(texts, on_error="return")
    return events, embedder


async def test_events_tell_the_story_in_order() -> None:
    script = [OverloadedError("busy", retry_after=0.0), BadTextError("one of them", index=1)]
    events, embedder = await watched(ScriptedProvider(script), TEXTS[:3])
    assert [type(event) for event in events] == [RetryScheduled, BatchFailed, BatchSplit, RequestDone]
    assert [event.texts for event in events] == [3, 1, 3, 2]
    assert isinstance(events[-1], RequestDone)
    assert events[-1].attempt == 1
    assert events[-1].elapsed >= 0
    statistics = embedder.statistics()
    assert (statistics.texts, statistics.requests, statistics.retries, statistics.failed) == (2, 3, 1, 1)
    assert statistics.tokens == events[-1].tokens


async def test_no_event_and_no_error_holds_a_text() -> None:
    secret = "a-text-nobody-else-may-read"
    script: list[Step] = [NAN, OverloadedError("busy", retry_after=0.0)]
    events, _ = await watched(ScriptedProvider(script, refused={secret: BadTextError("no")}), [secret, TEXTS[0]])
    assert events
    assert secret not in repr(events)


async def test_tokens_are_unknown_if_one_reply_does_not_say() -> None:
    vectors = await expected(TEXTS[:2])
    result = await embed(ScriptedProvider([Reply(vectors), Reply(vectors, 7)], spec=PAIRS), TEXTS[:4])
    assert result.usage.tokens is None
    result = await embed(ScriptedProvider([Reply(vectors, 5), Reply(vectors, 7)], spec=PAIRS), TEXTS[:4])
    assert result.usage.tokens == 12


async def test_texts_that_were_cut_are_named() -> None:
    vectors = await expected(TEXTS[:2])
    provider = ScriptedProvider([Reply(vectors), Reply(vectors, truncated=[1])], spec=PAIRS)
    assert (await embed(provider, TEXTS[:4], limits=Limits(max_concurrency=1))).truncated == (3,)


# ---- providers that write into the result


class Writing(ScriptedProvider):
    """Decodes into the rows it is given, as the HTTP providers do."""

    written = 0

    async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        reply = await self.embed(texts, kind=kind)
        if rows is None:
            return reply
        self.written += 1
        rows[:] = reply.vectors
        return Reply(rows, reply.tokens)


@pytest.mark.parametrize("script", [[], [NAN, OverloadedError("busy")]], ids=["well", "after failures"])
@pytest.mark.parametrize("spec", [PAIRS, replace(PAIRS, dim=None), replace(PAIRS, pads=True)], ids=str)
async def test_rows_written_in_place_are_the_same_rows(spec: ModelSpec, script: list[Step]) -> None:
    provider = Writing(script, spec=spec)
    result = await embed(provider, TEXTS)
    np.testing.assert_array_equal(result.vectors, await expected(TEXTS))
    if spec == PAIRS:
        assert provider.written == len(TEXTS) // 2 + len([step for step in script if isinstance(step, Reply)])


async def test_rows_that_were_written_but_refused_hold_nan() -> None:
    result = await embed(Writing([NAN] * 9, spec=PAIRS), TEXTS)
    assert np.isnan(result.vectors).all()
    assert len(result.failures) == len(TEXTS)


async def test_a_large_reply_is_checked_away_from_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    dim = 2**18
    good = np.ones((4, dim), np.float32)
    bad = good.copy()
    bad[3] = np.nan
    spec = ModelSpec(name="wide", dim=dim)
    threads: set[str] = set()

    def watch(rows: Vectors) -> Vectors:
        threads.add(current_thread().name)
        return rows

    monkeypatch.setattr("aembed._engine.normalize", watch)
    assert (await embed(ScriptedProvider([Reply(good)], spec=spec), TEXTS[:4], normalize=True)).ok
    assert current_thread().name not in threads
    assert len(threads) == 1
    result = await embed(ScriptedProvider([Reply(bad)] * 2, spec=spec), TEXTS[:4])
    assert {type(error) for error in result.failures.values()} == {ReplyError}
