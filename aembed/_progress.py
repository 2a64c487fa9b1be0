"""Progress of a long call, for a bar such as tqdm's: ``progress=bar.update``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeAlias

from aembed._engine.listeners import logger
from aembed._errors import InputError

OnProgress: TypeAlias = Callable[[int], object]
"""Called with the number of texts that have ended since the last time: each has its vector, or has failed."""


def guarded(progress: OnProgress) -> Callable[[int], None]:
    """The same callback, which breaks no call: its first error is logged, and after that it is not called any more.

    Raises:
        InputError: it cannot be called, or is an async function.
    """
    if not callable(progress):
        raise InputError(f"progress is a {type(progress).__name__}; give a function of one number, such as bar.update")
    if inspect.iscoroutinefunction(progress):
        raise InputError("progress is an async function; give a plain one")
    works = True

    def report(texts: int) -> None:
        nonlocal works
        if not works:
            return
        try:
            progress(texts)
        except Exception:  # noqa: BLE001  # a user's own, and no reason to lose vectors that are paid for
            works = False
            logger.exception("the progress callback raised an error; the call continues without it")

    return report
