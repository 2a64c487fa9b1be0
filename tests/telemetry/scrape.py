"""Samples of a Prometheus registry, as a scraper reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

CALLS = "aembed_call_duration_seconds_count"


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = [
        number
        for (sample, values), number in samples(registry).items()
        if sample == name and labels.items() <= dict(values).items()
    ]
    return sum(found)
