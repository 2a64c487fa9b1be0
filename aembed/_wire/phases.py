"""Phases of a request over HTTP: measured only for listeners that want them, so that others pay nothing."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal, TypeAlias

from aembed._events import RequestPhases
from aembed._lifecycle import Clock
from aembed._wire.transport import BodySink

Phase: TypeAlias = Literal["connecting", "first_byte", "body", "decoding"]


class PhaseTimer:
    """Adds up the phases of one attempt, which may take more than one HTTP request."""

    __slots__ = ("_clock", "_is_http", "_since", "_spent", "new_connection")

    def __init__(self, clock: Clock) -> None:
        self.new_connection = False
        self._clock = clock
        self._since = clock()
        self._is_http = False
        self._spent: dict[Phase, float] = {"connecting": 0.0, "first_byte": 0.0, "body": 0.0, "decoding": 0.0}

    def end(self, phase: Phase) -> None:
        """End a phase, which began when the last one ended."""
        now = self._clock()
        self._spent[phase] += now - self._since
        self._since = now
        self._is_http = True

    def connected(self) -> None:
        """Note that a new connection is open."""
        self.end("connecting")
        self.new_connection = True

    def phases(self) -> RequestPhases | None:
        """All phases; decoding lasts until now. ``None`` for a provider that did not use HTTP."""
        if not self._is_http:
            return None
        self.end("decoding")
        return RequestPhases(new_connection=self.new_connection, **self._spent)


def timed(sink: BodySink | None, timer: PhaseTimer) -> BodySink | None:
    """``sink``, whose work counts as decoding."""
    return None if sink is None else _TimedSink(sink, timer)


class _TimedSink:
    """Decodes while the body arrives."""

    def __init__(self, sink: BodySink, timer: PhaseTimer) -> None:
        self._sink = sink
        self._timer = timer
        self.begun = sink.begun

    async def take(self, pieces: list[bytes]) -> None:
        """Pass the bytes on."""
        self._timer.end("body")
        self.begun = True
        await self._sink.take(pieces)
        self._timer.end("decoding")


PHASES: ContextVar[PhaseTimer | None] = ContextVar("aembed_phases", default=None)
"""The timer of the attempt under way in this task; set only if a listener wants phases."""
