"""Spans and metrics are those of OpenTelemetry's own handler for the same call, in the same process."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_current
from opentelemetry.context.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.types import Error

from aembed import OverloadedError
from aembed.telemetry import semconv
from tests.telemetry.events import EMBEDDER, call_done, call_started
from tests.telemetry.otel import Sdk, bounds, listener_of, sdk

ABOUT = {"request_model": EMBEDDER["model"], "server_address": EMBEDDER["server"], "server_port": EMBEDDER["port"]}


def theirs(*, error: BaseException | None = None) -> Sdk:
    """The call as ``opentelemetry-util-genai`` describes it."""
    made = sdk()
    handler = TelemetryHandler(made.tracer_provider, made.meter_provider)
    invocation = handler.embedding(EMBEDDER["provider"], **ABOUT)
    invocation.dimension_count, invocation.input_tokens = 1536, 7
    invocation.response_model_name = "text-embedding-3-small-v2"
    if error is None:
        invocation.stop()
    else:
        invocation.fail(Error(message="busy", type=type(error).__name__))  # its own choice is the name with the module
    return made


def ours(*, error: BaseException | None = None) -> Sdk:
    made = sdk()
    listener = listener_of(made)
    listener.call_started(call_started())
    outcome: dict[str, Any] = {"response_model": "text-embedding-3-small-v2"}
    if error is not None:
        outcome |= {"outcome": "error", "error_class": type(error).__name__}
    listener(call_done(**outcome))
    return made


def of_conventions(attributes: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(attributes).items() if not name.startswith("aembed.")}


def about_span(span: ReadableSpan) -> tuple[Any, ...]:
    return span.name, span.kind, of_conventions(span.attributes), span.status.status_code


@pytest.mark.parametrize("error", [None, OverloadedError("busy")], ids=["ok", "error"])
def test_the_span_is_that_of_util_genai(error: BaseException | None) -> None:
    (expected,), (span,) = theirs(error=error).spans, ours(error=error).spans
    assert about_span(span) == about_span(expected)
    assert expected.instrumentation_scope is not None
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == expected.instrumentation_scope.schema_url


@pytest.mark.parametrize("error", [None, OverloadedError("busy")], ids=["ok", "error"])
@pytest.mark.parametrize("name", ["gen_ai.client.operation.duration", "gen_ai.client.token.usage"])
def test_the_metrics_are_those_of_util_genai(name: str, error: BaseException | None) -> None:
    expected, made = theirs(error=error), ours(error=error)
    (point,), (other,) = made.points(name), expected.points(name)
    assert dict(point.attributes) == dict(other.attributes)
    assert bounds(point) == bounds(other)
    metric, reference = made.metrics()[name], expected.metrics()[name]
    assert (metric.unit, metric.description) == (reference.unit, reference.description)


def test_a_call_inside_an_instrumented_framework_makes_no_second_span() -> None:
    made = sdk()
    handler = TelemetryHandler(made.tracer_provider, made.meter_provider)
    listener = listener_of(made)
    with handler.embedding("langchain", request_model="from outside"):
        listener.call_started(call_started())
        listener(call_done(response_model="answered"))
    (span,) = made.spans
    assert span.attributes is not None
    assert span.name == "embeddings from outside"
    assert span.attributes["gen_ai.usage.input_tokens"] == 7
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 1536
    assert span.attributes["gen_ai.response.model"] == "answered"
    assert span.attributes["server.address"] == EMBEDDER["server"]
    assert [point.count for point in made.points("gen_ai.client.operation.duration")] == [1]
    assert len(made.points("aembed.gate.wait.duration")) == 1


def test_the_span_around_a_call_keeps_what_the_call_does_not_know() -> None:
    made = sdk()
    handler = TelemetryHandler(made.tracer_provider, made.meter_provider)
    listener = listener_of(made)
    with handler.embedding("langchain", request_model="from outside", server_address="from outside"):
        listener.call_started(call_started())
        listener(call_done(server=None, port=None, tokens=None))
    (span,) = made.spans
    assert span.attributes is not None
    assert span.attributes["server.address"] == "from outside"
    assert "gen_ai.usage.input_tokens" not in span.attributes


def test_a_span_around_a_call_may_be_of_another_instrumentation() -> None:
    made = sdk()
    listener = listener_of(made)
    outer: dict[str, Any] = {}
    token = attach(Context({**get_current(), semconv.EMBEDDING_CONTEXT: outer}))
    try:
        listener.call_started(call_started())
        listener(call_done())
    finally:
        detach(token)
    assert made.spans == ()
    assert outer == {}


def test_an_instrumented_client_inside_a_call_makes_no_second_span() -> None:
    made = sdk()
    handler = TelemetryHandler(made.tracer_provider, made.meter_provider)
    listener = listener_of(made)
    listener.call_started(call_started())
    handler.embedding("openai", request_model="inner").stop()
    listener(call_done())
    handler.embedding("openai", request_model="afterwards").stop()
    assert [span.name for span in made.spans] == [f"embeddings {EMBEDDER['model']}", "embeddings afterwards"]


def test_suppressed_instrumentation_makes_no_span() -> None:
    made = sdk()
    listener = listener_of(made)
    token = attach(Context({**get_current(), _SUPPRESS_INSTRUMENTATION_KEY: True}))
    try:
        listener.call_started(call_started())
        listener(call_done())
    finally:
        detach(token)
    assert made.spans == ()
    assert made.points("gen_ai.client.operation.duration") == []
