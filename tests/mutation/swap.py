"""Puts a changed file's code into the functions that are there already, wherever they were imported to."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType


def swapped(path: Path, before: str, after: str, functions: list[FunctionType]) -> bool:
    """Whether the change is now in force. A module that nobody has imported yet will be read from its file."""
    name = str(path)
    if all(getattr(module, "__file__", None) != name for module in list(sys.modules.values())):
        return True
    old = _by_name(compile(before, name, "exec", dont_inherit=True))
    new = _by_name(compile(after, name, "exec", dont_inherit=True))
    if {name: len(found) for name, found in old.items()} != {name: len(found) for name, found in new.items()}:
        return False
    replacement = {a: b for name in old for a, b in zip(old[name], new[name], strict=True) if a != b}
    count = 0
    for function in functions:
        changed = replacement.get(function.__code__) if function.__code__.co_filename == name else None
        if changed is not None:
            if changed.co_freevars != function.__code__.co_freevars:
                return False
            function.__code__ = changed
            count += 1
    return count > 0


def _by_name(module: CodeType) -> dict[str, list[CodeType]]:
    found = defaultdict(list)
    for code in _inside(module):
        found[code.co_qualname].append(code)
    return found


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)
