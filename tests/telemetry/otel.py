"""An OpenTelemetry SDK whose spans and metrics stay in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from aembed import telemetry
from aembed.telemetry.otel import OpenTelemetryListener


class Sdk(NamedTuple):
    """Providers to hand to a listener, and what came of it."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def metrics(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> list[Any]:
        metric = self.metrics().get(name)
        return [] if metric is None else list(metric.data.data_points)


def sdk() -> Sdk:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Sdk(tracer_provider, MeterProvider([reader]), exporter, reader)


def listener_of(made: Sdk, *, attempts: bool = False) -> OpenTelemetryListener:
    listener = telemetry.opentelemetry(made.tracer_provider, made.meter_provider, attempts=attempts)
    assert isinstance(listener, OpenTelemetryListener)
    return listener


def bounds(point: HistogramDataPoint) -> tuple[float, ...]:
    return tuple(point.explicit_bounds)


def listening(*, attempts: bool = False) -> tuple[Sdk, OpenTelemetryListener]:
    made = sdk()
    return made, listener_of(made, attempts=attempts)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    assert span.attributes is not None
    return dict(span.attributes)


def id_of(context: SpanContext | None) -> tuple[int, int]:
    assert context is not None
    return context.trace_id, context.span_id
