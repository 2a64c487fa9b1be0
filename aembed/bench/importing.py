"""Errors in modules of users, which are imported by name."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager

from aembed import AembedError, InputError


@contextmanager
def importing(place: str) -> Generator[None]:
    """Turn an error of the module into an InputError with its line: a mistake in its code, or a missing package."""
    try:
        yield
    except AembedError:  # its sentence is for the user already
        raise
    except Exception as error:  # any error of any package  # the code is the user's
        raise InputError(f"{place} cannot be imported: {type(error).__name__}: {error}{_line(error)}") from error


def _line(error: Exception) -> str:
    """The line that raised. A SyntaxError names its own, and a package is not missing in a line of the importer."""
    if isinstance(error, SyntaxError):
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if last.filename.startswith("<frozen ") else f" ({last.filename}, line {last.lineno})"
