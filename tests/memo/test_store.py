"""A store that is wrong, broken, slow or a file costs no call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import Config, ConfigError, EmbedderFactory, Event, Reply, Store, StoreFailed, Vectors
from aembed.stores import MemoryStore
from aembed.testing import ScriptedProvider
from tests.memo.shelf import Shelf
from tests.scripted import PAIRS, TEXTS, expected, sent


@pytest.mark.parametrize(
    "row",
    [np.ones(9), np.ones((8, 8)), np.full(8, np.nan), np.array([np.inf, *[1.0] * 7]), np.zeros(8)],
    ids=["case 73: dimension", "case 72: shape", "case 73: NaN", "case 73: infinity", "case 73: zeros"],
)
async def test_a_row_that_is_no_vector_of_this_model_is_a_miss(factory: EmbedderFactory, row: NDArray[Any]) -> None:
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


async def test_a_row_whose_norm_overflows_is_a_hit(factory: EmbedderFactory) -> None:
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


async def test_the_users_store_is_not_closed(tmp_path: Path) -> None:
    shelf = Shelf()
    assert isinstance(shelf, Store)
    async with EmbedderFactory(Config()) as factory:
        await (await factory.new_embedder("mock", cache=shelf)).embed_query("text")
    assert (shelf.closed, len(shelf.kept)) == (0, 1)


async def test_a_file_serves_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "vectors.db"
    providers = [ScriptedProvider() for _ in range(2)]
    for provider in providers:
        async with EmbedderFactory(Config()) as factory:
            embedder = await factory.new_embedder(provider, cache=str(file))
            np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert [len(provider.calls) for provider in providers] == [1, 0]


async def test_a_file_that_cannot_be_opened_fails_when_the_embedder_is_made(
    factory: EmbedderFactory, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        await factory.new_embedder("mock", cache=tmp_path / "no such directory" / "vectors.db")


async def test_rows_that_are_not_stored_yet_are_hits(factory: EmbedderFactory) -> None:
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
async def test_calls_wait_for_a_store_that_cannot_keep_up(
    factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            await anyio.sleep(10)
            await super().put_many(keys, vectors)

    monkeypatch.setattr("aembed._sharing.cache.MAX_UNSTORED_BYTES", 100)
    embedder = await factory.new_embedder(ScriptedProvider(), cache=Slow())
    for number in range(5):
        await embedder.embed_documents([f"{number} {text}" for text in TEXTS])
        assert anyio.current_time() == pytest.approx(10.0 * number)  # when the rows of the last call were kept
    await embedder.embed_documents([f"0 {text}" for text in TEXTS])  # a hit does not wait
    assert anyio.current_time() == pytest.approx(40.0)


@pytest.mark.virtual_time
async def test_rows_that_arrive_together_are_stored_together(factory: EmbedderFactory) -> None:
    shelf = Shelf(slow=10.0)
    embedder = await factory.new_embedder(ScriptedProvider(spec=PAIRS), cache=shelf)
    await asyncio.gather(*(embedder.embed_query(text) for text in TEXTS))
    await embedder.aclose()
    assert (len(shelf.kept), shelf.puts) == (12, 1)


class Hanging(MemoryStore):
    """Never answers."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        if self.operation == "get":
            await anyio.sleep_forever()
        return await super().get_many(keys, dim)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        if self.operation == "put":
            await anyio.sleep_forever()
        await super().put_many(keys, vectors)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("operation", "seconds"), [("get", 15.0), ("put", 90.0)])
async def test_a_store_that_hangs_costs_a_miss(factory: EmbedderFactory, operation: str, seconds: float) -> None:
    events: list[Event] = []
    embedder = await factory.new_embedder("mock", cache=Hanging(operation), on_event=events.append)
    await embedder.embed_query("text")
    await embedder.aclose()
    assert anyio.current_time() == pytest.approx(seconds)
    (failed,) = [event for event in events if isinstance(event, StoreFailed)]
    assert (failed.operation, type(failed.error)) == (operation, TimeoutError)
