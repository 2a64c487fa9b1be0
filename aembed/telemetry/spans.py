"""Spans: one for each call, on request one for each attempt, and one for a request that several calls share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import Token
from typing import Any, TypeAlias

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_current
from opentelemetry.context.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from aembed import CallDone, CallStarted, RequestDone, RequestFailed
from aembed.telemetry import semconv

Attributes: TypeAlias = dict[str, Any]

NS = 1_000_000_000
SUPPRESSED = object()
"""In place of a span around a call where none is wanted."""


class OpenCall:
    """A call in progress: its span, or the context and time to begin one later."""

    __slots__ = ("began_ns", "context", "event", "outer", "span", "token")

    def __init__(self, event: CallStarted, context: Context, outer: object) -> None:
        self.event = event
        self.context = context
        """Context of the caller."""
        self.outer = outer
        """Data of an embedding span around this call, or ``SUPPRESSED``: it has no span then."""
        self.span: Span | None = None
        self.token: Token[Context] | None = None
        self.began_ns = 0


class CallSpans:
    """Begins a span when a call begins, so that spans inside a provider become its children.

    A call that may be answered from the cache gets its span when a request has served it: hits alone have none.
    """

    def __init__(self, tracer: Tracer, *, attempts: bool) -> None:
        self._tracer = tracer
        self._attempts = attempts
        self._open: dict[int, OpenCall] = {}
        self._attributes: dict[str, Attributes] = {}
        """Attributes that all spans of an embedder begin with."""
        self._marker = _marker()

    def begin(self, event: CallStarted) -> None:
        """In the task of the caller."""
        context = get_current()
        outer = context.get(semconv.EMBEDDING_CONTEXT)
        if context.get(_SUPPRESS_INSTRUMENTATION_KEY):
            outer = outer or SUPPRESSED
        self._open[event.call] = call = OpenCall(event, context, outer)
        if outer is not None:
            return
        if event.cached:
            call.began_ns = time.time_ns()
            inside = context
        else:
            span = self._begin_span(call)
            if not span.get_span_context().is_valid and not span.is_recording():
                return  # no SDK is installed: there is nothing to pass on
            inside = set_span_in_context(span, context)
        call.token = attach(Context({**inside, semconv.EMBEDDING_CONTEXT: self._marker()}))

    def end(self, event: CallDone) -> bool:
        """In the task of the caller. True for an operation of a provider that no span around this call counts."""
        call = self._open.pop(event.call, None)
        if call is None:
            return False
        if call.token is not None:
            detach(call.token)
        if call.outer is not None:
            _publish(event, call.outer)
            return False
        if call.span is None:
            if answered_from_cache(event):
                return False
            self._begin_span(call)
        assert call.span is not None
        if call.span.is_recording():
            call.span.set_attributes(result_attributes(event))
            if event.outcome in {"error", "deadline", "cancelled"}:
                call.span.set_status(Status(StatusCode.ERROR, event.error_class))
        call.span.end()
        return True

    def request(self, event: RequestDone | RequestFailed) -> None:
        """A span for an attempt: linked to its calls if there are several, else a child of its call if asked for."""
        if len(event.calls) > 1:
            spans = [span for call in event.calls if (span := self._span_of(call)) is not None]
            links = [Link(span.get_span_context()) for span in spans]
            if links:
                self._attempt(event, Context(), links)
        elif self._attempts and event.calls and (span := self._span_of(event.calls[0])) is not None:
            self._attempt(event, set_span_in_context(span, Context()), [])

    def _attempt(self, event: RequestDone | RequestFailed, context: Context, links: list[Link]) -> None:
        ended = time.time_ns()
        name = f"{semconv.OPERATION} attempt" if not links else f"{semconv.OPERATION} shared {event.model}"
        span = self._tracer.start_span(
            name,
            context=context,
            kind=SpanKind.CLIENT,
            attributes=_begin_attributes(event),
            links=links,
            start_time=ended - int(event.elapsed * NS),
        )
        if span.is_recording():
            span.set_attributes(attempt_attributes(event))
            if isinstance(event, RequestFailed):
                span.set_status(Status(StatusCode.ERROR, _error_type(event)))
        span.end(ended)

    def _span_of(self, number: int) -> Span | None:
        call = self._open.get(number)
        if call is None or call.outer is not None:
            return None
        return call.span or self._begin_span(call)

    def _begin_span(self, call: OpenCall) -> Span:
        event = call.event
        attributes = self._attributes.get(event.embedder)
        if attributes is None:
            attributes = self._attributes[event.embedder] = _begin_attributes(event)
        call.span = self._tracer.start_span(
            f"{semconv.OPERATION} {event.model}",
            context=call.context,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=call.began_ns or None,
        )
        return call.span


def answered_from_cache(event: CallDone) -> bool:
    """Every text was a hit: no provider had a part in it."""
    return bool(event.cache_hits) and not (event.requests or event.cache_misses or event.cache_shared)


def _begin_attributes(event: CallStarted | RequestDone | RequestFailed) -> Attributes:
    """Attributes that samplers see."""
    attributes: Attributes = {
        semconv.OPERATION_NAME: semconv.OPERATION,
        semconv.PROVIDER_NAME: semconv.provider_name(event.provider),
        semconv.REQUEST_MODEL: event.model,
        "aembed.embedder": event.embedder,
    }
    if event.server is not None:
        attributes[semconv.SERVER_ADDRESS] = event.server
        if event.port is not None:
            attributes[semconv.SERVER_PORT] = event.port
    return attributes


def result_attributes(event: CallDone) -> Attributes:
    """Attributes set at the end of a call. The usual values are left out, since an SDK copies each."""
    values: Mapping[str, Any] = {
        semconv.DIMENSION_COUNT: event.dimension,
        semconv.RESPONSE_MODEL: event.response_model,
        semconv.INPUT_TOKENS: event.tokens,
        semconv.ERROR_TYPE: event.error_class if event.outcome != "partial" else None,
        "aembed.operation": event.operation,
        "aembed.kind": event.kind,
        "aembed.texts": event.texts,
        "aembed.outcome": event.outcome if event.outcome != "ok" else None,
        "aembed.gate.wait": event.waited,
        "aembed.gate.waited_for": event.waited_for or None,
        "aembed.sending": event.sending if event.waited or event.backoff else None,
        "aembed.backoff": event.backoff or None,
        "aembed.attempts": event.attempts,
        "aembed.requests": event.requests if event.requests != event.attempts else None,
        "aembed.cost": event.cost,
        "aembed.failed": event.failed or None,
        "aembed.truncated": event.truncated or None,
        "aembed.cache.hits": event.cache_hits or None,
        "aembed.cache.shared": event.cache_shared or None,
        "aembed.cache.misses": event.cache_misses or None,
        "aembed.merged": event.merged or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def attempt_attributes(event: RequestDone | RequestFailed) -> Attributes:
    """Attributes set at the end of an attempt."""
    values: dict[str, Any] = {
        semconv.RESPONSE_ID: event.request_id,
        "aembed.kind": event.kind,
        "aembed.texts": event.texts,
        "aembed.attempt": event.attempt,
        "aembed.gate.wait": event.waited,
    }
    if isinstance(event, RequestFailed):
        values[semconv.ERROR_TYPE] = _error_type(event)
    else:
        values[semconv.RESPONSE_MODEL] = event.response_model
        values[semconv.INPUT_TOKENS] = event.tokens
    return {name: value for name, value in values.items() if value is not None}


def _error_type(event: RequestFailed) -> str:
    return "CancelledError" if event.error is None else type(event.error).__name__


def _marker() -> type[Any]:
    """Class of the value that announces an embedding span: util-genai recognises only its own."""
    try:
        from opentelemetry.util.genai._embedding_invocation import EmbeddingData
    except ImportError:
        return dict
    return EmbeddingData


def _publish(event: CallDone, outer: object) -> None:
    """Hand the result to the span around this call, as util-genai's inner calls do."""
    for name, value in (
        ("response_model", event.response_model),
        ("server_address", event.server),
        ("server_port", event.port),
        ("embeddings_dimension_count", event.dimension),
        ("usage_input_tokens", event.tokens),
    ):
        if value is not None and hasattr(outer, name):
            setattr(outer, name, value)
