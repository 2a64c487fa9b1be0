"""Listeners that show aembed from outside: OpenTelemetry, Prometheus and logs.

    listeners = [aembed.telemetry.opentelemetry(), aembed.telemetry.logging()]
    async with EmbedderFactory(listeners=listeners) as factory:
        aembed.telemetry.prometheus(factory)

Modules:
    listeners     the functions of this package
    logs          records of the logger ``aembed``, and a formatter that writes JSON
    otel          the OpenTelemetry listener
    spans meters  its two halves
    semconv       names of the GenAI semantic conventions
    collector     Prometheus: snapshots read when it is scraped
"""

from aembed.telemetry.listeners import logging, opentelemetry, prometheus
from aembed.telemetry.logs import JsonFormatter

__all__ = ["JsonFormatter", "logging", "opentelemetry", "prometheus"]
