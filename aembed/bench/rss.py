"""Resident memory of this process, without a package where the system has a file for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident() -> Callable[[], int] | None:
    """Reads the resident bytes; ``None`` where neither the system nor psutil reports them."""
    if STATM.exists():
        page = os.sysconf("SC_PAGE_SIZE")
        return lambda: int(STATM.read_bytes().split()[1]) * page
    try:
        import psutil
    except ImportError:
        return None
    process = psutil.Process()
    return lambda: int(process.memory_info().rss)
