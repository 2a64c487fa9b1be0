"""Spans of attempts, and of requests that several calls share."""

from __future__ import annotations

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_current
from opentelemetry.context.context import Context
from opentelemetry.trace import StatusCode

from aembed import RateLimitError
from tests.telemetry.events import EMBEDDER, call_done, call_started, request_done, request_failed
from tests.telemetry.otel import attributes, id_of, listening


@pytest.mark.parametrize("cached", [False, True], ids=["no cache", "cache"])
def test_a_shared_request_has_a_separate_span_that_links_to_its_calls(cached: bool) -> None:
    made, listener = listening()
    for number in (1, 2):
        listener.call_started(call_started(number, cached=cached))
    listener(request_done(1, 2, texts=2))
    for number in (2, 1):
        listener(call_done(number, merged=True, cache_misses=int(cached)))
    shared, *calls = made.spans
    assert shared.name == f"embeddings shared {EMBEDDER['model']}"
    assert shared.parent is None
    assert {id_of(link.context) for link in shared.links} == {id_of(call.get_span_context()) for call in calls}
    assert attributes(shared)["aembed.texts"] == 2


def test_a_shared_request_links_to_those_calls_that_have_a_span() -> None:
    made, listener = listening()
    listener.call_started(call_started(1))
    token = attach(Context({**get_current(), _SUPPRESS_INSTRUMENTATION_KEY: True}))
    try:
        listener.call_started(call_started(2))
        listener(call_done(2))
    finally:
        detach(token)
    listener.call_started(call_started(3))
    listener(request_done(1, 2, 3, texts=3))
    for number in (3, 1):
        listener(call_done(number, merged=True))
    shared, *calls = made.spans
    assert {id_of(link.context) for link in shared.links} == {id_of(call.get_span_context()) for call in calls}


def test_attempts_are_child_spans_on_request() -> None:
    made, listener = listening(attempts=True)
    listener.call_started(call_started())
    listener(request_failed(1, attempt=1, error=RateLimitError("slow"), request_id="req-1"))
    listener(request_done(1, attempt=2, waited=0.5))
    listener(call_done())
    first, second, call = made.spans
    assert [span.name for span in (first, second)] == ["embeddings attempt"] * 2
    assert [span.parent for span in (first, second)] == [call.get_span_context()] * 2
    assert attributes(first)["error.type"] == "RateLimitError"
    assert attributes(first)["gen_ai.response.id"] == "req-1"
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(second)["aembed.gate.wait"] == 0.5
    assert second.end_time is not None
    assert second.start_time is not None
    assert second.end_time - second.start_time == pytest.approx(0.2e9)


def test_a_cancelled_attempt_has_the_error_of_its_cancellation() -> None:
    made, listener = listening(attempts=True)
    listener.call_started(call_started())
    listener(request_failed(1, error=None))
    listener(call_done(outcome="cancelled", error_class="CancelledError"))
    attempt, call = made.spans
    assert attributes(attempt)["error.type"] == attributes(call)["error.type"] == "CancelledError"
    assert attempt.status.description == call.status.description == "CancelledError"


def test_without_being_asked_for_attempts_have_none() -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(request_done(1))
    listener(call_done())
    assert len(made.spans) == 1
