"""Memory of one phase of a job, given back before the next one takes its own."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back_memory() -> None:
    """Give free memory back to the system: glibc keeps what lies below a block in use, and pyarrow uses none of it."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library, such as musl
            ctypes.CDLL(None).malloc_trim(0)
