"""Cache, merge, streams, quotas and failures together: whatever happens, rows follow the input and nothing leaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeAlias

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aembed import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ClosedError,
    Config,
    ConnectError,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    EmbedderOptions,
    EmbedResult,
    Kind,
    Limits,
    MergePolicy,
    ModelSpec,
    OverloadedError,
    ProviderError,
    RateLimitError,
    Reply,
    RequestTimeoutError,
    RetryPolicy,
    Vectors,
)
from aembed.providers.mock import MockOptions, MockProvider
from aembed.stores import MemoryStore
from aembed.testing import Quota, QuotaKeeper, ScriptedProvider
from tests.cancel import cancel_at
from tests.leaks import nothing_left_behind
from tests.loops import run

TEXTS = [f"text {number}" for number in range(9)]
NARROW = ModelSpec(name="narrow", dim=8, max_batch_texts=2, timeout=30.0)
BUSY = OverloadedError("busy", retry_after=3.0)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done in steps, for the sake of the event loop, is done in many."""
    monkeypatch.setattr("aembed._memo.LOOKED_UP_AT_ONCE", 4)
    monkeypatch.setattr("aembed._memo.SENT_AT_ONCE", 3)
    monkeypatch.setattr("aembed._cache.KEPT_AT_ONCE", 5)


class SlowStore(MemoryStore):
    """Takes a moment for everything, as a file does."""

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        await anyio.sleep(0.125)
        return await super().get_many(keys, dim)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        await anyio.sleep(0.25)
        await super().put_many(keys, vectors)


# ---- cancelled at every point


Operation: TypeAlias = Callable[[Embedder], Coroutine[Any, Any, Any]]


async def query(embedder: Embedder) -> None:
    await embedder.embed_query(TEXTS[0])


async def documents(embedder: Embedder) -> None:
    await embedder.embed_documents(TEXTS + TEXTS[:3])


async def everything_returned(embedder: Embedder) -> None:
    await embedder.embed(TEXTS, on_error="return", deadline=1000.0)


async def many_at_once(embedder: Embedder) -> None:
    async with anyio.create_task_group() as tasks:
        for text in TEXTS[:4] + TEXTS[:2]:
            tasks.start_soon(embedder.embed_documents, [text])


async def a_stream(embedder: Embedder) -> None:
    async with embedder.stream_documents(TEXTS * 60) as chunks:
        async for _ in chunks:
            pass


async def soon(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    await anyio.sleep(0.25)
    return await embedder.embed_documents(texts)


def layers(name: str, limits: Limits | None = None) -> EmbedderOptions:
    merge = MergePolicy(window=0.5, max_texts=4)
    options: dict[str, EmbedderOptions] = {
        "cache": {"cache": True},
        "slow cache": {"cache": SlowStore()},
        "merge": {"merge": merge},
        "both": {"cache": SlowStore(), "merge": merge},
    }
    options[name]["limits"] = limits or Limits()
    return options[name]


@pytest.mark.parametrize("limits", [Limits(), Limits(max_concurrency=2, requests_per_minute=120.0)], ids=["", "quota"])
@pytest.mark.parametrize("floor", ["cache", "slow cache", "merge", "both"])
@pytest.mark.parametrize(
    "operation",
    [query, documents, everything_returned, many_at_once, a_stream],
    ids=lambda operation: operation.__name__,
)
def test_case_53_cancelled_at_every_point_nothing_is_left(operation: Operation, floor: str, limits: Limits) -> None:
    async def cancelled_at(suspension: int) -> bool:
        refused = {TEXTS[4]: BadTextError("no"), TEXTS[7]: BadTextError("no", index=0)}
        provider = ScriptedProvider(
            [BUSY, 0.5, None, BUSY],
            latency=1.0,
            spec=NARROW,
            refused=refused if operation is everything_returned else {},
        )
        with nothing_left_behind():
            async with EmbedderFactory(Config()) as factory:
                embedder = await factory.new_embedder(provider, **layers(floor, limits))
                bystander = asyncio.create_task(soon(embedder, TEXTS[:2]))
                cancelled = await cancel_at(suspension, operation(embedder))
                expected = await bystander
                assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
                assert provider.in_flight == 0
                np.testing.assert_array_equal(expected, await vectors_of(TEXTS[:2]))
                for _ in range(20):
                    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:2]), expected)
        assert provider.closed == 1
        return cancelled

    for suspension in count(1):
        if not run(cancelled_at(suspension)):
            assert suspension > 1, "the operation never waited for anything"
            break


