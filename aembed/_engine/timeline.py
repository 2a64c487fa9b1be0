"""Time of a call by purpose: at the gate, in flight, before a retry, or in aembed itself.

A call may have many requests at once, so their times overlap. At each moment the call counts as waiting while one of
them waits, else as sending while one is in flight, else as backing off while one sleeps: these add up to its duration.
Waiting comes first because more quota would have made the call faster at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from aembed._lifecycle import Clock

WAITING, SENDING, BACKOFF, IDLE = range(4)
"""States of a request, the one that counts first. IDLE: it has not begun, or has ended."""


class Waits(Protocol):
    """Waiting times of the queue at the gate."""

    def seconds(self) -> Mapping[str, float]:
        """Total time for each resource, up to now."""
        ...


class Timeline:
    """The time of one call. Requests report each change of their state with :meth:`move`.

    Texts that several calls share are sent by a shared call: its timeline has those calls' as ``followers``, for which
    it is one more request.
    """

    # Defaults of the class, since most calls never set them.
    waits: Mapping[str, float] = MappingProxyType({})
    """Seconds at the gate for each resource."""
    followers: tuple[Timeline, ...] = ()
    _at_wait: Mapping[str, float] = waits
    _state = IDLE

    def __init__(self, clock: Clock, gate: Waits | None = None) -> None:
        self._clock = clock
        self._gate = gate
        self._counts = [0, 0, 0, 0]
        self._spent = [0.0, 0.0, 0.0, 0.0]
        self.began = self._since = clock()

    def move(self, before: int, after: int, now: float) -> None:
        """At ``now``, one request goes from one state to another."""
        counts = self._counts
        counts[before] -= 1
        counts[after] += 1
        # The first state that any request is in.
        state = WAITING if counts[WAITING] else SENDING if counts[SENDING] else BACKOFF if counts[BACKOFF] else IDLE
        if state != self._state:
            self._change(state, now)

    def lead(self, follower: Timeline) -> None:
        """Let ``follower`` count this one as one of its requests."""
        if follower not in self.followers:
            self.followers += (follower,)
            follower.move(IDLE, self._state, self._clock())

    def release(self, follower: Timeline) -> None:
        """The call of ``follower`` has left."""
        if follower in self.followers:
            self.followers = tuple(each for each in self.followers if each is not follower)
            follower.move(self._state, IDLE, self._clock())

    def spent(self, now: float) -> tuple[float, float, float]:
        """Seconds of waiting, sending and backing off, up to ``now``."""
        if self._state != IDLE:
            self._change(self._state, now)
        waiting, sending, backoff, _ = self._spent
        return waiting, sending, backoff

    def _change(self, state: int, now: float) -> None:
        before = self._state
        self._spent[before] += now - self._since
        self._since, self._state = now, state
        if self._gate is not None and (state == WAITING or before == WAITING):  # noqa: PLR1714  # no tuple each time
            self._note_waits(self._gate, was_waiting=before == WAITING)
        if self.followers and state != before:
            for follower in self.followers:
                follower.move(before, state, now)

    def _note_waits(self, gate: Waits, *, was_waiting: bool) -> None:
        """Add the queue's waits since the last change, by resource."""
        totals = dict(gate.seconds())
        if was_waiting:
            waits = dict(self.waits)
            for resource, total in totals.items():
                if (waited := total - self._at_wait.get(resource, 0.0)) > 0:
                    waits[resource] = waits.get(resource, 0.0) + waited
            self.waits = waits
        self._at_wait = totals
