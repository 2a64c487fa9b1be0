"""What is known is not sent, what is under way is not sent again, and nobody notices the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    Config,
    ConfigError,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    EmbedResult,
    Event,
    Limits,
    ModelSpec,
    OverloadedError,
    Reply,
    ReplyError,
    RetryPolicy,
    Store,
    StoreFailed,
    Vectors,
)
from aembed._config import Options
from aembed._embedder import PROBE
from aembed._identity import Identity
from aembed.providers.mock import MockOptions, MockProvider
from aembed.stores import MemoryStore
from aembed.testing import ScriptedProvider
from tests.loops import run

TEXTS = [f"text {number}" for number in range(12)]
PAIRS = ModelSpec(name="pairs", provider="scripted", dim=8, max_batch_texts=2)
ONCE = RetryPolicy(max_attempts=1)


async def expected(texts: Sequence[str], dim: int = 8) -> Vectors:
    return (await MockProvider(MockOptions(dim=dim)).embed(texts, kind="document")).vectors


def sent(provider: ScriptedProvider) -> list[str]:
    return [text for call in provider.calls for text in call.texts]


@dataclass(eq=False)
class Shelf:
    """A store that is a dict, and does what a test wants it to."""

    kept: dict[bytes, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    slow: float = 0.0
    closed: int = 0
    puts: int = 0

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        await self._work("get")
        found = [i for i, key in enumerate(keys) if key in self.kept]
        rows = [self.kept[keys[i]] for i in found]
        return np.array(found, np.intp), np.array(rows or np.empty((0, dim or 0)), np.float32)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        await self._work("put")
        self.puts += 1
        self.kept.update(zip(keys, vectors.copy(), strict=True))

    async def aclose(self) -> None:
        self.closed += 1

    async def _work(self, operation: str) -> None:
        if self.slow:
            await anyio.sleep(self.slow)
        if operation in self.broken:
            raise OSError(28, "no space left on device")


# ---- hits


@pytest.mark.parametrize("place", ["memory", "file", "store"])
async def test_what_is_known_is_not_sent(factory: EmbedderFactory, tmp_path: Path, place: str) -> None:
    cache: Any = {"memory": True, "file": tmp_path / "vectors.db", "store": Shelf()}[place]
    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=cache)
    first = await embedder.embed_documents(TEXTS[:6])
    assert sorted(sent(provider)) == TEXTS[:6]
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[5::-1]), first[::-1])
    result = await embedder.embed(TEXTS[2:8])
    assert sorted(sent(provider)) == TEXTS[:8]
    np.testing.assert_array_equal(result.vectors, await expected(TEXTS[2:8]))
    assert (result.usage.requests, result.usage.tokens) == (1, 5)
    out = np.empty((8, 8), np.float32)
    assert await embedder.embed_documents(TEXTS[:8], out=out) is out
    np.testing.assert_array_equal(out, await expected(TEXTS[:8]))
    async with embedder.stream_documents(TEXTS[:8]) as chunks:
        assert sum([len(chunk) async for chunk in chunks]) == 8
    statistics = embedder.statistics()
    assert (statistics.cache_hits, statistics.cache_misses, statistics.requests) == (6 + 4 + 8 + 8, 8, 4)


async def test_a_query_is_no_document(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=True)
    for _ in range(2):
        await embedder.embed_documents(["text"])
        await embedder.embed_query("text")
    assert [call.kind for call in provider.calls] == ["document", "query"]


async def test_without_a_cache_nothing_is_kept(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    for _ in range(2):
        await embedder.embed_query("text")
    assert len(provider.calls) == 2


@pytest.mark.virtual_time
async def test_a_hit_does_not_wait_for_the_gate(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(requests_per_minute=1))
    await embedder.embed_query("known")
    unknown = asyncio.create_task(embedder.embed_query("unknown"))
    await anyio.sleep(1)
    assert embedder.statistics().waiting == 1
    before = anyio.current_time()
    await embedder.embed_query("known")
    assert anyio.current_time() == before
    await unknown
    assert anyio.current_time() > before + 30


async def test_many_hits_leave_the_loop_free_for_others(factory: EmbedderFactory) -> None:
    texts = [f"text {number}" for number in range(20_000)]
    embedder = await factory.new_embedder("mock", dimensions=8, cache=True)
    await embedder.embed_documents(texts)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    task = asyncio.create_task(others())
    await anyio.lowlevel.checkpoint()
    before = turns
    await embedder.embed_documents(texts)
    assert turns - before >= 15
    task.cancel()
    await asyncio.wait([task])
    assert embedder.statistics().cache_hits == 20_000


async def test_health_and_dimension_are_asked_of_the_provider(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=ModelSpec(name="model"))
    embedder = await factory.new_embedder(provider, cache=True, merge=True)
    await embedder.embed_query(PROBE)
    assert not (await embedder.check_health()).ok
    assert (await embedder.check_health()).ok
    again = await factory.new_embedder(provider, cache=True, merge=True)
    assert await again.get_dimension() == 8
    assert len(provider.calls) == 4


# ---- whose vector it is


SPEC = ModelSpec(name="model", provider="provider", dim=8)
VARIANTS: dict[str, tuple[ModelSpec, Options]] = {
    "provider": (ModelSpec(name="model", provider="other", dim=8), Options()),
    "base_url": (SPEC, Options(base_url="https://other.test/v1")),
    "model": (ModelSpec(name="other", provider="provider", dim=8), Options()),
    "revision": (ModelSpec(name="model", provider="provider", dim=8, revision="2"), Options()),
    "dim": (ModelSpec(name="model", provider="provider", dim=16), Options()),
    "dimensions": (SPEC, Options(dimensions=4)),
    "normalize": (SPEC, Options(normalize=True)),
    "overlong": (SPEC, Options(overlong="truncate")),
    "provider_options": (SPEC, Options(provider_options={"task": "clustering"})),
}


@pytest.mark.parametrize("variant", VARIANTS, ids="case 71: {}".format)
def test_whatever_decides_a_vector_is_part_of_its_key(variant: str) -> None:
    plain = Identity(SPEC, Options(), "Provider")
    other = Identity(*VARIANTS[variant], "Provider")
    keys = {key for kind in ("document", "query") for who in (plain, other) for key in who.keys(TEXTS, kind)}
    assert len(keys) == 4 * len(TEXTS)
    assert {len(key) for key in keys} == {32}


def test_case_71_a_key_holds_the_whole_text_and_its_kind() -> None:
    identity = Identity(SPEC, Options(), "Provider")
    long = "x" * 100_000
    texts = [long, long + "x", long[:-1] + "y", "\u00e4", "a\u0308"]
    keys = identity.keys(texts, "document") + identity.keys(texts, "query")
    assert len(set(keys)) == 10
    assert identity.keys(["\u00e4"], "query") == [keys[8]]


def test_case_71_limits_and_secrets_decide_no_vector() -> None:
    options = Options(api_key="key", headers={"x": "y"}, timeout=1.0, batch_size=7, limits=Limits(max_concurrency=1))
    plain = Identity(SPEC, Options(base_url="https://a.test/v1"), "P")
    same = Identity(SPEC, options.model_copy(update={"base_url": "https://a.test/v1/"}), "P")
    assert plain.keys(TEXTS, "query") == same.keys(TEXTS, "query")


async def test_case_71_embedders_share_what_is_the_same_and_nothing_else(factory: EmbedderFactory) -> None:
    providers = [ScriptedProvider(spec=PAIRS) for _ in range(3)]
    one, same, other = [
        await factory.new_embedder(provider, cache=True, normalize=provider is providers[2]) for provider in providers
    ]
    await one.embed_documents(TEXTS[:2])
    np.testing.assert_array_equal(await same.embed_documents(TEXTS[:2]), await expected(TEXTS[:2]))
    await other.embed_documents(TEXTS[:2])
    assert [len(provider.calls) for provider in providers] == [1, 0, 1]


# ---- what a store may get wrong


@pytest.mark.parametrize(
    "row",
    [np.ones(9), np.ones((8, 8)), np.full(8, np.nan), np.array([np.inf, *[1.0] * 7]), np.zeros(8)],
    ids=["case 73: dimension", "case 72: shape", "case 73: NaN", "case 73: infinity", "case 73: zeros"],
)
async def test_what_is_no_vector_of_this_model_is_a_miss(factory: EmbedderFactory, row: NDArray[Any]) -> None:
    shelf = Shelf()
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=shelf)
    await embedder.embed_documents(TEXTS)
    await embedder.aclose()
    for key in list(shelf.kept)[:1] if row.shape == (8,) else shelf.kept:
        shelf.kept[key] = row
    embedder = await factory.new_embedder(provider, cache=shelf)
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert sent(provider)[12:] == (TEXTS[:1] if row.shape == (8,) else TEXTS)


async def test_a_vector_beyond_what_a_norm_can_hold_is_a_vector(factory: EmbedderFactory) -> None:
    rows = np.full((2, 8), 1e30, np.float32)
    rows[1] = 1e-30
    provider = ScriptedProvider([Reply(rows)])
    embedder = await factory.new_embedder(provider, cache=True)
    for _ in range(2):
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:2]), rows)
    assert len(provider.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (np.array([0, 0]), np.ones((2, 8), np.float32)),
        (np.array([1, 0]), np.ones((2, 8), np.float32)),
        (np.array([5000]), np.ones((1, 8), np.float32)),
        (np.array([-1]), np.ones((1, 8), np.float32)),
        (np.array([0]), np.ones((3, 8), np.float32)),
        (np.array([0]), np.ones(8, np.float32)),
        (["zero"], [["nonsense"]]),
        None,
    ],
    ids=["twice", "descending", "beyond", "before", "too many rows", "no rows", "no numbers", "nothing"],
)
async def test_an_answer_without_sense_is_a_miss_and_reported(factory: EmbedderFactory, answer: Any) -> None:
    class Nonsense(Shelf):
        async def get_many(self, keys: Sequence[bytes], dim: int | None) -> Any:
            return answer

    events: list[Event] = []
    embedder = await factory.new_embedder(ScriptedProvider(), cache=Nonsense(), on_event=events.append)
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    [failed] = [event for event in events if isinstance(event, StoreFailed)]
    assert (failed.operation, failed.texts) == ("get", 12)


@pytest.mark.parametrize("broken", [{"get"}, {"put"}, {"get", "put"}], ids=["get", "put", "both"])
async def test_a_store_that_fails_costs_no_call(factory: EmbedderFactory, broken: set[str]) -> None:
    events: list[Event] = []
    shelf = Shelf(broken=broken)
    for _ in range(2):
        embedder = await factory.new_embedder(ScriptedProvider(), cache=shelf, on_event=events.append)
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
        await embedder.aclose()
        assert embedder.statistics().cache_failures == 12 * len(broken)
        assert embedder.statistics().cache_hits == 0
    failures = [event for event in events if isinstance(event, StoreFailed)]
    assert {event.operation for event in failures} == broken
    assert isinstance(failures[0].error, OSError)


async def test_a_store_handed_in_stays_open(tmp_path: Path) -> None:
    shelf = Shelf()
    assert isinstance(shelf, Store)
    async with EmbedderFactory(Config()) as factory:
        await (await factory.new_embedder("mock", cache=shelf)).embed_query("text")
    assert (shelf.closed, len(shelf.kept)) == (0, 1)


async def test_a_file_is_there_for_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "vectors.db"
    providers = [ScriptedProvider() for _ in range(2)]
    for provider in providers:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(provider, cache=str(file))
            np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert [len(provider.calls) for provider in providers] == [1, 0]


async def test_a_file_that_cannot_be_is_refused_when_the_embedder_is_made(
    factory: EmbedderFactory, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        await factory.new_embedder("mock", cache=tmp_path / "no such directory" / "vectors.db")


async def test_what_is_not_kept_yet_is_known_all_the_same(factory: EmbedderFactory) -> None:
    class Locked(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            await unlocked.wait()
            await super().put_many(keys, vectors)

    unlocked = asyncio.Event()
    shelf = Locked()
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=shelf)
    for _ in range(2):
        vectors = await embedder.embed_documents(TEXTS)
        vectors[:] = 0.0
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert (len(provider.calls), shelf.kept) == (1, {})
    unlocked.set()
    await embedder.aclose()
    assert len(shelf.kept) == 12


@pytest.mark.virtual_time
async def test_a_store_that_cannot_follow_slows_down_who_brings_more(
    factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            await anyio.sleep(10)
            await super().put_many(keys, vectors)

    monkeypatch.setattr("aembed._cache.BEHIND", 100)
    embedder = await factory.new_embedder(ScriptedProvider(), cache=Slow())
    for number in range(5):
        await embedder.embed_documents([f"{number} {text}" for text in TEXTS])
        assert anyio.current_time() == pytest.approx(10.0 * number)  # when the rows of the last call were kept
    await embedder.embed_documents([f"0 {text}" for text in TEXTS])  # a hit does not wait
    assert anyio.current_time() == pytest.approx(40.0)


@pytest.mark.virtual_time
async def test_rows_that_land_together_are_kept_together(factory: EmbedderFactory) -> None:
    shelf = Shelf(slow=10.0)
    embedder = await factory.new_embedder(ScriptedProvider(spec=PAIRS), cache=shelf)
    await asyncio.gather(*(embedder.embed_query(text) for text in TEXTS))
    await embedder.aclose()
    assert (len(shelf.kept), shelf.puts) == (12, 1)


# ---- what is never kept


@pytest.mark.parametrize(
    "step",
    [
        OverloadedError("busy"),
        BadRequestError("no"),
        BadTextError("no"),
        AuthenticationError("who are you"),
        Reply(np.full((1, 8), np.nan, np.float32)),
        Reply(np.ones((2, 8), np.float32)),
        Reply(np.ones((1, 9), np.float32)),
        Reply(np.ones((1, 8), np.float32), truncated=[0]),
    ],
    ids="case 74: {}".format,
)
async def test_no_failure_and_no_cut_text_is_kept(factory: EmbedderFactory, step: Any) -> None:
    shelf = Shelf()
    provider = ScriptedProvider([step])
    embedder = await factory.new_embedder(provider, cache=shelf, retry=ONCE)
    try:
        result = await embedder.embed(["text"], on_error="return")
        assert result.failures or result.truncated == (0,)
    except AuthenticationError:
        pass
    np.testing.assert_array_equal(await embedder.embed_query("text"), (await expected(["text"]))[0])
    result = await embedder.embed(["text"])
    assert result.truncated == ()
    assert len(provider.calls) == 3
    np.testing.assert_array_equal(result.vectors, await expected(["text"]))
    await embedder.aclose()
    assert len(shelf.kept) == 2  # as query and as document


async def test_case_74_of_a_batch_only_whole_texts_are_kept(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([Reply(await expected(TEXTS[:4]), truncated=[2])])
    embedder = await factory.new_embedder(provider, cache=True)
    result = await embedder.embed([*TEXTS[:4], TEXTS[2]])
    assert result.truncated == (2, 4)
    await embedder.embed(TEXTS[:4])
    assert sent(provider) == [*TEXTS[:4], TEXTS[2]]


async def test_case_75_changing_an_array_changes_nothing_kept(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=True)
    right = await expected(TEXTS)
    together = await asyncio.gather(*(embedder.embed_documents(TEXTS) for _ in range(3)))
    for vectors in together:
        np.testing.assert_array_equal(vectors, right)
        vectors[:] = 0.0
    for out in (None, np.empty((12, 8), np.float32)):
        vectors = await embedder.embed_documents(TEXTS, out=out)
        np.testing.assert_array_equal(vectors, right)
        vectors[:] = 0.0
    for row, text in enumerate(TEXTS):
        vector = (await embedder.embed([text])).vectors
        np.testing.assert_array_equal(vector[0], right[row])
        vector[:] = 0.0
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), right)
    assert len(sent(provider)) == 12


# ---- what is under way


@pytest.mark.virtual_time
async def test_a_text_is_sent_once_whoever_wants_it(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [TEXTS[:6], TEXTS[3:9], TEXTS[::-1], TEXTS[4:5], [TEXTS[0], TEXTS[0], TEXTS[11]]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert sorted(sent(provider)) == sorted(TEXTS)
    statistics = embedder.statistics()
    assert (statistics.cache_misses, statistics.cache_shared) == (12, 3 + 9 + 1 + 2)


async def test_lookups_of_the_same_do_not_race(factory: EmbedderFactory) -> None:
    """Both find nothing; one sends."""

    class Thoughtful(Shelf):
        async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
            for _ in range(len(keys)):
                await anyio.lowlevel.checkpoint()
            return await super().get_many(keys, dim)

    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=Thoughtful())
    await asyncio.gather(*(embedder.embed_documents(TEXTS[start:]) for start in (0, 3, 6, 11, 2, 0)))
    assert sorted(sent(provider)) == sorted(TEXTS)


@pytest.mark.virtual_time
async def test_a_lookup_that_ends_before_it_is_waited_for_holds_nobody_up(factory: EmbedderFactory) -> None:
    """Who waits for lookups of two others waits for one after the other; the second may be over by then."""
    embedder = await factory.new_embedder(ScriptedProvider(), cache=Shelf(slow=1.0))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for texts in (["b"], ["a"], ["a", "b"]):
                tasks.start_soon(embedder.embed_documents, texts)
                await anyio.sleep(0.3)


@pytest.mark.virtual_time
async def test_a_row_is_there_when_its_batch_is(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    bulk = asyncio.create_task(embedder.embed_documents(TEXTS))
    await anyio.sleep(0.5)
    await embedder.embed_documents(TEXTS[2:4])
    assert anyio.current_time() == pytest.approx(2.0)
    await embedder.embed_documents(TEXTS[1:2])  # is there
    assert anyio.current_time() == pytest.approx(2.0)
    await bulk
    assert anyio.current_time() == pytest.approx(6.0)


@pytest.mark.virtual_time
async def test_what_is_shared_is_paid_for_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    one, two = await asyncio.gather(embedder.embed(TEXTS[:4]), embedder.embed(TEXTS[2:6]))
    assert [(result.usage.requests, result.usage.tokens) for result in (one, two)] == [(2, 10), (1, 5)]


# ---- failures


@pytest.mark.virtual_time
async def test_each_call_has_its_own_error(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, refused={TEXTS[2]: BadTextError("no", index=None)})
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [TEXTS[:4], TEXTS[2::-1], TEXTS[1:3]]
    errors = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    assert [error.index for error in errors if isinstance(error, BadTextError)] == [2, 0, 1]
    assert len({id(error) for error in errors}) == 3
    for error, texts in zip(errors, calls, strict=True):
        assert isinstance(error, BadTextError)
        assert error.partial is not None
        assert len(error.partial.vectors) == len(texts)
        assert list(error.partial.failures) == [texts.index(TEXTS[2])]


@pytest.mark.virtual_time
async def test_who_stops_at_a_failure_stops_nobody_else(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0, refused={TEXTS[0]: BadTextError("no", index=0)})
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    leader = asyncio.create_task(embedder.embed_documents(TEXTS[:8]))
    await anyio.lowlevel.checkpoint()
    follower = asyncio.create_task(embedder.embed(TEXTS[4:6] + TEXTS[:1], on_error="return"))
    with pytest.raises(BadTextError) as caught:
        await leader
    assert anyio.current_time() <= 2.0
    assert caught.value.partial is not None
    result = await follower
    np.testing.assert_array_equal(result.vectors[:2], await expected(TEXTS[4:6]))
    assert list(result.failures) == [2]
    await anyio.sleep(10)
    assert TEXTS[6] not in sent(provider)  # nobody wanted it any more


@pytest.mark.virtual_time
async def test_what_is_sent_when_a_call_stops_is_part_of_its_result(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=2)
    provider = ScriptedProvider([1.0, 5.0], spec=spec, refused={TEXTS[0]: BadRequestError("no")})
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=2))
    with pytest.raises(BadRequestError) as caught:
        await embedder.embed_documents(TEXTS)
    assert anyio.current_time() == pytest.approx(5.0)
    partial = caught.value.partial
    assert partial is not None
    assert (list(partial.failures), partial.not_attempted) == ([0, 1], tuple(range(4, 12)))
    np.testing.assert_array_equal(partial.vectors[2:4], await expected(TEXTS[2:4]))


@pytest.mark.virtual_time
async def test_what_a_stopped_call_did_not_get_was_not_attempted(factory: EmbedderFactory) -> None:
    """Neither the rest of a batch that was parted, nor what somebody else is still waiting for."""
    provider = ScriptedProvider([100.0, 1.0, 1.0], refused={TEXTS[1]: BadTextError("no", index=1)})
    embedder = await factory.new_embedder(provider, cache=True)
    slow = asyncio.create_task(embedder.embed_documents(TEXTS[:1]))
    await anyio.sleep(0.5)
    with pytest.raises(BadTextError) as caught:
        await embedder.embed_documents([TEXTS[0], TEXTS[2], TEXTS[1], TEXTS[3]])
    assert caught.value.partial is not None
    assert (list(caught.value.partial.failures), caught.value.partial.not_attempted) == ([2], (0, 1, 3))
    await slow


@pytest.mark.virtual_time
async def test_a_call_that_has_failed_does_not_wait_for_others_flights(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([100.0, 1.0], refused={TEXTS[1]: BadTextError("no")})
    embedder = await factory.new_embedder(provider, cache=True)
    slow = asyncio.create_task(embedder.embed_documents(TEXTS[:1]))
    await anyio.sleep(0.5)
    with pytest.raises(BadTextError):
        await embedder.embed_documents(TEXTS[:2])
    assert anyio.current_time() == pytest.approx(1.5)
    await slow


@pytest.mark.virtual_time
async def test_a_refused_key_ends_all_calls_of_the_embedder_and_none_of_another(factory: EmbedderFactory) -> None:
    refused = ScriptedProvider([1.0, AuthenticationError("who are you")], spec=PAIRS)
    known = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(refused, cache=True, limits=Limits(max_concurrency=1))
    other = await factory.new_embedder(known, cache=True)
    calls = [embedder.embed_documents(TEXTS), embedder.embed(TEXTS[8:], on_error="return"), other.embed(TEXTS[2:])]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors[:2]] == [AuthenticationError] * 2
    assert errors[0] is not errors[1]
    assert isinstance(errors[2], EmbedResult)
    assert errors[2].ok
    assert sorted(sent(known)) == sorted(TEXTS[2:])


@pytest.mark.virtual_time
async def test_a_batch_refused_as_a_whole_says_nothing_about_who_shared_it(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, refused={TEXTS[0]: BadRequestError("no")})
    embedder = await factory.new_embedder(provider, cache=True)
    leader, follower = await asyncio.gather(
        embedder.embed_documents(TEXTS[:3]), embedder.embed_documents(TEXTS[1:3]), return_exceptions=True
    )
    assert isinstance(leader, BadRequestError)
    np.testing.assert_array_equal(follower, await expected(TEXTS[1:3]))


@pytest.mark.virtual_time
async def test_what_is_no_failure_of_a_text_is_raised_to_who_led(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([LookupError("a bug"), None, LookupError("another")], latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    outcomes = await asyncio.gather(*(embedder.embed_query("text") for _ in range(3)), return_exceptions=True)
    assert isinstance(outcomes[0], LookupError)
    for vector in outcomes[1:]:
        np.testing.assert_array_equal(vector, (await expected(["text"]))[0])
    assert len(provider.calls) == 2
    with pytest.raises(LookupError, match="another"):
        await embedder.embed_documents(TEXTS)


# ---- deadlines


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", [True, False], ids=["leader", "follower"])
async def test_a_deadline_is_that_of_one_call(factory: EmbedderFactory, first: bool) -> None:
    provider = ScriptedProvider(latency=10.0, spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    deadlines = (15.0, None) if first else (None, 15.0)
    hasty, patient = await asyncio.gather(
        *(embedder.embed(TEXTS[:4], deadline=deadline) for deadline in deadlines), return_exceptions=True
    )
    if not first:
        hasty, patient = patient, hasty
    assert isinstance(hasty, DeadlineError)
    assert hasty.partial is not None
    np.testing.assert_array_equal(hasty.partial.vectors[:2], await expected(TEXTS[:2]))
    assert (list(hasty.partial.failures), hasty.partial.not_attempted) == ([2, 3], ())
    assert not isinstance(patient, BaseException)
    assert patient.ok
    assert sent(provider) == TEXTS[:4]


# ---- cancellation


async def started(call: Any) -> asyncio.Task[Any]:
    """A call whose requests are under way as far as they can be."""
    task = asyncio.create_task(call)
    await anyio.sleep(0.1)
    return task


@pytest.mark.virtual_time
@pytest.mark.parametrize("leaves", [0, 1, 2])
async def test_who_leaves_takes_nothing_from_the_others(factory: EmbedderFactory, leaves: int) -> None:
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
async def test_what_nobody_wants_any_more_is_not_sent(factory: EmbedderFactory) -> None:
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
async def test_what_was_paid_for_is_kept_also_if_nobody_waits(factory: EmbedderFactory) -> None:
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
async def test_who_looks_up_and_leaves_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=Shelf(slow=10.0))
    calls = [await started(embedder.embed_documents(TEXTS)) for _ in range(2)]
    calls[0].cancel()
    np.testing.assert_array_equal(await calls[1], await expected(TEXTS))
    assert len(provider.calls) == 1


@pytest.mark.virtual_time
async def test_who_leaves_before_its_flight_has_started_takes_nothing_from_the_others(
    factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aembed._memo.SENT_AT_ONCE", 1)
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


# ---- the end


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
async def test_what_is_given_back_is_found_in_the_order_of_the_input(factory: EmbedderFactory) -> None:
    """The follower asks in another order than the leader, and another process has kept the rows meanwhile."""
    shelf = Shelf()
    one, other = [await factory.new_embedder(ScriptedProvider(latency=10.0), cache=shelf) for _ in range(2)]
    leader = await started(one.embed_documents(TEXTS[:4]))
    follower = await started(other.embed_documents(TEXTS[3::-1]))
    keys = Identity(one.spec, Options(), "ScriptedProvider").keys(TEXTS[:4], "document")
    shelf.kept.update(zip(keys, await expected(TEXTS[:4]), strict=True))
    leader.cancel()
    await one.aclose()
    np.testing.assert_array_equal(await follower, await expected(TEXTS[3::-1]))
    assert other.statistics().requests == 0


@pytest.mark.virtual_time
async def test_closing_waits_for_calls_under_way(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider, cache=True)
    call = await started(embedder.embed_documents(TEXTS))
    await embedder.aclose()
    np.testing.assert_array_equal(call.result(), await expected(TEXTS))


# ---- a dimension nobody knows yet


async def test_a_hit_serves_also_while_the_dimension_is_unknown(factory: EmbedderFactory) -> None:
    shelf = Shelf()
    providers = [ScriptedProvider(spec=ModelSpec(name="model")) for _ in range(2)]
    for provider in providers:
        embedder = await factory.new_embedder(provider, cache=shelf)
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert providers[1].calls == []
    assert await embedder.get_dimension() == 8
    assert embedder.spec.dim == 8


async def test_a_model_that_changed_its_dimension_is_not_mixed_with_what_it_was(factory: EmbedderFactory) -> None:
    shelf = Shelf()
    spec = ModelSpec(name="model")
    embedder = await factory.new_embedder(ScriptedProvider(spec=spec, dim=8), cache=shelf)
    await embedder.embed_documents(TEXTS[:6])
    embedder = await factory.new_embedder(ScriptedProvider(spec=spec, dim=16), cache=shelf)
    with pytest.raises(ReplyError, match="another dimension than those kept; call again"):
        await embedder.embed_documents(TEXTS)
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS, 16))


# ---- settings


async def test_where_to_keep_stands_in_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text(  # noqa: ASYNC240
        'model = "mock"\ncache = "vectors.db"\n', encoding="utf-8"
    )
    assert Config.load().cache == Path("vectors.db")
    async with EmbedderFactory() as factory:
        await (await factory.new_embedder()).embed_query("text")
    assert (tmp_path / "vectors.db").exists()
    for value, meant in {"true": True, "false": False, "True": True, "other.db": Path("other.db")}.items():
        monkeypatch.setenv("AEMBED_CACHE", value)
        assert Config.load().cache == meant


@pytest.mark.parametrize("place", ["", 7, 1.5, None, object(), []], ids=lambda place: type(place).__name__)
async def test_what_is_no_place_is_refused(factory: EmbedderFactory, place: Any) -> None:
    with pytest.raises(ConfigError, match="cache: give True, the path of a file, or a Store"):
        await factory.new_embedder("mock", cache=place)


async def test_one_place_is_one_store(factory: EmbedderFactory, tmp_path: Path) -> None:
    provider = ScriptedProvider()
    for place in (True, True, tmp_path / "a.db", str(tmp_path / "a.db"), Path("a.db"), MemoryStore(), MemoryStore()):
        embedder = await factory.new_embedder(provider, cache=place)
        await embedder.embed_documents(TEXTS)
    assert len(provider.calls) == 4


async def test_a_factory_closed_meanwhile_leaves_no_file_open(tmp_path: Path) -> None:
    factory = EmbedderFactory(Config())
    opening = asyncio.create_task(factory.new_embedder("mock", cache=tmp_path / "vectors.db"))
    await anyio.lowlevel.checkpoint()
    await factory.aclose()
    with pytest.raises(Exception, match="closed"):
        await opening


# ---- from one loop to the next


def test_what_one_loop_could_not_keep_the_next_one_does(tmp_path: Path) -> None:
    """A program that calls ``asyncio.run`` twice, and closes nothing in between."""

    class Locked(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            if locked:
                await anyio.sleep_forever()
            await super().put_many(keys, vectors)

    locked = True
    shelf = Locked()
    provider = ScriptedProvider(spec=PAIRS)
    factory = EmbedderFactory(Config())

    async def first() -> Embedder:
        embedder = await factory.new_embedder(provider, cache=shelf, merge=True)
        await embedder.embed_documents(TEXTS)
        return embedder

    async def second() -> None:
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
        await embedder.embed_query("new")
        await factory.aclose()

    embedder = run(first())
    locked = False
    run(second())
    assert len(shelf.kept) >= 9  # the batch that was being put is gone
    assert len(sent(provider)) <= 12 + 4 + 1


def test_calls_that_a_loop_took_with_it_do_not_hold_up_the_next() -> None:
    provider = ScriptedProvider([3600.0], spec=PAIRS, latency=1.0)
    factory = EmbedderFactory(Config())

    async def first() -> Embedder:
        embedder = await factory.new_embedder(provider, cache=True, merge=True)
        tasks.extend(asyncio.create_task(embedder.embed_query(text)) for text in (TEXTS[0], *TEXTS))
        await anyio.sleep(5)
        return embedder

    tasks: list[asyncio.Task[Any]] = []
    embedder = run(first())
    assert tasks[0].cancelled()
    np.testing.assert_array_equal(run(embedder.embed_documents(TEXTS)), run(expected(TEXTS)))
    run(factory.aclose())
