"""Metrics through the OpenTelemetry API: two of the conventions, and aembed's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from aembed import AccountStatistics, CallDone, EmbedderFactory, RateLimitError, RequestFailed, RetryScheduled
from aembed.telemetry import semconv

WAIT_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds. A slot is free within milliseconds, a quota within a minute."""

MAX_COMBINATIONS = 1000
"""Kept sets of attributes. A server that invents names of models must not fill the memory."""

Read = Callable[[AccountStatistics], Iterable[tuple[float, dict[str, Any]]]]
"""Values of an account and the attributes of each."""


class Meters:
    """The instruments. Counters come from events; the state of gates is read when metrics are collected."""

    def __init__(self, meter: Meter) -> None:
        self._factories: WeakSet[EmbedderFactory] = WeakSet()
        self._attributes: dict[tuple[str | None, ...], dict[str, Any]] = {}
        self._duration = meter.create_histogram(
            semconv.OPERATION_DURATION,
            unit="s",
            description="Duration of GenAI client operation",
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            semconv.TOKEN_USAGE,
            unit="{token}",
            description="Number of input and output tokens used by GenAI clients",
            explicit_bucket_boundaries_advisory=semconv.TOKEN_BUCKETS,
        )
        self._wait = meter.create_histogram(
            "aembed.gate.wait.duration",
            unit="s",
            description="Time a call waited at the gate for a slot or quota",
            explicit_bucket_boundaries_advisory=WAIT_BUCKETS,
        )
        self._cache = meter.create_counter("aembed.cache.lookups", unit="{text}", description="Texts by cache result")
        self._cost = meter.create_counter("aembed.cost", unit="{USD}", description="Cost by the model's list price")
        self._retries = meter.create_counter("aembed.retries", unit="{request}", description="Requests sent again")
        self._refusals = meter.create_counter("aembed.refusals", unit="{request}", description="Requests answered 429")
        for name, unit, description, read in GAUGES:
            meter.create_observable_gauge(name, [self._observed(read)], unit=unit, description=description)

    def watch(self, factory: EmbedderFactory) -> None:
        """Read the state of its gates at each collection."""
        self._factories.add(factory)

    def call(self, event: CallDone, *, is_operation: bool) -> None:
        """``is_operation``: the call counts for the conventions' metrics."""
        if is_operation:
            attributes = self._of_operation(event)
            self._duration.record(event.elapsed, attributes)
            if event.tokens:
                self._tokens.record(event.tokens, {**attributes, semconv.TOKEN_TYPE: "input"})
        self._of_aembed(event)

    def retry(self, event: RetryScheduled) -> None:
        attributes = {"aembed.embedder": event.embedder, semconv.ERROR_TYPE: type(event.error).__name__}
        self._retries.add(1, attributes)

    def failed(self, event: RequestFailed) -> None:
        if isinstance(event.error, RateLimitError):
            self._refusals.add(1, {"aembed.embedder": event.embedder})

    def _of_aembed(self, event: CallDone) -> None:
        embedder = {"aembed.embedder": event.embedder}
        if event.requests or event.waited:
            self._wait.record(event.waited, {**embedder, "aembed.kind": event.kind})
        if event.cost:
            self._cost.add(event.cost, embedder)
        if event.cache_hits or event.cache_shared or event.cache_misses:
            for result in ("hits", "shared", "misses"):
                if count := getattr(event, f"cache_{result}"):
                    self._cache.add(count, {**embedder, "aembed.cache.result": result})

    def _of_operation(self, event: CallDone) -> dict[str, Any]:
        """Built once for each combination of names: a call has hardly ever others than the last."""
        error = event.error_class if event.outcome in {"error", "deadline", "cancelled"} else None
        key = event.embedder, event.provider, event.model, event.response_model, error
        attributes = self._attributes.get(key)
        if attributes is None:
            attributes = self._built(event, error)
            if len(self._attributes) < MAX_COMBINATIONS:
                self._attributes[key] = attributes
        return attributes

    @staticmethod
    def _built(event: CallDone, error: str | None) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            semconv.OPERATION_NAME: semconv.OPERATION,
            semconv.PROVIDER_NAME: semconv.provider_name(event.provider),
            semconv.REQUEST_MODEL: event.model,
        }
        if event.response_model is not None:
            attributes[semconv.RESPONSE_MODEL] = event.response_model
        if event.server is not None:
            attributes[semconv.SERVER_ADDRESS] = event.server
            if event.port is not None:
                attributes[semconv.SERVER_PORT] = event.port
        if error is not None:
            attributes[semconv.ERROR_TYPE] = error
        return attributes

    def _observed(self, read: Read) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(options: CallbackOptions) -> Iterator[Observation]:
            for factory in tuple(self._factories):
                for account in factory.statistics().accounts:
                    labels = {"aembed.account": account.account, semconv.PROVIDER_NAME: account.provider}
                    yield from (Observation(value, {**labels, **more}) for value, more in read(account))

        return observe


def _limits(account: AccountStatistics) -> Iterable[tuple[float, dict[str, Any]]]:
    return [(limit, {"aembed.resource": resource}) for resource, limit in account.limits.items()]


def _remaining(account: AccountStatistics) -> Iterable[tuple[float, dict[str, Any]]]:
    return [(amount, {"aembed.resource": resource}) for resource, amount in account.remaining.items()]


GAUGES: tuple[tuple[str, str, str, Read], ...] = (
    ("aembed.requests.in_flight", "{request}", "Requests in flight", lambda account: [(account.in_flight, {})]),
    ("aembed.queue.length", "{request}", "Requests waiting at the gate", lambda account: [(account.waiting, {})]),
    ("aembed.quota.limit", "1", "Known limits per minute", _limits),
    ("aembed.quota.remaining", "1", "Part of each limit that could be sent now", _remaining),
)
