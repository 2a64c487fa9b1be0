"""The help of a command shows the defaults that hold."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

pytest.importorskip("typer", reason="needs the extra bench")

from aembed.cli.bench import COMMANDS

SHOWN = [
    pytest.param(about.parser, about.show_default, option.default, id=f"{command.__name__} {option.name}")
    for command in COMMANDS
    for option in inspect.signature(command, eval_str=True).parameters.values()
    for about in getattr(option.annotation, "__metadata__", ())
    if isinstance(about.show_default, str) and option.default is not None
]


@pytest.mark.parametrize(("parser", "shown", "default"), SHOWN)
def test_a_default_is_what_the_help_says(parser: Any, shown: str, default: object) -> None:
    assert parser(shown) == default


def test_there_are_such_options() -> None:
    assert len(SHOWN) >= 10
