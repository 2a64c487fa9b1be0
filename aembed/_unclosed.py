"""The warning for an object that was never closed: it names the line of the program that made the object."""

from __future__ import annotations

import os
import sys
import warnings

PACKAGE = os.path.dirname(__file__) + os.sep


class MadeAt:
    """The line outside aembed that makes an object now. It refers to nothing, so that it can outlive the object."""

    __slots__ = ("_file", "_line", "_process")

    def __init__(self) -> None:
        frame = sys._getframe()
        while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        self._file = frame.f_code.co_filename
        self._line = frame.f_lineno
        self._process = os.getpid()

    def warn(self, message: str) -> None:
        """Issue a ``ResourceWarning`` for that line. A forked child need not close what its parent made."""
        if os.getpid() == self._process:
            # `source` lets tracemalloc add the whole call stack.
            warnings.warn_explicit(message, ResourceWarning, self._file, self._line, source=self)
