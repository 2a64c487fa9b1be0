"""The functions that users call. What an extra installs is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aembed import Event, MissingExtraError
from aembed.telemetry.logs import log

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from aembed import EmbedderFactory
    from aembed.telemetry.collector import FactoryCollector


def logging() -> Callable[[Event], None]:
    """A listener that writes events to the logger ``aembed``. Levels and handlers are set as for any other logger."""
    return log


def opentelemetry(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    attempts: bool = False,
) -> Callable[[Event], None]:
    """A listener for ``EmbedderFactory(listeners=[...])``: a span for each call, and metrics.

    Without arguments it uses the global providers, whenever the program sets them. ``attempts``: each attempt of a
    request gets a child span. A call answered from the cache alone has no span.

    Raises:
        MissingExtraError: the OpenTelemetry API is not installed.
    """
    try:
        from aembed.telemetry.otel import OpenTelemetryListener
    except ModuleNotFoundError as error:
        raise _missing("opentelemetry-api", "otel") from error
    return OpenTelemetryListener(tracer_provider, meter_provider, attempts=attempts)


def prometheus(factory: EmbedderFactory, registry: CollectorRegistry | None = None) -> FactoryCollector:
    """Expose the metrics of ``factory`` with ``registry``, or with prometheus_client's default one.

    Returns the collector of the registry: there is one, which all factories share. ``registry.unregister(collector)``
    ends it.

    Raises:
        MissingExtraError: prometheus_client is not installed.
    """
    try:
        from prometheus_client import REGISTRY

        from aembed.telemetry.collector import collector_of
    except ModuleNotFoundError as error:
        raise _missing("prometheus-client", "prometheus") from error
    return collector_of(registry or REGISTRY, factory)


def _missing(package: str, extra: str) -> MissingExtraError:
    return MissingExtraError(f'{package} is not installed: pip install "aembed[{extra}]"')