@pytest.mark.parametrize("floor", ["cache", "slow cache", "merge", "both"])
def test_a_cancelled_close_has_closed(floor: str) -> None:
    async def cancelled_at(suspension: int) -> bool:
        provider = ScriptedProvider([BUSY], latency=1.0, spec=NARROW)
        with nothing_left_behind():
            factory = EmbedderFactory(Config())
            embedder = await factory.new_embedder(provider, **layers(floor))
            running = [asyncio.create_task(embedder.embed_documents(TEXTS[:2])) for _ in range(3)]
            await anyio.lowlevel.checkpoint()
            cancelled = await cancel_at(suspension, embedder.aclose())
            assert provider.closed == 1
            for vectors in await asyncio.gather(*running):
                np.testing.assert_array_equal(vectors, await vectors_of(TEXTS[:2]))
            await factory.aclose()
            assert provider.closed == 1
        return cancelled

    assert next(suspension for suspension in count(1) if not run(cancelled_at(suspension))) > 1


async def vectors_of(texts: Sequence[str]) -> Vectors:
    return (await MockProvider(MockOptions(dim=8)).embed(texts, kind="document")).vectors


# ---- everything at once


WORDS = [f"word {number}" for number in range(10)]
Method: TypeAlias = Literal["query", "documents", "out", "embed", "return", "stream"]


@dataclass(frozen=True)
class Call:
    method: Method
    texts: tuple[str, ...]
    start: float
    deadline: float | None
    cancel: float | None
    """Seconds after its start."""
    embedder: int


@dataclass(frozen=True)
class World:
    calls: tuple[Call, ...]
    script: tuple[ProviderError | float | None, ...]
    bad: frozenset[str]
    named: bool
    """The server says which text is bad."""
    cap: int
    """Texts the server takes in a request."""
    batch: int
    requests_per_minute: float | None
    inputs_per_minute: float | None
    max_concurrency: int
    cache: Literal["none", "memory", "slow"]
    merge: MergePolicy | None
    close: float | None
    """When the second embedder is closed."""


@dataclass(eq=False)
class StrictServer:
    """Keeps the quota of an account to the letter, refuses what it must, and fails as the script says."""

    world: World
    in_flight: int = 0
    quota_refusals: int = 0
    requests: int = 0
    answered: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """How often each text got its vector."""
    closed: int = 0

    def __post_init__(self) -> None:
        self.spec = ModelSpec(name="strict", dim=8, max_batch_texts=self.world.batch, timeout=20.0)
        self._keeper = QuotaKeeper(
            Quota.per_minute(requests=self.world.requests_per_minute, inputs=self.world.inputs_per_minute)
        )
        self.script = iter(self.world.script)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.requests += 1
        assert len(texts) <= self.world.batch, "more than the provider takes"
        assert len(set(texts)) == len(texts), "a text twice in a request"
        wait = self._keeper.take(anyio.current_time(), 1, 0, len(texts))
        if wait:
            self.quota_refusals += 1
            raise RateLimitError("too fast", retry_after=wait)
        self.in_flight += 1
        try:
            step = next(self.script, None)
            await anyio.sleep(step if isinstance(step, float) else 1.0)
        finally:
            self.in_flight -= 1
        if isinstance(step, ProviderError):
            raise type(step)(*step.args)
        if len(texts) > self.world.cap:
            raise BatchTooLargeError("too many")
        for index, text in enumerate(texts):
            if text in self.world.bad:
                raise BadTextError("bad", index=index if self.world.named else None)
        self.answered.update((kind, text) for text in texts)
        return Reply(await vectors_of(texts), tokens=10 * len(texts))

    async def aclose(self) -> None:
        self.closed += 1


seconds = st.floats(0.0, 90.0, allow_nan=False).map(lambda value: round(value * 8) / 8)
scripts = st.lists(
    st.sampled_from(
        [
            *(None, None, 0.125, 0.125, 5.0, 5.0, 25.0),
            *(OverloadedError("busy"), ConnectError("lost"), BadRequestError("no"), AuthenticationError("who")),
        ]
    ),
    max_size=12,
)
calls_ = st.builds(
    Call,
    method=st.sampled_from(["query", "query", "documents", "out", "embed", "return", "stream"]),
    texts=st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(tuple),
    start=seconds,
    deadline=st.none() | st.floats(0.5, 60.0),
    cancel=st.none() | st.none() | seconds,
    embedder=st.integers(0, 1),
)
worlds = st.builds(
    World,
    calls=st.lists(calls_, min_size=1, max_size=8).map(tuple),
    script=scripts.map(tuple),
    bad=st.frozensets(st.sampled_from(WORDS[7:]), max_size=2),
    named=st.booleans(),
    cap=st.integers(1, 8),
    batch=st.integers(1, 8),
    requests_per_minute=st.none() | st.floats(20.0, 600.0),
    inputs_per_minute=st.none() | st.floats(60.0, 600.0),
    max_concurrency=st.integers(1, 4),
    cache=st.sampled_from(["none", "memory", "slow"]),
    merge=st.none() | st.builds(MergePolicy, max_texts=st.integers(1, 8), window=st.sampled_from([0.0, 0.5, 30.0])),
    close=st.none() | seconds,
)


