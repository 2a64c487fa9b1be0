"""A cap that the server does not announce is found once, not in every call, and tried again now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aembed import BatchTooLargeError, EmbedderFactory, Kind, ModelSpec, Reply
from aembed._engine.batch_cap import FULL_BATCHES_BEFORE_GROWTH, BatchCap
from aembed._types import Batch

SPEC = ModelSpec(name="m", max_batch_texts=128)


class Picky:
    """A provider that takes ``most`` texts at once, and does not say so."""

    def __init__(self, most: int, spec: ModelSpec) -> None:
        self.spec = spec
        self.most = most
        self.asked: list[int] = []

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        self.asked.append(len(texts))
        if len(texts) > self.most:
            raise BatchTooLargeError("too many inputs")
        return Reply(np.array([[1.0, float(text)] for text in texts], np.float32))

    async def aclose(self) -> None: ...

    @property
    def rejected(self) -> int:
        return sum(asked > self.most for asked in self.asked)


async def test_it_is_remembered_by_the_next_call(factory: EmbedderFactory) -> None:
    provider = Picky(10, SPEC)
    embedder = await factory.new_embedder(provider)
    texts = list(map(str, range(100)))
    for _ in range(3):
        np.testing.assert_array_equal((await embedder.embed_documents(texts))[:, 1], np.arange(100))
    assert provider.rejected == 4  # 100, 50, 25, 12
    assert max(provider.asked[-30:]) == 6


async def test_batches_that_wait_are_parted_before_they_go(factory: EmbedderFactory) -> None:
    """Sixteen may be in flight when the first is rejected; the others need not be rejected as well."""
    provider = Picky(10, ModelSpec(name="m", max_batch_texts=40, max_concurrency=16))
    embedder = await factory.new_embedder(provider)
    vectors = await embedder.embed_documents(list(map(str, range(4000))))
    np.testing.assert_array_equal(vectors[:, 1], np.arange(4000))
    assert provider.rejected <= 16 * (1 + 2) + 4
    assert len(provider.asked) <= 400 + provider.rejected + FULL_BATCHES_BEFORE_GROWTH


async def test_it_is_looked_at_again_and_found_to_have_risen(factory: EmbedderFactory) -> None:
    provider = Picky(16, SPEC)
    embedder = await factory.new_embedder(provider)
    texts = list(map(str, range(128)))
    await embedder.embed_documents(texts)
    provider.most = 128
    for _ in range(6 * FULL_BATCHES_BEFORE_GROWTH):
        await embedder.embed_documents(texts)
    assert provider.asked[-1] == 128


@given(st.integers(1, 500), st.lists(st.integers(1, 600), max_size=60))
def test_parts_are_the_batch_and_within_the_cap(limit: int, sizes: list[int]) -> None:
    cap = BatchCap()
    for size in sizes:
        batch = Batch(list(map(str, range(size))), slice(7, 7 + size))
        most, parts = cap.most, cap.parts(batch)
        assert [text for part in parts for text in part.texts] == batch.texts
        assert np.concatenate([np.arange(1000)[part.rows] for part in parts]).tolist() == list(range(7, 7 + size))
        for part in parts:
            assert len(part) <= (most or size)
            if len(part) > limit:
                cap.rejected(len(part))
            else:
                cap.accepted(len(part))
    assert cap.most is None or cap.most >= 1


def test_the_spec_is_only_ever_tightened() -> None:
    cap = BatchCap()
    assert cap.fit(SPEC) is SPEC
    cap.rejected(1)
    assert cap.fit(SPEC) is SPEC
    cap.rejected(1000)
    assert cap.fit(SPEC) is SPEC
    cap.rejected(101)
    assert cap.fit(SPEC).max_batch_texts == 51


@given(st.integers(1, 300), st.integers(301, 1000))
def test_it_settles_at_the_most_that_the_server_takes(limit: int, planned: int) -> None:
    cap = BatchCap()
    sent = rejected = 0
    while sent < 20 * FULL_BATCHES_BEFORE_GROWTH:
        texts = min(planned, cap.most or planned)
        sent += 1
        if texts > limit:
            rejected += 1
            cap.rejected(texts)
        else:
            cap.accepted(texts)
    assert cap.most in {limit, 2 * limit}
    assert rejected <= 10 + 20


def test_only_full_batches_count() -> None:
    cap = BatchCap()
    cap.rejected(100)
    for _ in range(2 * FULL_BATCHES_BEFORE_GROWTH):
        cap.accepted(49)
    assert cap.most == 50


def test_a_server_that_takes_fewer_than_before_is_followed() -> None:
    cap = BatchCap()
    cap.rejected(100)
    cap.accepted(50)
    cap.rejected(50)
    assert cap.most == 25


def test_the_steps_to_a_cap_and_beyond_it() -> None:
    """One in a hundred full batches tries more: half way to the rejected size, or the double where that is no more."""
    cap = BatchCap()
    steps: list[int | None] = []
    for rejected in (101, 51):
        cap.rejected(rejected)
        steps.append(cap.most)
    for _ in range(4):
        for _ in range(FULL_BATCHES_BEFORE_GROWTH - 1):
            cap.accepted(cap.most or 0)
        steps.append(cap.most)
        cap.accepted(cap.most or 0)
        steps.append(cap.most)
    assert FULL_BATCHES_BEFORE_GROWTH == 100
    assert steps == [51, 26, 26, 38, 38, 44, 44, 47, 47, 49]
    cap.rejected(49)
    assert cap.most == 47, "what went well before"
    for _ in range(FULL_BATCHES_BEFORE_GROWTH):
        cap.accepted(cap.most)
    assert cap.most == 48
    cap.rejected(48)
    for _ in range(FULL_BATCHES_BEFORE_GROWTH):
        cap.accepted(47)
    assert cap.most == 94, "nothing lies between 47 and 48"


def test_two_texts_become_one() -> None:
    cap = BatchCap()
    steps: list[int | None] = []
    for rejected in (1, 2):
        cap.rejected(rejected)
        steps.append(cap.most)
    for _ in range(FULL_BATCHES_BEFORE_GROWTH):
        cap.accepted(1)
    assert [*steps, cap.most] == [None, 1, 2]


def test_more_than_the_cap_is_no_news() -> None:
    cap = BatchCap()
    cap.rejected(10)
    cap.rejected(6)
    assert cap.most == 5
    cap.rejected(5)
    assert cap.most == 3
    cap.accepted(4)
    cap.rejected(3)
    assert cap.most == 2, "what was answered before says nothing any more"
