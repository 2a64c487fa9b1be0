"""Spans of calls, attempts and shared requests, and aembed's own metrics."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from aembed import CallDone, RateLimitError, RetryScheduled, telemetry
from aembed.telemetry.otel import OpenTelemetryListener
from tests.telemetry.events import EMBEDDER, call_done, call_started, request_done, request_failed
from tests.telemetry.otel import Sdk, listener_of, sdk


def listening(**options: Any) -> tuple[Sdk, OpenTelemetryListener]:
    made = sdk()
    return made, listener_of(made, **options)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    assert span.attributes is not None
    return dict(span.attributes)


def _id(context: SpanContext | None) -> tuple[int, int]:
    assert context is not None
    return context.trace_id, context.span_id


def test_a_span_says_why_a_call_was_slow() -> None:
    made, listener = listening()
    listener.call_started(call_started())
    done = call_done(
        waited=3.0, waited_for="tokens", sending=0.5, backoff=1.5, attempts=3, merged=True, cache_misses=2, truncated=1
    )
    listener(done)
    (span,) = made.spans
    own = {name: value for name, value in attributes(span).items() if name.startswith("aembed.")}
    assert own == {
        "aembed.embedder": "search",
        "aembed.operation": "embed_query",
        "aembed.kind": "query",
        "aembed.texts": 1,
        "aembed.gate.wait": 3.0,
        "aembed.gate.waited_for": "tokens",
        "aembed.sending": 0.5,
        "aembed.backoff": 1.5,
        "aembed.attempts": 3,
        "aembed.requests": 1,
        "aembed.cost": 1.4e-7,
        "aembed.truncated": 1,
        "aembed.cache.misses": 2,
        "aembed.merged": True,
    }
    assert span.kind is SpanKind.CLIENT


def test_the_span_is_current_during_the_call_alone() -> None:
    made, listener = listening()
    with made.tracer_provider.get_tracer("app").start_as_current_span("request") as outer:
        listener.call_started(call_started())
        inner = trace.get_current_span()
        assert inner is not outer
        listener(call_done())
        assert trace.get_current_span() is outer
    (span, _) = made.spans
    assert span.parent == outer.get_span_context()
    assert span.get_span_context() == inner.get_span_context()


def test_provider_model_and_server_are_there_for_samplers() -> None:
    made, listener = listening()
    listener.call_started(call_started())
    current = trace.get_current_span()
    assert isinstance(current, ReadableSpan)
    begun = attributes(current)
    listener(call_done())
    assert begun == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text-embedding-3-small",
        "server.address": "api.openai.com",
        "server.port": 443,
        "aembed.embedder": "search",
    }
    assert len(made.spans) == 1


@pytest.mark.parametrize(
    ("provider", "name"),
    [("google", "gcp.gemini"), ("azure", "azure.ai.openai"), ("mistral", "mistral_ai"), ("local", "local")],
)
def test_providers_have_the_names_of_the_conventions(provider: str, name: str) -> None:
    made, listener = listening()
    listener.call_started(call_started(provider=provider))
    listener(call_done(provider=provider))
    assert attributes(made.spans[0])["gen_ai.provider.name"] == name


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("ok", StatusCode.UNSET),
        ("partial", StatusCode.UNSET),
        ("error", StatusCode.ERROR),
        ("deadline", StatusCode.ERROR),
        ("cancelled", StatusCode.ERROR),
    ],
)
def test_the_status_is_an_error_where_one_was_raised(outcome: str, status: StatusCode) -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(call_done(outcome=outcome, error_class=None if outcome == "ok" else "SomeError"))
    (span,) = made.spans
    assert span.status.status_code is status
    assert attributes(span).get("error.type") == ("SomeError" if status is StatusCode.ERROR else None)


def test_a_call_answered_from_the_cache_has_no_span() -> None:
    made, listener = listening()
    listener.call_started(call_started(cached=True))
    listener(call_done(requests=0, attempts=0, tokens=0, cost=0.0, cache_hits=3, waited=0.0, waited_for=""))
    assert made.spans == ()
    assert made.points("gen_ai.client.operation.duration") == []
    (point,) = made.points("aembed.cache.lookups")
    assert (point.value, point.attributes["aembed.cache.result"]) == (3, "hits")


def test_a_call_with_a_miss_has_a_span_that_begins_with_the_call() -> None:
    made, listener = listening()
    tracer = made.tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("request") as outer:
        listener.call_started(call_started(cached=True))
        tracer.start_span("in between").end()
        listener(call_done(cache_hits=3, cache_misses=1))
    between, span, _ = made.spans
    assert span.parent == outer.get_span_context()
    assert span.start_time is not None
    assert between.start_time is not None
    assert span.start_time < between.start_time


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
    assert {_id(link.context) for link in shared.links} == {_id(call.get_span_context()) for call in calls}
    assert attributes(shared)["aembed.texts"] == 2


def test_attempts_are_child_spans_on_request() -> None:
    made, listener = listening(attempts=True)
    listener.call_started(call_started())
    listener(request_failed(1, attempt=1, error=RateLimitError("slow"), request_id="req-1"))
    listener(request_done(1, attempt=2, waited=0.5))
    listener(call_done())
    first, second, call = made.spans
    assert [span.parent for span in (first, second)] == [call.get_span_context()] * 2
    assert attributes(first)["error.type"] == "RateLimitError"
    assert attributes(first)["gen_ai.response.id"] == "req-1"
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(second)["aembed.gate.wait"] == 0.5
    assert second.end_time is not None
    assert second.start_time is not None
    assert second.end_time - second.start_time == pytest.approx(0.2e9)


def test_without_being_asked_for_attempts_have_none() -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(request_done(1))
    listener(call_done())
    assert len(made.spans) == 1


def test_counters_and_histograms() -> None:
    made, listener = listening()
    error = RateLimitError("slow")
    for number in (1, 2):
        listener.call_started(call_started(number))
        listener(request_failed(number, error=error))
        listener(RetryScheduled(kind="query", texts=1, attempt=1, delay=0.0, error=error, **EMBEDDER))
        listener(call_done(number, cache_hits=1, cache_shared=2, cache_misses=3))
    values = {
        (name, point.attributes.get("aembed.cache.result")): getattr(point, "value", None) or point.sum
        for name in made.metrics()
        if name.startswith("aembed.")
        for point in made.points(name)
    }
    assert values == {
        ("aembed.gate.wait.duration", None): pytest.approx(0.1),
        ("aembed.cost", None): pytest.approx(2.8e-7),
        ("aembed.retries", None): 2,
        ("aembed.refusals", None): 2,
        ("aembed.cache.lookups", "hits"): 2,
        ("aembed.cache.lookups", "shared"): 4,
        ("aembed.cache.lookups", "misses"): 6,
    }


def test_without_an_sdk_it_does_nothing_and_leaves_the_context_alone() -> None:
    listener = telemetry.opentelemetry()
    assert isinstance(listener, OpenTelemetryListener)
    before = trace.get_current_span()
    listener.call_started(call_started())
    assert trace.get_current_span() is before
    listener(call_done())
    assert isinstance(call_done(), CallDone)