async def make(call: Call, embedder: Embedder) -> EmbedResult | Vectors:
    """The call, in its own way. Its rows, or its result where there is one."""
    match call.method:
        case "query":
            return (await embedder.embed_query(call.texts[0]))[None]
        case "documents":
            return await embedder.embed_documents(call.texts)
        case "out":
            out = np.full((len(call.texts), 8), 7.0, np.float32)
            assert await embedder.embed_documents(call.texts, out=out) is out
            return out
        case "stream":
            async with embedder.stream_documents(call.texts) as chunks:
                return np.concatenate([chunk.vectors async for chunk in chunks])
        case "embed" | "return":
            on_error: Literal["raise", "return"] = "return" if call.method == "return" else "raise"
            return await embedder.embed(call.texts, on_error=on_error, deadline=call.deadline)


async def check(call: Call, outcome: Any, world: World) -> EmbedResult | None:
    """Rows follow the input, and every text is exactly one of: a row, failed, not attempted. Returns what it cost."""
    texts = call.texts[:1] if call.method == "query" else call.texts
    right = await vectors_of(texts)
    if isinstance(outcome, np.ndarray):
        np.testing.assert_array_equal(outcome, right)
        assert not world.bad.intersection(texts)
        return None
    result = outcome.partial if isinstance(outcome, AembedError) else outcome
    if result is None:
        assert isinstance(outcome, ClosedError)
        return None
    assert isinstance(result, EmbedResult)
    good = [row for row in range(len(texts)) if not np.isnan(result.vectors[row]).any()] if result.vectors.size else []
    assert sorted([*good, *result.failures, *result.not_attempted]) == list(range(len(texts)))
    np.testing.assert_array_equal(result.vectors[good], right[good])
    for row, error in result.failures.items():
        if isinstance(error, BadTextError):
            assert texts[row] in world.bad
            assert error.index == row
        else:
            assert isinstance(error, (RequestTimeoutError, DeadlineError)) or type(error) in map(type, world.script)
        assert not isinstance(error, DeadlineError) or call.deadline is not None
    assert not world.bad.intersection(texts[row] for row in good)
    if isinstance(outcome, EmbedResult):
        assert call.method == "return" or not result.failures
    return result


async def live(world: World) -> None:
    server = StrictServer(world)
    store = SlowStore() if world.cache == "slow" else MemoryStore()
    options: EmbedderOptions = {
        "limits": Limits(
            requests_per_minute=world.requests_per_minute,
            inputs_per_minute=world.inputs_per_minute,
            max_concurrency=world.max_concurrency,
        ),
        "retry": RetryPolicy(max_attempts=20, initial_delay=0.25, max_delay=2.0),
        "cache": False if world.cache == "none" else store,
        "merge": world.merge or False,
    }
    with nothing_left_behind():
        async with EmbedderFactory(Config()) as factory:
            embedders = [await factory.new_embedder(server, **options) for _ in range(2)]

            async def caller(call: Call) -> Any:
                await anyio.sleep(call.start)
                task = asyncio.create_task(make(call, embedders[call.embedder]))
                await asyncio.wait([task], timeout=call.cancel)
                task.cancel()
                await asyncio.wait([task])
                return None if task.cancelled() else task.exception() or task.result()

            async def closer() -> None:
                if world.close is not None:
                    await anyio.sleep(world.close)
                    await embedders[1].aclose()

            *outcomes, _ = await asyncio.gather(*map(caller, world.calls), closer())
            statistics = [embedder.statistics() for embedder in embedders]
            assert (statistics[0].in_flight, statistics[0].waiting, server.in_flight) == (0, 0, 0)
            results = [
                await check(call, outcome, world)
                for call, outcome in zip(world.calls, outcomes, strict=True)
                if outcome is not None
            ]
            errors = [outcome for outcome in outcomes if isinstance(outcome, AembedError)]
            assert len({id(error) for error in errors}) == len(errors)
            assert server.quota_refusals == 0
            wanted = Counter(
                (("query" if call.method == "query" else "document"), text)
                for call in world.calls
                for text in set(call.texts[:1] if call.method == "query" else call.texts)
            )
            for known, times in server.answered.items():
                assert times <= (wanted[known] if world.cache == "none" else 1), known
            assert sum(numbers.requests for numbers in statistics) == server.requests
            if all(isinstance(outcome, EmbedResult) for outcome in outcomes):
                event("every request has a payer")
                assert sum(result.usage.requests for result in results if result) == server.requests
                assert sum(result.usage.tokens or 0 for result in results if result) == 10 * server.answered.total()
            server.script = iter(())
            good = [word for word in WORDS if word not in world.bad]
            np.testing.assert_array_equal(await embedders[0].embed_documents(good), await vectors_of(good))
    assert server.closed == 1


@given(worlds)
def test_whatever_happens_rows_follow_the_input_and_nothing_leaks(world: World) -> None:
    run(live(world))
