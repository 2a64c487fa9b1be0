"""Exception groups end here: a caller gets the error itself, as from code without a task group."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def first_error() -> Generator[None, None, None]:
    """Raise the first error that a task group collected, with its own cause.

    Only one level is unwrapped: an error of the user's may be a group itself.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        first = group.exceptions[0]
        raise first from first.__cause__
