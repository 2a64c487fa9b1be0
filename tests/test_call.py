"""One call's bookkeeping: every row once, where it belongs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import BadTextError, ModelSpec, OverloadedError, Reply
from aembed._engine.call import EmbedCall
from aembed._types import Batch

SPEC = ModelSpec(name="model", dim=3)


def batch(rows: list[int], *, sliced: bool = False) -> Batch:
    where = slice(rows[0], rows[-1] + 1) if sliced else np.array(rows, np.intp)
    return Batch([f"text {row}" for row in rows], where)


def vectors(rows: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Row ``r`` holds ``r + 1`` everywhere."""
    return np.repeat(np.array(rows, np.float32)[:, None] + 1, 3, axis=1)


def call(texts: int) -> EmbedCall:
    return EmbedCall([f"text {row}" for row in range(texts)], "document", "return", None)


@given(st.integers(1, 30).flatmap(lambda n: st.permutations(range(n))), st.data())
def test_rows_find_their_place_in_any_order_of_batches(order: list[int], data: st.DataObject) -> None:
    work = call(len(order))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=5)) | {0, len(order)})
    for start, stop in pairwise(cuts):
        rows = list(order[start:stop])
        work.place(batch(rows), Reply(vectors(rows), tokens=2), vectors(rows))
    result = work.result(SPEC)
    np.testing.assert_array_equal(result.vectors, vectors(list(range(len(order)))))
    assert result.ok
    assert result.usage.tokens == 2 * (len(cuts) - 1)


def test_a_reply_to_the_whole_call_is_the_result_uncopied() -> None:
    work = call(3)
    whole = vectors([0, 1, 2])
    work.place(batch([0, 1, 2], sliced=True), Reply(whole), whole)
    assert work.vectors(3) is whole


def test_a_read_only_reply_is_copied() -> None:
    work = call(3)
    whole = vectors([0, 1, 2])
    whole.flags.writeable = False
    work.place(batch([0, 1, 2], sliced=True), Reply(whole), whole)
    assert work.vectors(3).flags.writeable


@pytest.mark.parametrize("sliced", [True, False])
def test_a_failed_text_is_counted_from_the_start_of_the_call(sliced: bool) -> None:
    work = call(9)
    error = BadTextError("no", index=1)
    work.fail(batch([4, 5, 6], sliced=sliced), error)
    assert error.index == 5
    assert list(work.failures) == [4, 5, 6]
    assert work.result(SPEC).not_attempted == (0, 1, 2, 3, 7, 8)


def test_rows_without_a_vector_hold_nan_also_in_the_callers_array() -> None:
    out = np.ones((3, 3), np.float32)
    work = EmbedCall(["a", "b", "c"], "document", "return", out)
    work.place(batch([1]), Reply(vectors([1])), vectors([1]))
    assert work.vectors(3) is out
    assert np.isnan(out).all(axis=1).tolist() == [True, False, True]


def test_without_a_reply_the_array_has_the_known_dimension() -> None:
    assert call(2).vectors(5).shape == (2, 5)
    assert call(2).vectors(None).shape == (2, 0)


def test_cost_is_known_with_tokens_and_price() -> None:
    work = call(1)
    work.place(batch([0]), Reply(vectors([0]), tokens=500_000), vectors([0]))
    assert work.result(replace(SPEC, price=0.02)).usage.cost == pytest.approx(0.01)
    assert work.result(SPEC).usage.cost is None


# ---- a text that stands several times


class TestRepeatedTexts:
    def call(self, texts: str = "abacab") -> EmbedCall:
        return EmbedCall(list(texts), "document", "return", None)

    def test_each_is_there_once(self) -> None:
        assert self.call().texts == ["a", "b", "c"]

    @given(st.lists(st.sampled_from("abcde"), min_size=1), st.data())
    def test_every_copy_gets_the_row_of_its_text(self, texts: list[str], data: st.DataObject) -> None:
        work = EmbedCall(
            texts, "document", "return", data.draw(st.sampled_from([None, np.zeros((len(texts), 3), np.float32)]))
        )
        row_of = {text: ord(text) for text in texts}
        done = data.draw(st.sets(st.sampled_from(range(len(work.texts)))))
        for index in done:
            rows = vectors([row_of[work.texts[index]]])
            work.place(batch([index], sliced=data.draw(st.booleans())), Reply(rows, tokens=1), rows)
        result = work.result(SPEC)
        delivered = {work.texts[index] for index in done}
        for row, text in enumerate(texts):
            expected = row_of[text] + 1 if text in delivered else np.nan
            np.testing.assert_array_equal(result.vectors[row], np.full(3, expected, np.float32))
        assert list(result.not_attempted) == [row for row, text in enumerate(texts) if text not in delivered]
        assert result.usage.tokens == len(done)
        np.testing.assert_array_equal(work.vectors(3), result.vectors)

    def test_a_failure_is_that_of_every_copy_and_names_each(self) -> None:
        work = self.call()
        work.fail(batch([0]), BadTextError("no", index=0))
        failures = work.result(SPEC).failures
        assert list(failures) == [0, 2, 4]
        assert [error.index for error in failures.values()] == [0, 2, 4]
        assert len({id(error) for error in failures.values()}) == 3

    def test_a_failure_of_no_text_in_particular_names_none(self) -> None:
        work = self.call()
        work.fail(batch([1, 2]), OverloadedError("busy"))
        assert {row: error.index for row, error in work.result(SPEC).failures.items()} == {1: None, 3: None, 5: None}

    def test_the_error_of_a_call_names_the_first_copy(self) -> None:
        work = EmbedCall(list("aab"), "document", "raise")
        work.fail(batch([1]), BadTextError("no"))
        assert work.error is not None
        assert work.error.index == 2

    def test_a_truncated_text_is_listed_in_each_of_its_rows(self) -> None:
        work = self.call()
        work.place(batch([0, 1]), Reply(vectors([0, 1]), truncated=[0]), vectors([0, 1]))
        assert work.result(SPEC).truncated == (0, 2, 4)
