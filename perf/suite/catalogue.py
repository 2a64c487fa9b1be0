"""All measurements of the suite, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator

from aembed import bench
from aembed.bench import Arrivals, Report, Scenario, Target
from perf.suite import concurrency, factory, load, memory, overhead, provider, throughput
from perf.suite.measurement import Measure, Measurement, Pace, loaded, searched, timed

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
"""Those that do the same on every run, so that what they cost can be counted and kept."""


def measurements() -> Iterator[Measurement]:
    """The whole suite."""
    yield from timed("factory", *FACTORY)
    yield from timed("provider", *PROVIDER)
    yield from timed("overhead", *OVERHEAD)
    yield from searched(
        "memory", memory.memory_of_documents, memory.repetitions, memory.lifetimes, memory.buffer_reused
    )
    yield from timed("concurrency", *CONCURRENCY)
    yield Measurement(group="concurrency", name="queries beside bulk", kind="closed", measure=_beside_bulk)
    yield from timed("throughput", *THROUGHPUT)
    yield from _load()


def _load() -> Iterator[Measurement]:
    for users in (1, 5, 10, 20):
        yield loaded("closed", f"{users} users", _users(users))
    yield loaded("sustained", "sustained", _sustained)
    for times in (10, 50, 100):
        yield loaded("burst", f"burst of {times}", _burst(times))
    for rate in (50, 100, 150, 200):
        yield loaded("open", f"step of {rate}", _open(QUERIES, bench.constant(rate=rate), f"{rate} a second", 0.25))
    server = load.queries.case(on="http")
    fives = provider.embed_documents.case(on="mock", documents=5)
    yield loaded("open", "ramp", _open(QUERIES, bench.ramp(50, 200), "ramp"))
    yield loaded("open", "server", _open(server, bench.poisson(rate=300), "queries to a server"), on="http")
    yield loaded("open", "mixed", _open(load.mixed, bench.poisson(rate=200), "queries and documents"))
    yield loaded("open", "error recovery", _open(load.error_recovery, bench.poisson(rate=100), "error recovery"))
    yield loaded("open", "throughput", _open(fives, bench.constant(rate=1000), "1000 operations a second", 0.5))


QUERIES = load.queries.case(on="mock")


def _users(users: int) -> Measure:
    """They think 20 ms on average, at random."""
    return lambda pace: bench.closed(QUERIES, users=users, think=0.02, duration=pace.load / 2, name=f"{users} users")


def _sustained(pace: Pace) -> Awaitable[Report]:
    return bench.sustained(QUERIES, arrivals=bench.poisson(rate=300), duration=2 * pace.load, name="sustained")


def _burst(times: int) -> Measure:
    return lambda pace: bench.burst(
        QUERIES, base=10, spike=10 * times, spike_s=pace.load / 16, duration=pace.load, name=f"burst of {times}"
    )


def _open(target: Target, arrivals: Arrivals, name: str, share: float = 1.0) -> Measure:
    return lambda pace: bench.load(target, arrivals=arrivals, duration=share * pace.load, name=name)


def _beside_bulk(pace: Pace) -> Awaitable[Report]:
    return bench.closed(concurrency.queries_beside_bulk, users=1, think=0.002, duration=pace.load / 2)
