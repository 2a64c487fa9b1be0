"""A reply is valid, or it is an error that describes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from aembed import ModelSpec, Reply, ReplyError, Vectors
from aembed._engine.check import check_reply
from aembed._vectors import unit_length

SPEC = ModelSpec(name="model", provider="maker")
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
matrices = npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=finite)


def ones(rows: int, dim: int) -> Vectors:
    return np.ones((rows, dim), np.float32)


@given(matrices)
def test_finite_rows_that_are_not_zero_pass_at_any_size(vectors: Vectors) -> None:
    vectors[~vectors.any(axis=1), 0] = 1e-45  # the least float32 there is
    checked = check_reply(Reply(vectors), len(vectors), replace(SPEC, dim=vectors.shape[1]))
    np.testing.assert_array_equal(checked, vectors)


@given(matrices, st.data())
def test_the_first_bad_row_is_named(vectors: Vectors, data: st.DataObject) -> None:
    vectors[~vectors.any(axis=1), 0] = 1.0
    bad = data.draw(st.integers(0, len(vectors) - 1))
    if data.draw(st.booleans()):
        vectors[bad, -1] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        reason = "NaN or infinity"
    else:
        vectors[bad] = 0.0
        reason = "a vector of zeros"
    with pytest.raises(ReplyError, match=reason) as caught:
        check_reply(Reply(vectors), len(vectors), SPEC)
    assert caught.value.index == bad


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        pytest.param(ones(2, 4), r"shape \(2, 4\) for 3 texts", id="too few"),
        pytest.param(ones(4, 4), r"shape \(4, 4\) for 3 texts", id="too many"),
        pytest.param(ones(0, 4), r"shape \(0, 4\) for 3 texts", id="none"),
        pytest.param(np.ones(3, np.float32), r"shape \(3,\)", id="flat"),
        pytest.param(np.ones((3, 1, 4), np.float32), r"shape \(3, 1, 4\)", id="deep"),
        pytest.param(ones(3, 5), "dimension 5 where 4 was expected", id="dimension"),
        pytest.param([[1.0] * 4, [1.0] * 3, [1.0] * 4], "do not form an array", id="ragged"),
        pytest.param([["a"] * 4] * 3, "do not form an array", id="strings"),
        pytest.param(None, r"shape \(1,\)", id="nothing"),
    ],
)
def test_a_reply_of_another_form_is_rejected(vectors: Any, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason) as caught:
        check_reply(Reply(vectors), 3, replace(SPEC, dim=4))
    assert (caught.value.provider, caught.value.retryable) == ("maker", True)


@pytest.mark.parametrize(
    "vectors",
    [
        pytest.param(np.ones((3, 4)), id="float64"),
        pytest.param(np.ones((3, 4), np.float16), id="float16"),
        pytest.param(ones(4, 3).T, id="transposed"),
        pytest.param([[1.0] * 4] * 3, id="lists"),
        pytest.param(np.ones((3, 4), ">f4"), id="big-endian"),
    ],
)
def test_other_layouts_become_contiguous_float32(vectors: Any) -> None:
    checked = check_reply(Reply(vectors), 3, replace(SPEC, dim=4))
    assert checked.dtype == np.dtype("=f4")
    assert checked.flags.c_contiguous


def test_the_right_form_is_not_copied() -> None:
    vectors = ones(3, 4)
    assert check_reply(Reply(vectors), 3, replace(SPEC, dim=4)) is vectors


@given(matrices)
def test_normalized_rows_of_any_size_have_unit_length(vectors: Vectors) -> None:
    vectors[~vectors.any(axis=1), 0] = 1e-45
    vectors.flags.writeable = False  # as arrays are that were decoded from bytes
    lengths = np.linalg.norm(unit_length(vectors).astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-6)


def test_normalizing_needs_no_second_array() -> None:
    vectors = ones(3, 4)
    assert unit_length(vectors) is vectors


@pytest.mark.parametrize(("bad", "unusable"), [([1], [1]), ([0, 2], [0, 2]), ([0, 1, 2], ())])
def test_bad_rows_are_named_unless_all_are(bad: list[int], unusable: Any) -> None:
    vectors = ones(3, 4)
    vectors[bad] = np.nan
    with pytest.raises(ReplyError) as caught:
        check_reply(Reply(vectors), 3, SPEC)
    assert (caught.value.index, caught.value.unusable, caught.value.server_works) == (bad[0], unusable, True)
