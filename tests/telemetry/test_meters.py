"""Metrics of an OpenTelemetry listener that is tried alone."""

from __future__ import annotations

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from aembed import OverloadedError, RateLimitError, RetryScheduled
from aembed.telemetry.otel import OpenTelemetryListener
from tests.telemetry.events import EMBEDDER, call_done, call_started, request_failed
from tests.telemetry.otel import bounds, listening


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


WAIT_BOUNDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0)


@pytest.mark.parametrize(
    ("requests", "waited", "is_wait"), [(1, 0.0, True), (0, 2.0, True), (1, 2.0, True), (0, 0.0, False)]
)
def test_a_wait_at_the_gate_may_be_of_zero_seconds(requests: int, waited: float, is_wait: bool) -> None:
    made, listener = listening()
    listener.call_started(call_started())
    listener(call_done(requests=requests, waited=waited))
    waits = [(point.count, point.sum, bounds(point)) for point in made.points("aembed.gate.wait.duration")]
    assert waits == ([(1, waited, WAIT_BOUNDS)] if is_wait else [])


def test_a_server_that_invents_names_of_models_does_not_fill_the_memory() -> None:
    listener = OpenTelemetryListener(NoOpTracerProvider(), NoOpMeterProvider(), attempts=False)
    for number in range(1_010):
        listener.call_started(call_started(number))
        listener(call_done(number, response_model=f"model-{number}"))
    assert len(listener._meters._attributes) == 1_000


def test_refusals_are_429s_alone() -> None:
    made, listener = listening()
    listener(request_failed(1, error=OverloadedError("busy")))
    listener(request_failed(1, error=None))
    assert made.points("aembed.refusals") == []
