"""Objects that belong to this process and its event loop, and say so when they are copied."""

from __future__ import annotations

from typing import NoReturn


class Bound:
    """Root of what holds connections, tasks or locks."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"{name} belongs to this process and cannot be copied or pickled; make one where it is used")
