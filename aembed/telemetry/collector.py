"""A Prometheus collector for factories. It reads snapshots when it is scraped, from any thread.

The hot path pays for two histograms alone. Labels hold configured names, so their number is bounded: embedder (a
profile, or ``"provider:model"``), provider, model, kind, outcome, resource, and a short digest for the account.

prometheus_client's multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) collects from files, and ignores every collector of
this kind: scrape each process at a separate port, or use OpenTelemetry metrics there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from weakref import WeakKeyDictionary, ref

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from aembed import AccountStatistics, CallDone, EmbedderFactory, EmbedderStatistics, Event

CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: models in this process answer within milliseconds, bulk calls take minutes."""
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: a slot is free within milliseconds, a quota within a minute."""

OF_EMBEDDERS = "embedder", "provider", "model"
OF_ACCOUNTS = "account", "provider", "model"

COUNTERS: tuple[tuple[str, str, Callable[[EmbedderStatistics], float | None]], ...] = (
    ("aembed_texts", "Texts that got their vector", lambda each: each.texts),
    ("aembed_failed_texts", "Texts given up", lambda each: each.failed),
    ("aembed_tokens", "Tokens reported by the provider", lambda each: each.tokens),
    ("aembed_cost_usd", "Cost in US dollars, by the model's list price", lambda each: each.cost),
    ("aembed_requests", "Requests sent, retries included", lambda each: each.requests),
    ("aembed_retries", "Requests sent again", lambda each: each.retries),
    ("aembed_deadlines", "Calls that ran into their deadline", lambda each: each.deadlines),
    ("aembed_merged_calls", "Calls sent in one batch with others", lambda each: each.merged_calls),
    ("aembed_merged_requests", "Batches made of several calls", lambda each: each.merged_requests),
    ("aembed_listener_failures", "Events on which a listener raised an error", lambda each: each.listener_failures),
)
CACHE = "aembed_cache_lookups"
CACHE_RESULTS: tuple[tuple[str, Callable[[EmbedderStatistics], int]], ...] = (
    ("hit", lambda each: each.cache_hits),
    ("shared", lambda each: each.cache_shared),
    ("miss", lambda each: each.cache_misses),
    ("failure", lambda each: each.cache_failures),
)
GAUGES: tuple[tuple[str, str, Callable[[AccountStatistics], float]], ...] = (
    ("aembed_requests_in_flight", "Requests in flight", lambda each: each.in_flight),
    ("aembed_slots", "Limit of requests in flight", lambda each: each.slots),
    ("aembed_queue_length", "Requests waiting at the gate", lambda each: each.waiting),
    (
        "aembed_paused_seconds",
        "Time until the next request may be sent",
        lambda each: each.paused,
    ),
    ("aembed_circuit_open", "1 while one probe at a time is sent", lambda each: float(each.circuit_open)),
)
REFUSALS = "aembed_refusals"
LIMIT, REMAINING = "aembed_quota_limit", "aembed_quota_remaining"
CALLS, WAIT = "aembed_call_duration_seconds", "aembed_gate_wait_seconds"


_collectors: WeakKeyDictionary[CollectorRegistry, FactoryCollector] = WeakKeyDictionary()
"""A registry with two collectors would list every metric twice, which no scraper accepts."""


def collector_of(registry: CollectorRegistry, factory: EmbedderFactory) -> FactoryCollector:
    """The collector of ``registry``, which reads ``factory`` too from now on."""
    collector = _collectors.get(registry)
    if collector is None:
        collector = FactoryCollector()
        registry.register(collector)
        _collectors[registry] = collector
    else:
        with suppress(ValueError):  # it is still registered
            registry.register(collector)
    collector.add(factory)
    return collector


class FactoryCollector(Collector):
    """Metrics of all embedders and gates of its factories; it keeps none of them alive.

    Series of a factory end with it. Embedders of the same name in several factories are added up, as are their gates.
    """

    def __init__(self) -> None:
        self._sources: list[tuple[ref[EmbedderFactory], CallHistograms]] = []

    def add(self, factory: EmbedderFactory) -> None:
        """Read ``factory`` too from now on, and observe its calls."""
        histograms = CallHistograms()
        factory.add_listener(histograms)
        self._sources = [*self._living(), (ref(factory), histograms)]

    def collect(self) -> Iterator[Metric]:
        """All metrics, as they are now."""
        living = self._living()
        snapshots = [factory.statistics() for reference, _ in living if (factory := reference()) is not None]
        yield from _counters([each for snapshot in snapshots for each in snapshot.embedders])
        yield from _gauges([each for snapshot in snapshots for each in snapshot.accounts])
        yield from _histograms([histograms for _, histograms in living])

    def describe(self) -> Iterator[Metric]:
        """Names alone: registering takes no snapshot."""
        yield from _counters(())
        yield from _gauges(())
        yield from _histograms(())

    def _living(self) -> list[tuple[ref[EmbedderFactory], CallHistograms]]:
        return [source for source in self._sources if source[0]() is not None]


class CallHistograms:
    """Listener of one factory, and so of one thread."""

    wanted_events = frozenset({CallDone})

    def __init__(self) -> None:
        self.calls = LabelledHistogram(CALL_BUCKETS)
        self.waits = LabelledHistogram(WAIT_BUCKETS)

    def __call__(self, event: Event) -> None:
        assert isinstance(event, CallDone), "it wants no other"
        embedder, provider, model, kind = event.embedder, event.provider, event.model, event.kind
        self.calls.observe((embedder, provider, model, kind, event.outcome), event.elapsed)
        if event.requests or event.waited:
            self.waits.observe((embedder, provider, model, kind), event.waited)


class LabelledHistogram:
    """Counts by label values. One thread observes; others may read meanwhile."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        counts = self._counts.get(labels)
        if counts is None:
            self._sums[labels] = 0.0
            counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def read(self) -> Iterator[tuple[tuple[str, ...], list[int], float]]:
        """Labels, counts and sum. From any thread."""
        for labels, counts in tuple(self._counts.items()):
            yield labels, counts.copy(), self._sums[labels]


