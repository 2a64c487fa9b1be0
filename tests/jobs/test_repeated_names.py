"""Columns of one name get names of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.jobs.columns import unique_names


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a"], ["a", "a_2"]),
        (["a", "b", "a", "a"], ["a", "b", "a_3", "a_4"]),
        (["a", "a", "a_2"], ["a", "a_2_2", "a_2"]),
        (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
        (["a", "a_3", "a"], ["a", "a_3", "a_3_3"]),
        ([], []),
    ],
)
def test_a_repeated_name_gets_its_position(names: list[str], unique: list[str]) -> None:
    assert unique_names(names) == unique


@given(st.lists(st.sampled_from(["a", "b", "a_2", "a_3", "a_2_2", "b_4", "a_2_3"])))
def test_no_name_is_taken_twice_and_the_first_of_each_is_kept(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(unique) == len(names)
    assert [unique[names.index(name)] for name in names] == names
