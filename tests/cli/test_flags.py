"""Options are called as they were typed, and what is not an option is left alone."""

from __future__ import annotations

import pytest

from aembed.cli.flags import FLAGS, named
from tests.cli.command import Aembed


@pytest.mark.parametrize(
    ("sentence", "given", "said"),
    [
        ("dimensions: not 0", {"dimensions"}, "--dimensions: not 0"),
        ("dimensions: not 0", set(), "dimensions: not 0"),
        ("dimensions=5, but", {"dimensions"}, "--dimensions 5, but"),
        ('set overlong="split" (average)', set(), "set --overlong split (average)"),
        ("t.csv has no column 'text_column': name one with text_column", set(),
         "t.csv has no column 'text_column': name one with --text-column"),
        ("profiles.a.cache: give True", {"cache"}, "profiles.a.cache: give True"),
        ("the cache 'a.db' is closed", set(), "the cache 'a.db' is closed"),
        ("my_dimensions or dimensions_", {"dimensions"}, "my_dimensions or dimensions_"),
    ],
)  # fmt: skip
def test_named(sentence: str, given: set[str], said: str) -> None:
    assert named(sentence, given) == said


def test_every_flag_is_one(aembed: Aembed) -> None:
    help_ = aembed("embed", "--help").out
    for flag in FLAGS.values():
        assert flag in help_
