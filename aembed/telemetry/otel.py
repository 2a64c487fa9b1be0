"""The OpenTelemetry listener. It needs the API alone; without an SDK it does next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from aembed import (
    CallDone,
    CallStarted,
    EmbedderFactory,
    Event,
    RequestDone,
    RequestFailed,
    RetryScheduled,
    __version__,
)
from aembed.telemetry.meters import Meters
from aembed.telemetry.semconv import SCHEMA_URL
from aembed.telemetry.spans import CallSpans


class OpenTelemetryListener:
    """Spans and metrics of every embedder whose factory has this listener."""

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None, *, attempts: bool
    ) -> None:
        tracer = get_tracer("aembed", __version__, tracer_provider, SCHEMA_URL)
        self._spans = CallSpans(tracer, attempts=attempts)
        self._meters = Meters(get_meter("aembed", __version__, meter_provider, SCHEMA_URL))
        self._handlers: Mapping[type[Any], Callable[[Any], None]] = {
            CallDone: self._call_done,
            RequestDone: self._spans.request,
            RequestFailed: self._request_failed,
            RetryScheduled: self._meters.retry,
        }
        self.wanted_events = frozenset(self._handlers)
        self.shared_requests_only = not attempts

    def __call__(self, event: Event) -> None:
        self._handlers[type(event)](event)

    def call_started(self, event: CallStarted) -> None:
        """Begin the span of a call."""
        self._spans.begin(event)

    def factory_made(self, factory: EmbedderFactory) -> None:
        """Observe the gates of ``factory`` from now on."""
        self._meters.watch(factory)

    def _call_done(self, event: CallDone) -> None:
        self._meters.call(event, is_operation=self._spans.end(event))

    def _request_failed(self, event: RequestFailed) -> None:
        self._spans.request(event)
        self._meters.failed(event)
