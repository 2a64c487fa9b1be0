"""Messages name options as they were typed; other words are left alone."""

from __future__ import annotations

import pytest

from aembed.cli.flags import FLAGS, WORDS, named
from tests.cli.command import Aembed


@pytest.mark.parametrize(
    ("sentence", "given", "said"),
    [
        ("dimensions: not 0", {"dimensions"}, "--dimensions: not 0"),
        ("dimensions: not 0", set(), "dimensions: not 0"),
        ("dimensions: not 0 (keyword)", {"dimensions"}, "--dimensions: not 0"),
        ("max_cost=-1.5: give a positive number", set(), "--max-cost -1.5: give a positive number"),
        ("embed with shard=(1, 2) and so on", set(), "embed with --shard 1/2 and so on"),
        ("dimensions=5, but", {"dimensions"}, "--dimensions 5, but"),
        ('set overlong="split" (average)', set(), "set --overlong split (average)"),
        ("t.csv has no column 'text_column': name one with text_column", set(),
         "t.csv has no column 'text_column': name one with --text-column"),
        ("profiles.a.cache: give True", {"cache"}, "profiles.a.cache: give True"),
        ("the cache 'a.db' is closed", set(), "the cache 'a.db' is closed"),
        ('Read it with encoding="utf-16".', set(), "Read it with --encoding utf-16."),
        ("text='{a' is not a template", set(), "--text '{a' is not a template"),
        ("the text is refused; the limit is 5", set(), "the text is refused; the limit is 5"),
        ("the cache '/tmp/cache.db' is a link", {"cache"}, "the --cache '/tmp/cache.db' is a link"),
        ("cache: '../my cache/a' is no file", {"cache"}, "--cache: '../my cache/a' is no file"),
        ("/srv/cache/force.npy exists, and cache-a.db; use force", {"cache"},
         "/srv/cache/force.npy exists, and cache-a.db; use --force"),
        (r"C:\cache\keep=1 isn't there; set cache.", {"cache"}, r"C:\cache\keep=1 isn't there; set --cache."),
        ("my_dimensions or dimensions_", {"dimensions"}, "my_dimensions or dimensions_"),
    ],
)  # fmt: skip
def test_named(sentence: str, given: set[str], said: str) -> None:
    assert named(sentence, given) == said


def test_every_flag_is_one(aembed: Aembed) -> None:
    help_ = aembed("embed", "--help").out
    for flag in (*FLAGS.values(), *(f"--{word}" for word in WORDS)):
        assert flag in help_
