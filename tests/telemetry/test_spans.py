"""Spans of calls."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from aembed import CallDone, telemetry
from aembed.telemetry.otel import OpenTelemetryListener
from tests.telemetry.events import call_done, call_started, request_done
from tests.telemetry.otel import attributes, listening


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


def test_a_span_says_what_a_partial_call_lacks() -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(
        call_done(
            outcome="partial",
            error_class="BadTextError",
            texts=9,
            waited=0.0,
            waited_for="",
            backoff=1.0,
            attempts=2,
            requests=3,
            tokens=None,
            cost=None,
            failed=2,
            cache_hits=3,
            cache_shared=4,
        )
    )
    own = {name: value for name, value in attributes(made.spans[0]).items() if name.startswith(("aembed.", "gen_ai.u"))}
    assert own == {
        "aembed.embedder": "search",
        "aembed.operation": "embed_query",
        "aembed.kind": "query",
        "aembed.texts": 9,
        "aembed.outcome": "partial",
        "aembed.gate.wait": 0.0,
        "aembed.sending": 0.2,
        "aembed.backoff": 1.0,
        "aembed.attempts": 2,
        "aembed.requests": 3,
        "aembed.failed": 2,
        "aembed.cache.hits": 3,
        "aembed.cache.shared": 4,
    }


@pytest.mark.parametrize(
    ("times", "is_told"), [({}, True), ({"waited": 0.0}, False), ({"backoff": 1.0}, True)], ids=str
)
def test_time_in_flight_is_told_where_it_is_not_the_whole(times: dict[str, Any], is_told: bool) -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(call_done(**times))
    assert ("aembed.sending" in attributes(made.spans[0])) is is_told


@pytest.mark.parametrize(("server", "port"), [(None, None), ("unix", None), ("api.openai.com", 443)])
def test_server_and_port_are_told_where_there_are_any(server: str | None, port: int | None) -> None:
    made, listener = listening(attempts=True)
    about: dict[str, Any] = {"server": server, "port": port}
    listener.call_started(call_started(**about))
    listener(request_done(1, **about))
    listener(call_done(**about))
    expected = {f"server.{name}": value for name, value in (("address", server), ("port", port)) if value is not None}
    seen = [attributes(span) for span in made.spans]
    seen += [dict(point.attributes) for point in made.points("gen_ai.client.operation.duration")]
    assert len(seen) == 3
    for each in seen:
        assert {name: value for name, value in each.items() if name.startswith("server.")} == expected


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


@pytest.mark.parametrize(
    ("counts", "has_span"),
    [
        ({"cache_hits": 3}, False),
        ({"cache_hits": 3, "cache_misses": 1}, True),
        ({"cache_hits": 3, "cache_shared": 1}, True),
        ({"cache_hits": 3, "requests": 1}, True),
        ({"outcome": "error", "error_class": "InputError"}, True),
    ],
    ids=str,
)
def test_hits_alone_are_no_operation_of_a_provider(counts: dict[str, Any], has_span: bool) -> None:
    made, listener = listening()
    listener.call_started(call_started(cached=True))
    listener(call_done(**{"requests": 0, "attempts": 0} | counts))
    assert len(made.spans) == len(made.points("gen_ai.client.operation.duration")) == has_span


def test_a_span_begins_when_its_call_does() -> None:
    made, listener = listening()
    before = time.time_ns()
    listener.call_started(call_started())
    listener(call_done())
    (span,) = made.spans
    assert span.start_time is not None
    assert span.start_time >= before


def test_a_call_that_began_before_the_listener_came_has_no_span() -> None:
    made, listener = listening(attempts=True)
    listener(request_done(1))
    listener(request_done(1, 2, texts=2))
    listener(call_done())
    assert made.spans == ()
    assert made.points("gen_ai.client.operation.duration") == []
    assert len(made.points("aembed.gate.wait.duration")) == 1


def test_a_call_that_is_not_sampled_still_hands_its_trace_on() -> None:
    tracer_provider = TracerProvider(sampler=ALWAYS_OFF)
    listener = telemetry.opentelemetry(tracer_provider)
    assert isinstance(listener, OpenTelemetryListener)
    listener.call_started(call_started())
    inside = trace.get_current_span().get_span_context()
    listener(call_done())
    assert inside.is_valid
    assert not inside.trace_flags.sampled
    assert not trace.get_current_span().get_span_context().is_valid


def test_without_an_sdk_it_does_nothing_and_leaves_the_context_alone() -> None:
    listener = telemetry.opentelemetry()
    assert isinstance(listener, OpenTelemetryListener)
    before = trace.get_current_span()
    listener.call_started(call_started())
    assert trace.get_current_span() is before
    listener(call_done())
    assert isinstance(call_done(), CallDone)
