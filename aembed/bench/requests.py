"""Seeded sources of arguments: a different one for every request, and the same ones in the same order for a seed."""

from __future__ import annotations

import importlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from aembed import InputError
from aembed.bench.importing import importing

T = TypeVar("T")
Requests: TypeAlias = Callable[[int], Iterator[Any]]
"""Arguments for a seed, without end."""


def integers(low: int, high: int) -> Requests:
    """Whole numbers from ``low`` to ``high``, all equally likely: identifiers, for example."""
    if high < low:
        raise InputError(f"integers({low}, {high}) is empty; the second must not be below the first")

    def draw(seed: int) -> Iterator[int]:
        dice = random.Random(seed)  # noqa: S311 - a workload is no secret
        while True:
            yield dice.randint(low, high)

    return draw


def choices(values: Sequence[Any]) -> Requests:
    """Every value once in a random order, then again in the same order."""
    if not values:
        raise InputError("choices([]) has nothing to choose from")

    def draw(seed: int) -> Iterator[Any]:
        order = list(values)
        random.Random(seed).shuffle(order)  # noqa: S311 - a workload is no secret
        while True:
            yield from order

    return draw


def lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank; InputError if there is none."""
    try:
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: byte {error.start} is not UTF-8; save it as UTF-8") from None
    if not found:
        raise InputError(f"{path} holds no text; write one value per line")
    return found


def requests_from(text: str) -> Requests:
    """A source as people write it: ``1..10000``, a file with a value per line, or ``module:function``.

    The function takes a ``random.Random`` and returns one argument. Raises InputError for anything else.
    """
    if match := re.fullmatch(r"(-?\d+)\.\.(-?\d+)", text):
        return integers(int(match[1]), int(match[2]))
    if Path(text).is_file():
        return choices(lines(Path(text)))
    module, colon, name = text.partition(":")
    with importing(f"data={text!r}"):
        function = getattr(importlib.import_module(module), name, None) if colon else None
    if not callable(function):
        raise InputError(f"data={text!r} is not a source; write 1..10000, a file of values, or module:function")
    return _drawn_by(function)


def _drawn_by(function: Callable[[random.Random], T]) -> Requests:
    def draw(seed: int) -> Iterator[T]:
        dice = random.Random(seed)  # noqa: S311 - a workload is no secret
        while True:
            yield function(dice)

    return draw
