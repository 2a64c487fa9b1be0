"""Parts of a request to an embedder, from its events: gate, backoff, connection, reply, decoding."""

from __future__ import annotations

from aembed import CallDone, CallStarted, Event, RequestDone, RequestFailed, RetryScheduled
from aembed.bench.marks import TRACE, RequestTrace

GATE = "gate"
"""A wait at the gate, until the end of the call names the resource."""
RESOURCES = {
    "slots": "gate: slots",
    "requests": "gate: requests",
    "tokens": "gate: tokens",
    "inputs": "gate: inputs",
    "pause": "gate: pause after a 429",
}
MODEL = "model"
"""Time of a provider that does not report phases."""


class CallParts:
    """A listener. The calls of a request are those that begin in its task, or in one that it started."""

    wanted_events = frozenset({CallDone, RequestDone, RequestFailed, RetryScheduled})
    wants_phases = True

    def __init__(self) -> None:
        self._traces: dict[int, RequestTrace] = {}
        """By the number of the call."""

    def call_started(self, event: CallStarted) -> None:
        """Remember which request calls."""
        if (trace := TRACE.get()) is not None:
            self._traces[event.call] = trace

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallDone):
            if (trace := self._traces.pop(event.call, None)) is not None:
                _call_done(trace, event)
            return
        assert isinstance(event, RequestDone | RequestFailed | RetryScheduled), "it wants no others"
        for call in event.calls:
            if (trace := self._traces.get(call)) is not None:
                _noted(trace, event)


def _noted(trace: RequestTrace, event: RequestDone | RequestFailed | RetryScheduled) -> None:
    now = trace.clock()
    if isinstance(event, RetryScheduled):
        if event.delay:
            trace.note("backoff", now, now + _ns(event.delay))
        return
    if event.request_id is not None:
        trace.request_ids.append(event.request_id)
    sent = now - _ns(event.elapsed)
    if event.waited:
        trace.note(GATE, sent - _ns(event.waited), sent)
    if isinstance(event, RequestFailed):
        trace.note("failed attempt", sent, now)
    elif event.phases is None:
        trace.note(MODEL, sent, now)
    else:
        phases = event.phases
        trace.new_connection = bool(trace.new_connection) or phases.new_connection
        for name, seconds in (
            ("connect", phases.connecting),
            ("first byte", phases.first_byte),
            ("body", phases.body),
        ):
            if seconds:
                trace.note(name, sent, sent := sent + _ns(seconds))
        trace.note("decode", sent, now)


def _call_done(trace: RequestTrace, event: CallDone) -> None:
    """Name the resources that the call waited for, and note a wait after which nothing was sent."""
    trace.attempts = max(trace.attempts, event.attempts)
    waits = [span for span in trace.spans if span[0] == GATE]
    unsent = _ns(event.waited) - sum(end - begin for _, begin, end in waits)
    if unsent > 0 and not event.requests:
        now = trace.clock()
        trace.note(GATE, now - unsent, now)
        waits.append(trace.spans[-1])
    total = sum(event.waits.values())
    for wait in waits:
        trace.spans.remove(wait)
        _, begin, end = wait
        at = begin
        for resource, seconds in event.waits.items():
            until = at + round((end - begin) * seconds / total)
            trace.note(RESOURCES[resource], at, until)
            at = until


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
