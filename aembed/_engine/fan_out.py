"""Many batches at once. The only importer of aiometer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aembed._groups import first_error

T = TypeVar("T")


async def fan_out(send: Callable[[T], Awaitable[None]], items: Sequence[T], *, max_at_once: int) -> None:
    """Call ``send`` for every item, started in order, at most ``max_at_once`` at a time."""
    import aiometer

    with first_error():
        await aiometer.run_on_each(send, items, max_at_once=max_at_once)
