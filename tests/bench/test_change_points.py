"""Changes that were planted, changes that were not, and the wilderness between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.bench.stats import change_points as room
from aembed.bench.stats.change_points import change_points
from tests.bench.simulated import series


def test_a_clean_step_is_found_exactly() -> None:
    (found,) = change_points([1.0, 1.01, 0.99] * 7 + [1.2, 1.21, 1.19] * 7)
    assert (found.index, found.before, found.after) == (21, 1.0, 1.2)
    assert found.change == pytest.approx(0.2)


def test_every_step_of_several_is_found() -> None:
    found = change_points(series(4, (30, 1.0), (30, 1.3), (30, 0.9)))
    assert [point.index for point in found] == pytest.approx([30, 60], abs=2)
    assert [point.change for point in found] == pytest.approx([0.3, -0.31], abs=0.05)


def test_spikes_are_no_change_of_level() -> None:
    assert change_points([1.0, 1.01, 0.99, 1.0, 3.0, 1.02, 0.98] * 8) == ()


def test_a_change_too_small_to_matter_is_not_reported() -> None:
    values = [1.0, 1.001, 0.999] * 10 + [1.02, 1.021, 1.019] * 10
    assert change_points(values) == ()
    assert [point.index for point in change_points(values, min_effect=0.01)] == [30]


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 9, [2.0] * 100])
def test_short_or_flat_series_have_no_change(values: list[float]) -> None:
    assert change_points(values) == ()


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_only_values_above_zero_have_relative_changes(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite and above 0"):
        change_points([1.0, wrong])


@given(st.lists(st.floats(0.5, 2), min_size=10, max_size=60), st.floats(0.01, 100))
def test_the_unit_does_not_matter(values: list[float], unit: float) -> None:
    assert [p.index for p in change_points(values)] == [p.index for p in change_points(np.array(values) * unit)]


def test_the_statistic_is_the_standardised_one_of_mann_and_whitney() -> None:
    """At the split in the middle of 1..10: U = 0, mean 12.5, variance 5 * 5 * 11 / 12."""
    statistics = room._statistics(np.arange(1.0, 11)[None, :])
    assert statistics.ravel().tolist() == pytest.approx([12.5 / np.sqrt(275 / 12)])


def test_equal_values_share_their_ranks() -> None:
    assert room._ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_null_series_raise_few_alarms_and_steps_are_found() -> None:
    """60 results at cv 3 %, 5 % spikes: at most 2 % false alarms, at least 90 % of steps of 10 % found."""
    splits = np.random.default_rng(0).integers(15, 46, 300).tolist()
    null = sum(bool(change_points(series(seed, (60, 1.0)))) for seed in range(300))
    steps = [change_points(series(seed, (split, 1.0), (60 - split, 1.1))) for seed, split in enumerate(splits)]
    found = [any(abs(p.index - split) <= 3 for p in each) for each, split in zip(steps, splits, strict=True)]
    assert null <= 6
    assert sum(found) >= 270
