"""Many batches at once. The only importer of aiometer; exception groups end here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


async def fan_out(send: Callable[[T], Awaitable[None]], items: Sequence[T], *, max_at_once: int) -> None:
    """Call ``send`` for every item, started in order, at most ``max_at_once`` at a time."""
    import aiometer

    with one_error():
        await aiometer.run_on_each(send, items, max_at_once=max_at_once)


@contextmanager
def one_error() -> Generator[None, None, None]:
    """Raise the first error a task group collected. Only the group's own wrapping goes: an error may be a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
