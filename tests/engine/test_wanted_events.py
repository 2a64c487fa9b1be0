"""A listener gets the events that it wants, and nothing is measured or built for others."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from aembed import (
    CallDone,
    CircuitClosed,
    CircuitOpened,
    ConnectError,
    EmbedderFactory,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    ModelSpec,
    OverloadedError,
    RequestDone,
    RetryPolicy,
)
from aembed._engine.listeners import Listeners
from aembed._engine.recorder import Recorder, about_embedder
from aembed._engine.timeout import Stopwatch
from aembed._statistics import EmbedderCounts
from aembed._wire.phases import PHASES
from aembed.testing import ScriptedProvider


class Listener:
    """Keeps its arguments."""

    def __init__(self, *wanted: type[Any], **attributes: Any) -> None:
        self.events: list[Event] = []
        if wanted:
            self.wanted_events = wanted
        vars(self).update(attributes)

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def done() -> RequestDone:
    return RequestDone(model="m", kind="query", texts=1, tokens=0, truncated=0, attempt=1, elapsed=0.0)


@pytest.mark.parametrize(
    ("listener", "requests", "own_requests", "gate"),
    [
        (Listener(), True, True, True),
        (Listener(CallDone), False, False, False),
        (Listener(RequestDone), True, True, False),
        (Listener(RequestDone, shared_requests_only=True), True, False, False),
        (Listener(shared_requests_only=True), True, False, True),
        *[
            (Listener(CallDone, kind), False, False, True)
            for kind in (GatePaused, GateResumed, LimitChanged, CircuitOpened, CircuitClosed)
        ],
    ],
)
def test_only_wanted_events_are_built(listener: Listener, requests: bool, own_requests: bool, gate: bool) -> None:
    made = Listeners([], EmbedderCounts())
    assert (made.emit, made.emit_request, made.emit_shared_request, made.start) == (None, None, None, None)
    assert (made.wants_requests, made.wants_gate, made.wants_phases) == (False, False, False)
    for _ in range(2):  # another that wants less takes nothing away
        made.add(listener)
        assert (made.wants_requests, made.wants_gate, made.wants_phases) == (requests, gate, False)
        assert (made.emit_request is not None, made.emit_shared_request is not None) == (own_requests, requests)
        made.add(Listener(CallDone))
    assert made.emit is not None
    assert made.start is None


def test_beginnings_and_phases_are_for_those_that_ask() -> None:
    started: list[Any] = []
    made = Listeners([Listener(call_started=started.append), Listener(wants_phases=True)], EmbedderCounts())
    assert made.wants_phases
    assert made.start is not None
    event: Any = object()
    made.start(event)
    assert started == [event]


def test_an_event_of_a_shared_gate_is_heard_once() -> None:
    """Two embedders of an account have the same listener, and report the same gate."""
    both, other, calls_alone = Listener(), Listener(RequestDone), Listener(CallDone)
    heard: set[int] = set()
    for _ in range(2):
        Listeners([both, other, calls_alone], EmbedderCounts()).emit_once(done(), heard)
    assert [len(each.events) for each in (both, other, calls_alone)] == [1, 1, 0]


@pytest.mark.parametrize(("seconds", "is_slow"), [(0.1, False), (0.11, True)])
def test_a_listener_is_slow_from_a_tenth_of_a_second_on(
    seconds: float, is_slow: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = iter([0.0, seconds] * 2)
    monkeypatch.setattr("aembed._engine.listeners.time.perf_counter", now.__next__)
    made = Listeners([Listener()], EmbedderCounts())
    for _ in range(2):
        made._emit(done())
    assert [bool(record.exc_info) for record in caplog.records] == [False] * is_slow  # once, and as no error


@pytest.mark.parametrize(
    ("url", "server", "port"),
    [
        ("https://api.example/v1", "api.example", 443),
        ("http://api.example/v1", "api.example", 80),
        ("http://[::1]:8080/v1", "::1", 8080),
        ("unix:/run/x.sock", None, None),
        (None, None, None),
        (7, None, None),
    ],
)
def test_events_name_the_server_that_a_provider_asks(url: Any, server: str | None, port: int | None) -> None:
    provider: Any = ScriptedProvider(spec=ModelSpec(name="m", provider="maker"))
    provider.url = url
    about = about_embedder(provider, None)
    assert (about["server"], about["port"]) == (server, port)
    assert (about["embedder"], about["provider"], about["model"]) == ("maker:m", "maker", "m")
    assert about_embedder(provider, "search")["embedder"] == "search"


@pytest.mark.parametrize("script", [[], [OverloadedError("busy")]], ids=["answered", "failed"])
async def test_a_call_leaves_no_stopwatch_behind(script: list[Any], factory: EmbedderFactory) -> None:
    """The next request in the same task may be that of an embedder without listeners."""
    embedder = await factory.new_embedder(
        ScriptedProvider(script), on_event=Listener(wants_phases=True), retry=RetryPolicy(max_attempts=1)
    )
    result = await embedder.embed(["text"], on_error="return")
    assert result.ok is (script == [])
    assert PHASES.get() is None


def test_a_store_that_fails_is_counted_by_texts() -> None:
    recorder = Recorder(about_embedder(ScriptedProvider(), None), [])
    for texts in (3, 2):
        recorder.store_failed("get", texts, OSError("full"))
    assert recorder.counts.cache_failures == 5


@pytest.mark.virtual_time
async def test_a_stopwatch_begins_at_zero() -> None:
    await anyio.sleep(100.0)
    watch = Stopwatch()
    await anyio.sleep(5.0)
    assert watch.elapsed() == pytest.approx(5.0)


async def test_requests_of_one_call_are_left_out_for_those_that_want_shared_ones_alone(
    factory: EmbedderFactory,
) -> None:
    alone, every = Listener(RequestDone, shared_requests_only=True), Listener(RequestDone)
    for listener in (alone, every):
        await (await factory.new_embedder(ScriptedProvider(), on_event=listener)).embed_query("text")
    assert (alone.events, [type(event) for event in every.events]) == ([], [RequestDone])


def test_failed_attempts_are_counted_by_their_error() -> None:
    recorder = Recorder(about_embedder(ScriptedProvider(), None), [])
    for error in (OverloadedError("busy"), ConnectError("lost"), OverloadedError("busy")):
        recorder.attempt_failed(error)
    assert recorder.counts.errors == {"OverloadedError": 2, "ConnectError": 1}
