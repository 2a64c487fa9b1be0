"""Cutting texts into batches: every text exactly once, within the caps, and as little padding as may be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import ModelSpec
from aembed._engine.plan import estimate_tokens, halves, plan, take
from aembed._types import Batch

texts_ = st.lists(st.text(min_size=1, max_size=60), max_size=40)
specs = st.builds(
    ModelSpec,
    name=st.just("model"),
    max_batch_texts=st.none() | st.integers(1, 12),
    max_batch_tokens=st.none() | st.integers(1, 60),
    pads=st.booleans(),
)


def rows(batch: Batch) -> list[int]:
    return list(range(batch.rows.start, batch.rows.stop)) if isinstance(batch.rows, slice) else batch.rows.tolist()


def cost(batch: Batch, spec: ModelSpec) -> int:
    sizes = [estimate_tokens(text) for text in batch.texts]
    return max(sizes) * len(sizes) if spec.pads else sum(sizes)


@given(texts_, specs)
def test_every_text_is_in_exactly_one_batch_with_its_row(texts: list[str], spec: ModelSpec) -> None:
    batches = plan(texts, spec)
    placed = [(row, text) for batch in batches for row, text in zip(rows(batch), batch.texts, strict=True)]
    assert sorted(placed) == list(enumerate(texts))


@given(texts_, specs)
def test_no_batch_is_beyond_a_cap_unless_it_is_a_single_text(texts: list[str], spec: ModelSpec) -> None:
    for batch in plan(texts, spec):
        assert len(batch) >= 1
        assert spec.max_batch_texts is None or len(batch) <= spec.max_batch_texts
        assert spec.max_batch_tokens is None or cost(batch, spec) <= spec.max_batch_tokens or len(batch) == 1


@given(texts_, specs)
def test_no_batch_could_have_taken_the_next_text_too(texts: list[str], spec: ModelSpec) -> None:
    for batch, following in pairwise(plan(texts, spec)):
        larger = Batch([*batch.texts, following.texts[0]], slice(0, 0))
        too_many = spec.max_batch_texts is not None and len(larger) > spec.max_batch_texts
        assert too_many or (spec.max_batch_tokens is not None and cost(larger, spec) > spec.max_batch_tokens)


@given(texts_, specs)
def test_lengths_fall_if_the_model_pads_and_the_order_stays_otherwise(texts: list[str], spec: ModelSpec) -> None:
    batches = plan(texts, spec)
    if spec.pads and len(batches) > 1:
        sizes = [estimate_tokens(text) for batch in batches for text in batch.texts]
        assert sizes == sorted(sizes, reverse=True)
    else:
        assert [row for batch in batches for row in rows(batch)] == list(range(len(texts)))


def test_an_oversized_text_is_sent_alone() -> None:
    spec = ModelSpec(name="model", max_batch_tokens=10)
    assert [list(batch.texts) for batch in plan(["a", "b" * 400, "c", "d"], spec)] == [["a"], ["b" * 400], ["c", "d"]]


def test_no_texts_are_no_batches() -> None:
    assert plan([], ModelSpec(name="model")) == []
    assert plan([], ModelSpec(name="model", max_batch_tokens=10, pads=True)) == []


@pytest.mark.parametrize("pads", [True, False])
@pytest.mark.parametrize("budget", [None, 100])
def test_a_single_batch_is_the_texts_as_they_came(pads: bool, budget: int | None) -> None:
    texts = ["a", "bbbbbbbbb"]
    (batch,) = plan(texts, ModelSpec(name="model", max_batch_texts=2, max_batch_tokens=budget, pads=pads))
    assert list(batch.texts) == texts
    assert batch.rows == slice(0, 2)


@pytest.mark.parametrize(("text", "tokens"), [("a", 1), ("a" * 400, 101), ("\u4e16\u754c" * 100, 201)])
def test_the_estimate_knows_english_from_dense_scripts(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.lists(st.text(), min_size=2, max_size=20), st.booleans())
def test_halves_hold_the_whole_and_differ_by_one_at_most(texts: list[str], shuffled: bool) -> None:
    order = np.arange(len(texts))[::-1]
    batch = Batch(texts, order if shuffled else slice(0, len(texts)))
    first, second = halves(batch)
    assert [*first.texts, *second.texts] == texts
    assert rows(first) + rows(second) == rows(batch)
    assert 0 <= len(second) - len(first) <= 1


def test_taking_texts_takes_their_rows_along() -> None:
    part = take(Batch(["a", "b", "c", "d"], slice(10, 14)), [3, 1])
    assert (list(part.texts), rows(part)) == (["d", "b"], [13, 11])


@given(texts_, st.integers(1, 20), st.none() | st.integers(1, 12), st.integers(1, 60))
def test_texts_that_look_too_long_go_alone_and_the_rest_together(
    texts: list[str], longest: int, count: int | None, budget: int
) -> None:
    spec = ModelSpec(name="model", max_batch_texts=count, max_batch_tokens=budget, max_text_tokens=longest)
    batches = plan(texts, spec)
    assert sorted(row for batch in batches for row in rows(batch)) == list(range(len(texts)))
    for batch in batches:
        assert list(batch.texts) == [texts[row] for row in rows(batch)]
        assert len(batch) == 1 or all(estimate_tokens(text) <= longest for text in batch.texts)


def test_a_text_that_looks_too_long_goes_alone_even_where_all_would_fit_one_batch() -> None:
    batches = plan(["short", "x" * 100, "brief"], ModelSpec(name="m", max_text_tokens=10))
    assert sorted(len(batch) for batch in batches) == [1, 2]
