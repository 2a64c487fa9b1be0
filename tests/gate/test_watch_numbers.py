"""A watched gate step by step: for what its queue waits, when a pause begins and ends. Numbers by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from aembed._events import Event, GatePaused, GateResumed
from aembed._gate.gate import Gate
from aembed._gate.watch import AboutGate, GateWatch


@dataclass(eq=False)
class Hearer:
    wants_gate: bool = True
    events: list[Event] = field(default_factory=list)

    def emit_once(self, event: Event, heard: set[int]) -> None:
        self.events.append(event)


class StillGate:
    """A gate whose state is set by hand."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.waiting = 0
        self.resource = ""
        self.seconds = seconds
        quota = SimpleNamespace(limit=None)
        self.account = SimpleNamespace(
            backoff=SimpleNamespace(until=0.0, probing=False),
            quotas=SimpleNamespace(requests=quota, tokens=quota, inputs=quota),
        )
        self.watch = GateWatch(cast(Gate, self), AboutGate(account="", provider="", model=None))

    def waiting_for(self) -> str:
        return self.resource

    def paused(self) -> float:
        return self.seconds

    def waits(self, now: float, resource: str) -> None:
        self.watch.clock = lambda: now
        self.waiting, self.resource = int(resource != ""), resource
        self.watch.look()

    def pauses(self, until: float, seconds: float) -> None:
        self.account.backoff.until, self.seconds = until, seconds
        self.watch.look()


def test_time_goes_to_the_resource_that_is_waited_for() -> None:
    gate = StillGate()
    gate.waits(100.0, "requests")
    gate.waits(101.0, "requests")
    gate.waits(103.0, "slots")
    gate.watch.clock = lambda: 105.0
    assert gate.watch.seconds() == {"requests": 3.0, "slots": 2.0}
    gate.waits(106.0, "")
    gate.waits(110.0, "requests")
    gate.waits(112.0, "")
    gate.watch.clock = lambda: 200.0
    assert gate.watch.seconds() == {"requests": 5.0, "slots": 3.0}


def test_a_gate_is_heard_while_one_hearer_wants_its_events() -> None:
    watch, wants, others = StillGate().watch, Hearer(), Hearer(wants_gate=False)
    assert not watch.has_hearers
    heard = []
    for change, hearer in ((watch.hear, others), (watch.hear, wants), (watch.hear, others)):
        change(hearer)
        heard.append(watch.has_hearers)
    for hearer in (others, wants):
        watch.hear(others)
        watch.forget(hearer)
        heard.append(watch.has_hearers)
    assert heard == [False, True, True, True, False]


def events(gate: StillGate, *pauses: tuple[float, float]) -> list[Any]:
    """After each look at the end of the pause and the seconds until then: those of a pause, or that it is over."""
    hearer = Hearer()
    gate.watch.hear(hearer)
    for until, seconds in pauses:
        gate.pauses(until, seconds)
    assert all(isinstance(event, (GatePaused, GateResumed)) for event in hearer.events)
    return [event.seconds if isinstance(event, GatePaused) else "over" for event in hearer.events]


def test_a_pause_is_news_when_its_end_moves_and_once_when_it_is_over() -> None:
    assert events(StillGate(), (7.0, 0.5), (7.0, 0.2), (9.0, 2.0), (9.0, 0.0), (9.0, 0.0)) == [0.5, 2.0, "over"]


def test_a_pause_that_is_over_before_the_first_look_is_no_news() -> None:
    assert events(StillGate(), (7.0, 0.0), (7.0, 0.0)) == []


def test_a_pause_of_before_the_first_hearer_ends_all_the_same() -> None:
    assert events(StillGate(0.5), (0.0, 0.0)) == ["over"]
