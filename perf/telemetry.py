"""``python -m perf.telemetry``: the cost of each listener for one call, in CPU time.

All variants run in this process, in alternating blocks: a round is one block of each, in a new order.

    in a call   median over the rounds of a block of calls less the block without listeners: events and listener
    listener    the least of all rounds for the listener alone, which is handed the events of one call again and again

It compares them with a bare span with two records through the API without an SDK, and OpenTelemetry's own handler
for embeddings with an SDK. Other work on the machine makes the first column wider; the second hardly changes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from opentelemetry.metrics import get_meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, get_tracer
from opentelemetry.util.genai.handler import TelemetryHandler

from aembed import (
    CallDone,
    CallStarted,
    Config,
    Embedder,
    EmbedderFactory,
    Event,
    Kind,
    ModelSpec,
    Reply,
    RequestDone,
    telemetry,
)
from aembed.telemetry.collector import CallHistograms

BUDGETS_US = {"otel api": 8.0, "otel sdk": 60.0, "prometheus": 3.0}
"""Limits of the listener alone."""

VECTOR = np.ones((1, 8), np.float32)


class Instant:
    """A provider that answers at once, so that little hides the cost of a listener."""

    spec = ModelSpec(name="instant", provider="instant", dim=8, timeout=None)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        return Reply(VECTOR.copy(), tokens=1)

    async def aclose(self) -> None: ...


class Discarded(SpanExporter):
    """An exporter that drops every span."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None: ...


def ignore(event: Event) -> None:
    """A listener that does nothing: the cost of events alone."""


class OnlyCalls:
    """The same for calls alone, without events of their requests."""

    wanted_events = frozenset({CallDone})

    def __call__(self, event: Event) -> None: ...


class Keep:
    """The events of one call."""

    def __init__(self) -> None:
        self.started: list[CallStarted] = []
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def call_started(self, event: CallStarted) -> None:
        self.started.append(event)


def providers() -> tuple[TracerProvider, MeterProvider]:
    tracing = TracerProvider()
    tracing.add_span_processor(BatchSpanProcessor(Discarded()))
    return tracing, MeterProvider([InMemoryMetricReader()])


LISTENERS: dict[str, Callable[[], Callable[[Event], Any]]] = {
    "events of calls": OnlyCalls,
    "all events": lambda: ignore,
    "prometheus": CallHistograms,
    "logging (off)": telemetry.logging,
    "otel api": telemetry.opentelemetry,
    "otel sdk": lambda: telemetry.opentelemetry(*providers()),
}


async def opened(listener: Callable[[Event], Any] | None) -> Embedder:
    factory = EmbedderFactory(Config(), listeners=[] if listener is None else [listener])
    return await factory.new_embedder(Instant())


async def replayed(listener: Callable[[Event], Any]) -> Callable[[], None]:
    """Hands ``listener`` those events of one call that it wants."""
    kept = Keep()
    await (await opened(kept)).embed_query("text")
    (begin,) = kept.started
    wanted = getattr(listener, "wanted_events", None)
    only_shared = getattr(listener, "shared_requests_only", False)
    events = [event for event in kept.events if wanted is None or type(event) in wanted]
    events = [event for event in events if not (only_shared and isinstance(event, RequestDone))]
    started = getattr(listener, "call_started", None)

    def replay() -> None:
        if started is not None:
            started(begin)
        for event in events:
            listener(event)

    return replay


def bare_span() -> Callable[[], None]:
    tracer, meter = get_tracer("perf"), get_meter("perf")
    first, second = meter.create_histogram("first"), meter.create_histogram("second")
    attributes = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "instant"}

    def observe() -> None:
        with tracer.start_as_current_span("embeddings instant", kind=SpanKind.CLIENT, attributes=attributes):
            pass
        first.record(0.1, attributes)
        second.record(1, attributes)

    return observe


def own_handler() -> Callable[[], None]:
    handler = TelemetryHandler(*providers())

    def observe() -> None:
        invocation = handler.embedding("instant", request_model="instant")
        invocation.dimension_count, invocation.input_tokens = 8, 1
        invocation.stop()

    return observe


async def in_calls(embedder: Embedder, calls: int) -> float:
    """CPU microseconds of one call."""
    embed, began = embedder.embed_query, time.process_time()
    for _ in range(calls):
        await embed("text")
    return (time.process_time() - began) / calls * 1e6


def alone(observe: Callable[[], None], calls: int) -> float:
    """CPU microseconds of the listener for one call."""
    began = time.process_time()
    for _ in range(calls):
        observe()
    return (time.process_time() - began) / calls * 1e6


async def measure(calls: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Times of each round: a call with each listener, and each listener alone."""
    listeners = {name: make() for name, make in LISTENERS.items()}
    embedders = {"off": await opened(None)} | {name: await opened(each) for name, each in listeners.items()}
    by_itself = {name: await replayed(make()) for name, make in LISTENERS.items()}
    by_itself |= {"(bare otel api)": bare_span(), "(util-genai sdk)": own_handler()}
    whole: dict[str, list[float]] = {name: [] for name in embedders}
    parts: dict[str, list[float]] = {name: [] for name in by_itself}
    order, dice = list(dict.fromkeys([*embedders, *by_itself])), random.Random(1)
    for _ in range(rounds + 1):  # the first warms up
        dice.shuffle(order)
        for name in order:
            if name in embedders:
                whole[name].append(await in_calls(embedders[name], calls))
            if name in by_itself:
                parts[name].append(alone(by_itself[name], calls))
    return {name: times[1:] for name, times in whole.items()}, {name: times[1:] for name, times in parts.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="perf.telemetry", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="calls in a block")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    whole, parts = asyncio.run(measure(options.calls, options.rounds))
    print(f"us of CPU per call; without listeners {statistics.median(whole['off']):.2f}")
    print(f"{'':18}{'in a call':>10}{'middle half':>18}{'listener':>10}{'budget':>8}")
    for name, times in parts.items():
        more = "" if name not in whole else _more(whole[name], whole["off"])
        budget = f"{BUDGETS_US[name]:g}" if name in BUDGETS_US else ""
        print(f"{name:18}{more:28}{min(times):10.2f}{budget:>8}")
    over = [name for name, most in BUDGETS_US.items() if min(parts[name]) > most]
    print(f"over budget: {', '.join(over) or 'none'}")
    return 1 if over else 0


def _more(times: Sequence[float], off: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles([own - base for own, base in zip(times, off, strict=True)], n=4)
    return f"{middle:10.2f}{f'{low:.2f} to {high:.2f}':>18}"


if __name__ == "__main__":
    raise SystemExit(main())
