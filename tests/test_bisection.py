"""Exactly the bad texts fail, in any batches, and finding them costs few requests."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aembed import (
    AembedError,
    BadTextError,
    BatchTooLargeError,
    Config,
    EmbedderFactory,
    EmbedResult,
    Kind,
    ModelSpec,
    Reply,
    Vectors,
)
from aembed._types import OnError
from aembed.testing import ScriptedProvider
from tests.loops import run


class Picky(ScriptedProvider):
    """Refuses batches with a bad text, or of more texts than ``cap``; names one of the bad texts if it ``names``."""

    def __init__(self, bad: frozenset[str], spec: ModelSpec, *, names: bool, cap: int | None) -> None:
        super().__init__(spec=spec)
        self._bad = bad
        self._names = names
        self._cap = cap

    async def _answer(self, texts: Sequence[str], kind: Kind) -> Reply:
        if self._cap is not None and len(texts) > self._cap:
            raise BatchTooLargeError(f"at most {self._cap} texts")
        culprits = [position for position, text in enumerate(texts) if text in self._bad]
        if culprits:
            raise BadTextError("refused", index=culprits[len(culprits) // 2] if self._names else None)
        return await super()._answer(texts, kind)


def most_requests(size: int, bad: int, *, named: bool) -> int:
    """Requests of one batch: one, and

    - one more for each bad text that is named: the rest is sent again;
    - two for each rejected part, where none is named. At depth ``d`` there are ``2**d`` parts at most, and no more of
      them rejected than there are bad texts; parts of one text are not parted.
    """
    if named:
        return 1 + min(bad, size - 1)
    return 1 + 2 * sum(min(1 << depth, bad) for depth in range(ceil(log2(size))))


@st.composite
def _cases(draw: st.DrawFn) -> tuple[int, frozenset[int], int, bool, bool]:
    count = draw(st.integers(1, 150))
    few = draw(st.booleans())
    bad = draw(st.frozensets(st.integers(0, count - 1), max_size=3 if few else count))
    return count, bad, draw(st.integers(1, count)), draw(st.booleans()), draw(st.booleans())


CASES = _cases()


async def outcome(
    provider: Picky, texts: Sequence[str], on_error: OnError
) -> tuple[EmbedResult, AembedError | None, Vectors]:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider)
        expected = await (await factory.new_embedder("mock", dimensions=8)).embed_documents(texts)
        try:
            return await embedder.embed(texts, on_error=on_error), None, expected
        except AembedError as error:
            assert error.partial is not None
            return error.partial, error, expected


def check_rows(result: EmbedResult, expected: Vectors) -> set[int]:
    """Every input is exactly one of delivered, failed and not attempted. Returns the delivered."""
    empty = np.isnan(result.vectors).all(axis=1)
    delivered = set(np.flatnonzero(~empty).tolist())
    np.testing.assert_array_equal(result.vectors[~empty], expected[~empty])
    others = [*result.failures, *result.not_attempted]
    assert sorted([*delivered, *others]) == list(range(len(expected)))
    return delivered


@given(CASES)
def test_exactly_the_bad_texts_fail(case: tuple[int, frozenset[int], int, bool, bool]) -> None:
    count, bad, size, named, pads = case
    texts = [f"text {'x' * (number * 7 % 13)} {number}" for number in range(count)]
    spec = ModelSpec(name="picky", dim=8, max_batch_texts=size, pads=pads)
    provider = Picky(frozenset(texts[index] for index in bad), spec, names=named, cap=None)
    result, error, expected = run(outcome(provider, texts, "return"))
    assert error is None
    assert check_rows(result, expected) == set(range(count)) - bad
    assert set(result.failures) == bad
    for index, failure in result.failures.items():
        assert type(failure) is BadTextError
        assert failure.index == index
    assert result.not_attempted == ()
    batches = [range(start, min(start + size, count)) for start in range(0, count, size)]
    if not pads:  # else the batches are others
        limit = sum(most_requests(len(batch), len(bad & set(batch)), named=named) for batch in batches)
        assert len(provider.calls) <= limit
    simple = len(batches) + (len(bad) if named else 2 * len(bad) * ceil(log2(min(size, count))))
    assert len(provider.calls) <= simple
    assert result.usage.requests == len(provider.calls)


@given(CASES)
def test_raising_names_a_bad_text_and_hands_over_the_rest(case: tuple[int, frozenset[int], int, bool, bool]) -> None:
    count, bad, size, named, pads = case
    texts = [f"text {number}" for number in range(count)]
    spec = ModelSpec(name="picky", dim=8, max_batch_texts=size, pads=pads)
    provider = Picky(frozenset(texts[index] for index in bad), spec, names=named, cap=None)
    result, error, expected = run(outcome(provider, texts, "raise"))
    delivered = check_rows(result, expected)
    assert delivered.isdisjoint(bad)
    if not bad:
        assert error is None
        assert len(delivered) == count
        return
    assert error is not None
    assert error.index in bad
    assert set(result.failures) <= bad
    assert result.failures[error.index] is error


@given(CASES, st.integers(1, 40))
def test_bad_texts_in_batches_that_are_too_large(case: tuple[int, frozenset[int], int, bool, bool], cap: int) -> None:
    count, bad, size, named, _ = case
    texts = [f"text {number}" for number in range(count)]
    spec = ModelSpec(name="picky", dim=8, max_batch_texts=size)
    provider = Picky(frozenset(texts[index] for index in bad), spec, names=named, cap=cap)
    result, error, expected = run(outcome(provider, texts, "return"))
    assert error is None
    assert check_rows(result, expected) == set(range(count)) - bad
    assert set(result.failures) == bad


def test_one_bad_text_in_a_large_batch_costs_two_requests_a_halving() -> None:
    texts = [f"text {number}" for number in range(1024)]
    spec = ModelSpec(name="picky", dim=8, max_batch_texts=1024)
    for named, requests in ((False, 21), (True, 2)):
        for bad in (0, 511, 700, 1023):
            provider = Picky(frozenset([texts[bad]]), spec, names=named, cap=None)
            result, _, _ = run(outcome(provider, texts, "return"))
            assert set(result.failures) == {bad}
            assert len(provider.calls) == requests == most_requests(1024, 1, named=named)


def test_a_batch_of_bad_texts_only() -> None:
    texts = [f"text {number}" for number in range(64)]
    spec = ModelSpec(name="picky", dim=8, max_batch_texts=64)
    for named, requests in ((False, 127), (True, 64)):
        provider = Picky(frozenset(texts), spec, names=named, cap=None)
        result, _, _ = run(outcome(provider, texts, "return"))
        assert len(result.failures) == 64
        assert len(provider.calls) == requests == most_requests(64, 64, named=named)