class LabelledSums:
    """Sums of values by labels: several factories may have an embedder or an account of the same name."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, labels: tuple[str, ...], value: float | None) -> None:
        if value is not None:
            self._values[labels] = self._values.get(labels, 0) + value

    def fill(self, family: CounterMetricFamily | GaugeMetricFamily) -> Metric:
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


def _counters(embedders: Sequence[EmbedderStatistics]) -> Iterator[Metric]:
    for name, documentation, read in COUNTERS:
        totals = LabelledSums()
        for each in embedders:
            totals.add(_embedder(each), read(each))
        yield totals.fill(CounterMetricFamily(name, documentation, labels=OF_EMBEDDERS))
    totals = LabelledSums()
    for each in embedders:
        for result, count in CACHE_RESULTS:
            totals.add((*_embedder(each), result), count(each))
    yield totals.fill(CounterMetricFamily(CACHE, "Texts by what the cache had", labels=(*OF_EMBEDDERS, "result")))


def _gauges(accounts: Sequence[AccountStatistics]) -> Iterator[Metric]:
    for name, documentation, read in GAUGES:
        totals = LabelledSums()
        for each in accounts:
            totals.add(_account(each), read(each))
        yield totals.fill(GaugeMetricFamily(name, documentation, labels=OF_ACCOUNTS))
    refusals, limits, remaining = LabelledSums(), LabelledSums(), LabelledSums()
    for each in accounts:
        refusals.add(_account(each), each.refusals)
        for by_resource, values in ((limits, each.limits), (remaining, each.remaining)):
            for resource, value in values.items():
                by_resource.add((*_account(each), resource), value)
    labels = (*OF_ACCOUNTS, "resource")
    yield refusals.fill(CounterMetricFamily(REFUSALS, "Requests answered with 429", labels=OF_ACCOUNTS))
    yield limits.fill(GaugeMetricFamily(LIMIT, "Known limits per minute", labels=labels))
    yield remaining.fill(GaugeMetricFamily(REMAINING, "Part of each limit that could be sent now", labels=labels))


def _histograms(listeners: Sequence[CallHistograms]) -> Iterator[Metric]:
    labels = (*OF_EMBEDDERS, "kind")
    calls = HistogramMetricFamily(CALLS, "Duration of calls, by how they ended", labels=(*labels, "outcome"))
    waits = HistogramMetricFamily(WAIT, "Time that calls waited at the gate for a slot or quota", labels=labels)
    yield _filled(calls, CALL_BUCKETS, [listener.calls for listener in listeners])
    yield _filled(waits, WAIT_BUCKETS, [listener.waits for listener in listeners])


def _filled(family: HistogramMetricFamily, bounds: Sequence[float], histograms: Iterable[LabelledHistogram]) -> Metric:
    merged: dict[tuple[str, ...], tuple[list[int], float]] = {}
    for histogram in histograms:
        for labels, counts, total in histogram.read():
            before, sum_before = merged.get(labels, ([0] * len(counts), 0.0))
            merged[labels] = [old + new for old, new in zip(before, counts, strict=True)], sum_before + total
    for labels, (counts, total) in merged.items():
        buckets = zip((*map(str, bounds), "+Inf"), accumulate(counts), strict=True)
        family.add_metric(labels, list(buckets), total)
    return family


def _embedder(each: EmbedderStatistics) -> tuple[str, str, str]:
    return each.embedder, each.provider, each.model


def _account(each: AccountStatistics) -> tuple[str, str, str]:
    return each.account, each.provider, each.model or ""
