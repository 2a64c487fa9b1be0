"""Cases 71 to 75: what a cache may be trusted with."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import (
    AembedError,
    AuthenticationError,
    BadTextError,
    Config,
    ConnectError,
    Embedder,
    EmbedderFactory,
    OverloadedError,
    Reply,
    Vectors,
)
from aembed.testing import LoopbackServer, ScriptedProvider
from aembed.testing.faults import Truncate
from tests.faults.case import AT_ONCE, DIM, attempt, embedding, mock
from tests.faults.privacy import KEY, PRIVATE, TEXTS


async def vectors_of(factory: EmbedderFactory, server: LoopbackServer, place: object, **options: Any) -> int:
    """Number of requests that a call with these options sends, cache hits excluded."""
    before = server.counters.requests
    given: dict[str, Any] = {"base_url": server.base_url, "api_key": KEY, "cache": place, "retry": AT_ONCE}
    kind = options.pop("kind", "document")
    name = options.pop("name", "openai:m")
    embedder = await factory.new_embedder(name, **{**given, **options})
    await embedder.embed(TEXTS[:1], kind=kind)
    return server.counters.requests - before


OTHER: dict[str, dict[str, Any]] = {
    "model": {"name": "openai:other"},
    "dimensions": {"dimensions": 4},
    "kind": {"kind": "query"},
    "normalize": {"normalize": True},
    "overlong": {"overlong": "truncate"},
    "preprocessing": {"provider_options": {"document_prompt": "passage: "}},
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
async def test_fault_71_everything_that_decides_a_vector_is_in_its_key(other: dict[str, Any], tmp_path: Path) -> None:
    with LoopbackServer("openai", dim=DIM) as server, LoopbackServer("openai", dim=DIM) as elsewhere:
        async with EmbedderFactory(Config()) as factory:
            place = tmp_path / "cache.db"
            assert await vectors_of(factory, server, place) == 1
            assert await vectors_of(factory, server, place) == 0
            assert await vectors_of(factory, server, place, **copy.copy(other)) == 1
            assert await vectors_of(factory, elsewhere, place) == 1, "another base_url"
            assert await vectors_of(factory, server, place) == 0


async def cached(factory: EmbedderFactory, provider: ScriptedProvider, place: Any) -> Embedder:
    return await factory.new_embedder(provider, cache=place, retry=AT_ONCE)


async def test_fault_72_no_code_is_read_and_damaged_entries_are_misses(tmp_path: Path) -> None:
    place = tmp_path / "cache.db"
    async with EmbedderFactory(Config()) as factory:
        await (await cached(factory, ScriptedProvider(dim=DIM), place)).embed_documents(TEXTS)
    damage(place)
    async with EmbedderFactory(Config()) as factory:
        provider = ScriptedProvider(dim=DIM)
        np.testing.assert_array_equal(
            await (await cached(factory, provider, place)).embed_documents(TEXTS), mock(TEXTS)
        )
        assert len(provider.calls) == 1


def damage(place: Path) -> None:
    """Every stored value becomes another, one that would run code if it were a pickle."""
    assert PRIVATE.encode() not in b"".join(file.read_bytes() for file in place.parent.glob("cache.db*"))
    with closing(sqlite3.connect(place)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        blobs = 0
        for table in tables:
            for column, kind in [row[1:3] for row in database.execute(f"PRAGMA table_info({table})")]:
                if kind == "BLOB" and column != "key":
                    blobs += database.execute(f"UPDATE {table} SET {column} = ?", (b"c__main__\nEvil\n.",)).rowcount  # noqa: S608
        database.commit()
    assert blobs >= len(TEXTS)


class Shelf:
    """A store with given answers."""

    def __init__(self, vector: Vectors) -> None:
        self.vector = vector
        self.put: list[Vectors] = []

    async def get_many(self, keys: Any, dim: int | None) -> Any:
        return np.arange(len(keys)), np.tile(self.vector, (len(keys), 1))

    async def put_many(self, keys: Any, vectors: Vectors) -> None:
        self.put.append(vectors)

    async def aclose(self) -> None:
        """Nothing to close."""


UNSOUND = {"wide": np.ones(DIM + 1), "nan": np.full(DIM, np.nan), "inf": np.full(DIM, np.inf), "zero": np.zeros(DIM)}


@pytest.mark.parametrize("vector", UNSOUND.values(), ids=UNSOUND)
async def test_fault_73_an_unsound_vector_is_a_miss(vector: Any) -> None:
    provider = ScriptedProvider(dim=DIM)
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, provider, Shelf(vector.astype(np.float32)))
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), mock(TEXTS))
    assert len(provider.calls) == 1


FAILURES: dict[str, list[Any]] = {
    "busy": [OverloadedError("busy")] * 3,
    "refused": [BadTextError("no")],
    "key": [AuthenticationError("no")],
    "unusable": [Reply(np.full((1, DIM), np.nan, np.float32))] * 2,
}


@pytest.mark.parametrize("script", FAILURES.values(), ids=FAILURES)
async def test_fault_74_failures_are_not_kept(script: list[Any]) -> None:
    provider = ScriptedProvider(script, dim=DIM)
    shelf = Shelf(np.zeros(DIM, np.float32))
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, provider, shelf)
        with pytest.raises(AembedError):
            await embedder.embed_documents(TEXTS[:1])
        assert shelf.put == []
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:1]), mock(TEXTS[:1]))
    assert len(shelf.put) == 1


async def test_fault_74_a_truncated_answer_is_not_kept() -> None:
    shelf = Shelf(np.zeros(DIM, np.float32))
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=[Truncate()] * 5) as server:
        async with embedding(server, cache=shelf) as embedder:
            _, error = await attempt(embedder)
            assert isinstance(error, ConnectError)
            assert shelf.put == []
            assert (await attempt(embedder))[1] is None
        assert len(shelf.put) == 1


@pytest.mark.parametrize("place", [True, "cache.db"])
async def test_fault_75_writing_to_an_array_changes_no_other(place: Any) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, ScriptedProvider(dim=DIM), place)
        for _ in range(3):
            vectors = await embedder.embed_documents(TEXTS)
            np.testing.assert_array_equal(vectors, mock(TEXTS))
            vectors[:] = 7.0
            vector = await embedder.embed_query(TEXTS[0])
            np.testing.assert_array_equal(vector, mock(TEXTS[:1])[0])
            vector[:] = 7.0
