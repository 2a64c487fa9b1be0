"""Every event goes through here: a listener that raises or dawdles is reported, and breaks no call.

A listener that dawdles slows calls all the same. Handing it events later, by a queue or ``call_soon``, would only move
the pause: it runs in the event loop, which stands still for all. A thread would let it go on beside the calls, but
listeners that count, or that ask for the current span or task, would then need locks and find neither.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from aembed._errors import ConfigError
from aembed._events import Counts, Event

Listener: TypeAlias = Callable[[Event], object]

SLOW_LISTENER_S = 0.1
"""Seconds for one event. The event loop stands still meanwhile, so that every call in it waits."""

logger = logging.getLogger("aembed")


class Listeners:
    """Hands each event to all of ``listeners``, in their order."""

    def __init__(self, listeners: Sequence[Listener], counts: Counts) -> None:
        for listener in listeners:
            check_listener(listener)
        self._listeners = tuple(listeners)
        self._counts = counts
        self._reported: set[tuple[int, str]] = set()

    def emit(self, event: Event) -> None:
        for number, listener in enumerate(self._listeners):
            started = time.perf_counter()
            try:
                result = listener(event)
                if inspect.iscoroutine(result):
                    result.close()
                    raise TypeError("it returned a coroutine; give a plain function")  # noqa: TRY301
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001  # a listener may be anybody's, and no call is the worse for it
                self._counts.listener_failures += 1
                self._report(number, "raised", "it raised an error; the event is lost to it", traceback=True)
            if (seconds := time.perf_counter() - started) > SLOW_LISTENER_S:
                held = f"it took {seconds:.1f} s for one event while every call waited; move its work to a thread"
                self._report(number, "slow", held, traceback=False)

    def _report(self, number: int, kind: str, what: str, *, traceback: bool) -> None:
        """Once for each listener: it is likely to do the same with every event."""
        if (number, kind) in self._reported:
            return
        self._reported.add((number, kind))
        name = _name(self._listeners[number])
        logger.error("event listener %s: %s (reported once)", name, what, exc_info=traceback)


def check_listener(listener: object) -> None:
    """Raises :class:`ConfigError` for what cannot be called, or would only return a coroutine."""
    if not callable(listener):
        raise ConfigError(f"on_event is a {type(listener).__name__}; give a function that takes an event")
    function = getattr(listener, "func", listener)  # of a functools.partial
    forms = (function, getattr(function, "__call__", None))  # noqa: B004  # of an object whose __call__ is async
    if any(inspect.iscoroutinefunction(form) or inspect.isasyncgenfunction(form) for form in forms):
        raise ConfigError(f"on_event is an async function, {_name(listener)}; give a plain one, which may feed a queue")


def _name(listener: object) -> str:
    return getattr(listener, "__qualname__", type(listener).__qualname__)
