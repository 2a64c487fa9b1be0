"""Virtual time."""

from __future__ import annotations

import asyncio

DAY, WEEK = 86_400.0, 7 * 86_400.0


def now() -> float:
    return asyncio.get_running_loop().time()
