"""All measurements of the suite, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from aembed import bench
from aembed.bench import Arrivals, Case, Report, Scenario, Target
from perf.suite import concurrency, factory, load, memory, overhead, provider, throughput
from perf.suite.measurement import Measurement, Pace, loaded, searched, timed

FACTORY = (
    factory.new_factory,
    factory.new_embedder,
    factory.validate_config,
    factory.validate_options,
    factory.config_defaults,
    factory.registry_lookup,
    factory.available_providers,
    factory.check_health,
)
PROVIDER = (
    provider.embed_query,
    provider.embed_documents,
    provider.embed_documents_of,
    provider.get_dimension,
    provider.dimensions,
)
OVERHEAD = (
    overhead.mock_alone,
    overhead.batches,
    overhead.cache_hit,
    overhead.refusal_of_bad_input,
    overhead.admission,
)
CONCURRENCY = (concurrency.callers, concurrency.contention, concurrency.registry_in_threads)
THROUGHPUT = (throughput.by_characters, throughput.by_words, throughput.realistic)

COUNTED: tuple[Scenario, ...] = (
    *FACTORY,
    provider.embed_documents,
    provider.get_dimension,
    overhead.batches,
    overhead.cache_hit,
    overhead.refusal_of_bad_input,
    overhead.admission,
    concurrency.callers,
)
"""Deterministic cases, whose cost can be counted and recorded."""


def measurements(*, ends: bool = False) -> Iterator[Measurement]:
    """The whole suite, or of each scenario the first and the last case."""
    yield from timed("factory", *FACTORY, ends=ends)
    yield from timed("provider", *PROVIDER, ends=ends)
    yield from timed("overhead", *OVERHEAD, ends=ends)
    yield from searched(
        "memory", memory.memory_of_documents, memory.repetitions, memory.lifetimes, memory.buffer_reused
    )
    yield from timed("concurrency", *CONCURRENCY, ends=ends)
    yield Measurement(group="concurrency", name="queries_beside_bulk", kind="closed", measure=_beside_bulk)
    yield from timed("throughput", *THROUGHPUT, ends=ends)
    yield from _load()


def _load() -> Iterator[Measurement]:
    for users in (1, 5, 10, 20):
        yield _users(users)
    yield loaded("sustained", "sustained", _sustained)
    for extra in (10, 50, 100):
        yield _burst(extra)
    for rate in (50, 100, 150, 200):
        yield _open(f"{rate} queries a second", QUERIES, bench.constant(rate=rate), 0.25)
    yield _open("ramp", QUERIES, bench.ramp(50, 200))
    yield _open("queries to a server", load.queries.case(on="http"), bench.poisson(rate=200))
    yield _open("queries and documents", load.mixed, bench.poisson(rate=200))
    yield _open("error recovery", load.error_recovery, bench.poisson(rate=100))
    yield _open("1000 operations a second", FIVES, bench.constant(rate=1000), 0.5)


BASE, AT_ONCE, CALM = 200.0, 0.05, 5.0
"""Queries per second next to a burst, its seconds, and seconds to learn the normal level before it."""
LASTING = 6.0
"""Seconds of load that a slope needs."""
QUERIES = load.queries.case(on="mock")
FIVES = provider.embed_documents.case(on="mock", documents=5)


def _users(users: int) -> Measurement:
    """They think 20 ms on average, at random."""
    name = f"{users} users"
    return loaded(
        "closed",
        name,
        lambda pace: bench.closed(QUERIES, users=users, think=0.02, duration=pace.load / 2, name=name),
    )


def _sustained(pace: Pace) -> Awaitable[Report]:
    duration = max(LASTING, 2 * pace.load)
    return bench.sustained(QUERIES, arrivals=bench.poisson(rate=400), duration=duration, name="sustained")


def _burst(extra: int) -> Measurement:
    """Extra requests within a twentieth of a second."""
    name = f"burst of {extra}"
    return loaded(
        "burst",
        name,
        lambda pace: bench.burst(
            QUERIES, base=BASE, spike=BASE + extra / AT_ONCE, spike_s=AT_ONCE, duration=max(CALM, pace.load), name=name
        ),
    )


def _open(name: str, target: Target, arrivals: Arrivals, share: float = 1.0) -> Measurement:
    on = str(target.parameters.get("on", "mock")) if isinstance(target, Case) else "mock"
    return loaded(
        "open", name, lambda pace: bench.load(target, arrivals=arrivals, duration=share * pace.load, name=name), on
    )


def _beside_bulk(pace: Pace) -> Awaitable[Report]:
    return bench.closed(concurrency.queries_beside_bulk, users=1, think=0.002, duration=pace.load / 2)
