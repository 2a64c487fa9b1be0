"""Events on their way to listeners: one that raises or is slow is reported, and breaks no call.

A slow listener delays calls all the same. A queue or ``call_soon`` would only move the delay, since listeners run on
the event loop; in a thread, listeners that count would need locks, and those that ask for the current span or task
would find none.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from aembed._errors import ConfigError
from aembed._events import (
    CallStarted,
    CircuitClosed,
    CircuitOpened,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    RequestDone,
)
from aembed._statistics import EmbedderCounts

Listener: TypeAlias = Callable[[Event], object]

GATE_EVENTS = frozenset({GatePaused, GateResumed, LimitChanged, CircuitOpened, CircuitClosed})

SLOW_LISTENER_S = 0.1
"""Seconds for one event from which on a listener is reported as slow: it blocks the event loop for that time."""

logger = logging.getLogger("aembed")
logger.addHandler(logging.NullHandler())  # shown only if the program configures logging


class Listeners:
    """Hands each event to the listeners that want it, in their order.

    A listener is a function of one event. Two attributes are optional: ``wanted_events``, the only event classes it is
    called with, and ``call_started``, a method that receives :class:`CallStarted` when a call begins. One with
    ``shared_requests_only`` set does without :class:`RequestDone` for requests that serve one call; one with
    ``wants_phases`` set receives :class:`RequestDone` with its phases, which costs some microseconds per request.
    """

    def __init__(self, listeners: Sequence[Listener], counts: EmbedderCounts) -> None:
        self.emit: Callable[[Event], None] | None = None
        """``None`` while there is no listener: then no event is built."""
        self.emit_request: Callable[[Event], None] | None = None
        """Emits successful requests that serve one call, which some listeners do without; ``None`` if all do."""
        self.emit_shared_request: Callable[[Event], None] | None = None
        """The same for requests that serve several."""
        self.start: Callable[[CallStarted], None] | None = None
        """Emits the beginning of a call; ``None`` if no listener has ``call_started``."""
        self.wants_requests = self.wants_gate = False
        """True if a listener wants events of successful requests, or of gates."""
        self.wants_phases = False
        """True if the phases of requests are measured."""
        self._listeners: list[tuple[Listener, frozenset[type[Any]] | None]] = []
        self._counts = counts
        self._reported: set[tuple[int, str]] = set()
        for listener in listeners:
            self.add(listener)

    def add(self, listener: Listener) -> None:
        """Raises :class:`ConfigError` for what cannot be called."""
        check_listener(listener)
        wanted: Collection[type[Any]] | None = getattr(listener, "wanted_events", None)
        self._listeners.append((listener, None if wanted is None else frozenset(wanted)))
        self.emit = self._emit
        if wanted is None or RequestDone in wanted:
            self.wants_requests = True
            self.emit_shared_request = self._emit
            if not getattr(listener, "shared_requests_only", False):
                self.emit_request = self._emit
        self.wants_gate |= wanted is None or not GATE_EVENTS.isdisjoint(wanted)
        if hasattr(listener, "call_started"):
            self.start = self._start
        self.wants_phases |= bool(getattr(listener, "wants_phases", False))

    def emit_once(self, event: Event, heard: set[int]) -> None:
        """Hand an event to the listeners that have not ``heard`` it from another embedder."""
        for number, (listener, wanted) in enumerate(self._listeners):
            if id(listener) not in heard and (wanted is None or type(event) in wanted):
                heard.add(id(listener))
                self._call(number, listener, event)

    def _emit(self, event: Event) -> None:
        for number, (listener, wanted) in enumerate(self._listeners):
            if wanted is None or type(event) in wanted:
                self._call(number, listener, event)

    def _start(self, event: CallStarted) -> None:
        for number, (listener, _) in enumerate(self._listeners):
            started = getattr(listener, "call_started", None)
            if started is not None:
                self._call(number, started, event)

    def _call(self, number: int, listener: Callable[[Any], object], event: Event | CallStarted) -> None:
        began = time.perf_counter()
        try:
            result = listener(event)
            if result is not None and inspect.iscoroutine(result):
                result.close()
                raise TypeError("it returned a coroutine; give a plain function")  # noqa: TRY301
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  # a listener may raise anything, and no call may fail because of it
            self._counts.listener_failures += 1
            self._report(number, "raised", "it raised an error; the event is lost to it", traceback=True)
        if (seconds := time.perf_counter() - began) > SLOW_LISTENER_S:
            held = f"it took {seconds:.1f} s for one event while every call waited; move its work to a thread"
            self._report(number, "slow", held, traceback=False)

    def _report(self, number: int, kind: str, what: str, *, traceback: bool) -> None:
        """Log it once for each listener, since it is likely to happen with every event."""
        if (number, kind) in self._reported:
            return
        self._reported.add((number, kind))
        name = _name(self._listeners[number][0])
        logger.warning("event listener %s: %s (reported once)", name, what, exc_info=traceback)


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
