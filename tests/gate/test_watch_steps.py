"""What a watch of a gate reports, step by step. Numbers by hand."""

from __future__ import annotations

from aembed import Event, GatePaused, GateResumed, Limits
from aembed._gate import AboutGate, Gate
from aembed._gate.watch import GateWatch

ABOUT = AboutGate(account="account", provider="provider", model=None)


class Scene(Gate):
    """A gate that waits for ``resource`` at second ``now``, and is paused for ``seconds``."""

    def __init__(self) -> None:
        super().__init__(1, Limits())
        self.resource, self.now, self.seconds = "", 0.0, 0.0

    @property
    def waiting(self) -> int:
        return len(self.resource)

    def waiting_for(self) -> str:
        return self.resource

    def paused(self) -> float:
        return self.seconds


class Ear:
    def __init__(self, *, wants_gate: bool = True) -> None:
        self.wants_gate = wants_gate
        self.heard: list[tuple[type[Event], float]] = []

    def emit_once(self, event: Event, heard: set[int]) -> None:
        self.heard.append((type(event), getattr(event, "seconds", 0.0)))


def watched(scene: Scene) -> GateWatch:
    watch = GateWatch(scene, ABOUT)
    watch.clock = lambda: scene.now
    return watch


def test_time_goes_to_what_the_queue_has_waited_for_until_now() -> None:
    scene = Scene()
    watch = watched(scene)
    for scene.now, scene.resource in [(5.0, "slots"), (8.0, "tokens"), (8.5, "slots"), (9.0, "slots")]:
        watch.look()
    scene.now = 10.0
    assert watch.seconds() == {"slots": 4.5, "tokens": 0.5}
    scene.now, scene.resource = 12.0, ""
    watch.look()
    scene.now = 20.0
    assert watch.seconds() == {"slots": 6.5, "tokens": 0.5}


def test_a_pause_is_reported_when_it_begins_or_becomes_longer_and_when_it_ends() -> None:
    scene, ear = Scene(), Ear()
    watch, backoff = watched(scene), scene.account.backoff
    watch.hear(ear)
    for backoff.until, scene.seconds in [(1.0, 0.0), (7.0, 0.5), (7.0, 0.2), (9.0, 3.0), (9.0, 0.0), (9.0, 0.0)]:
        watch.look()
    assert ear.heard == [(GatePaused, 0.5), (GatePaused, 3.0), (GateResumed, 0.0)]


def test_a_pause_from_before_the_watch_is_reported_when_it_ends() -> None:
    scene, ear = Scene(), Ear()
    scene.seconds = 0.5
    watch = watched(scene)
    watch.hear(ear)
    watch.look()
    scene.seconds = 0.0
    watch.look()
    assert ear.heard == [(GateResumed, 0.0)]


def test_events_are_wanted_while_one_of_the_hearers_wants_them() -> None:
    watch, first, second, deaf = watched(Scene()), Ear(), Ear(), Ear(wants_gate=False)
    watch.hear(deaf)
    wanted = [watch.has_hearers]
    watch.hear(first)
    watch.hear(second)
    for ear in (first, second):
        watch.forget(ear)
        wanted.append(watch.has_hearers)
    assert wanted == [False, True, False]
