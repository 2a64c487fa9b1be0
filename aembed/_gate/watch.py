"""Follows a gate for listeners: events when its state changes, and waiting times of its queue by resource.

The gate is looked at after each request that enters or ends. Nothing of it is changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict

from aembed._events import CircuitClosed, CircuitOpened, Event, GatePaused, GateResumed, LimitChanged

if TYPE_CHECKING:
    from aembed._gate.gate import Gate

RESOURCES: tuple[Literal["requests", "tokens", "inputs"], ...] = ("requests", "tokens", "inputs")


class AboutGate(TypedDict):
    """Fields that all events of a gate have."""

    account: str
    provider: str
    model: str | None


class Hearer(Protocol):
    """The listeners of one embedder."""

    def emit_once(self, event: Event, heard: set[int]) -> None:
        """To those listeners that have not ``heard`` it yet, as other embedders may have the same."""
        ...

    @property
    def wants_gate(self) -> bool:
        """One of them wants events of gates."""
        ...


class GateWatch:
    """``hearers`` get the events."""

    def __init__(self, gate: Gate, about: AboutGate) -> None:
        self.hearers: dict[Hearer, None] = {}
        self.has_hearers = False
        """Its events are wanted."""
        self.clock: Callable[[], float] = time.perf_counter
        """Clock of the calls with listeners: set when one begins."""
        self._gate = gate
        self._about = about
        self._waited: dict[str, float] = {}
        self._resource = ""
        self._since = 0.0
        self._until = gate.account.backoff.until
        self._is_paused = gate.paused() > 0
        self._is_open = gate.account.backoff.probing
        self._limits = self._now_limits()

    def hear(self, hearer: Hearer) -> None:
        """Report to it from now on, or to those of its listeners that are new."""
        self.hearers[hearer] = None
        self.has_hearers |= hearer.wants_gate

    def forget(self, hearer: Hearer) -> None:
        self.hearers.pop(hearer, None)
        self.has_hearers = any(each.wants_gate for each in self.hearers)

    def seconds(self) -> Mapping[str, float]:
        """Total time that the queue has waited for each resource, up to now."""
        self._turn(self._resource)
        return self._waited

    def look(self) -> None:
        """Report changes."""
        if self._gate.waiting or self._resource:
            resource = self._gate.waiting_for()
            if resource != self._resource:
                self._turn(resource)
        if not self.has_hearers:
            return
        backoff = self._gate.account.backoff
        if backoff.until != self._until or self._is_paused:
            self._look_at_pause(backoff.until)
        if backoff.probing != self._is_open:
            self._is_open = backoff.probing
            self._emit(CircuitOpened(**self._about) if self._is_open else CircuitClosed(**self._about))
        limits = self._now_limits()
        if limits != self._limits:
            self._look_at_limits(limits)

    def _look_at_pause(self, until: float) -> None:
        seconds = self._gate.paused()
        if seconds > 0 and until != self._until:
            self._is_paused = True
            self._emit(GatePaused(seconds=seconds, **self._about))
        elif self._is_paused and seconds == 0:
            self._is_paused = False
            self._emit(GateResumed(**self._about))
        self._until = until

    def _look_at_limits(self, limits: tuple[float | None, ...]) -> None:
        before, self._limits = self._limits, limits
        for resource, old, new in zip(RESOURCES, before, limits, strict=True):
            if old != new:
                self._emit(LimitChanged(resource=resource, before=old, limit=new, **self._about))

    def _now_limits(self) -> tuple[float | None, ...]:
        quotas = self._gate.account.quotas
        return quotas.requests.limit, quotas.tokens.limit, quotas.inputs.limit

    def _turn(self, resource: str) -> None:
        """Time goes to the resource that was waited for until now."""
        now = self.clock()
        if self._resource:
            self._waited[self._resource] = self._waited.get(self._resource, 0.0) + now - self._since
        self._resource, self._since = resource, now

    def _emit(self, event: Event) -> None:
        heard: set[int] = set()
        for hearer in tuple(self.hearers):
            hearer.emit_once(event, heard)
