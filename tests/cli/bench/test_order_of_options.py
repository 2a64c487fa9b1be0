"""The help of a command begins with the subject, and ends with the files of the results."""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("typer", reason="needs the extra bench")

from aembed.cli.bench import COMMANDS
from aembed.cli.bench.options import OUTPUT, SUBJECT


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_the_subject_comes_first_and_results_last(command: Any) -> None:
    panels = [
        getattr(about, "rich_help_panel", None)
        for option in inspect.signature(command, eval_str=True).parameters.values()
        for about in getattr(option.annotation, "__metadata__", ())
    ]
    for before, after in pairwise(panels):
        assert before != OUTPUT or after == OUTPUT
        assert after != SUBJECT or before == SUBJECT
