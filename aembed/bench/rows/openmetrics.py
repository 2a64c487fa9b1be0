"""Reports as OpenMetrics text, for Prometheus and other programs that read its format.

Histograms, not percentiles: those of several runs can be added up, percentiles cannot. All runs have the same buckets.
A request without a good answer is in the bucket "+Inf" alone: it was slower than all that was measured.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import Report, named
from aembed.bench.rows.columns import OUTCOMES

EDGES = tuple(math.ldexp(1 + quarter / 4, octave) for octave in range(-17, 7) for quarter in range(4))
"""Upper ends of the buckets, from 8 microseconds to 112 s: four in each octave, on edges that reports count between."""
TIMES = {
    "response": "From the intended start of a request to its answer.",
    "service": "From the start of a request to its answer.",
    "lag": "From the intended start of a request to its start.",
}


def openmetrics(reports: Sequence[Report]) -> str:
    """Text of the runs under load among ``reports``; those of other modes have no requests to count."""
    loaded = [(f'benchmark="{_escaped(named(r.name, r.parameters))}",mode="{r.mode}"', r) for r in reports if r.traffic]
    lines = [*_requests(loaded), *_seconds(loaded), *_validity(loaded)]
    for part, help_text in TIMES.items():
        lines += _family(f"aembed_bench_{part}_seconds", "histogram", help_text, "seconds")
        for labels, report in loaded:
            distribution: Distribution | None = getattr(report, part)
            if distribution is not None:
                lines += _histogram(f"aembed_bench_{part}_seconds", labels, distribution)
    return "\n".join([*lines, "# EOF"]) + "\n"


def _requests(loaded: Sequence[tuple[str, Report]]) -> Iterator[str]:
    yield from _family("aembed_bench_requests", "counter", "Requests by outcome.")
    for labels, report in loaded:
        for outcome in OUTCOMES:
            yield f'aembed_bench_requests_total{{{labels},outcome="{outcome}"}} {getattr(report.traffic, outcome)}'


def _seconds(loaded: Sequence[tuple[str, Report]]) -> Iterator[str]:
    yield from _family("aembed_bench_schedule_seconds", "gauge", "Length of the schedule.", "seconds")
    for labels, report in loaded:
        assert report.traffic is not None
        yield f"aembed_bench_schedule_seconds{{{labels}}} {report.traffic.seconds!r}"


def _validity(loaded: Sequence[tuple[str, Report]]) -> Iterator[str]:
    yield from _family("aembed_bench_valid", "gauge", "1 if the figures may be believed, 0 if the run is INVALID.")
    for labels, report in loaded:
        yield f"aembed_bench_valid{{{labels}}} {int(report.verdict.state != 'invalid')}"


def _family(name: str, kind: str, help_text: str, unit: str = "") -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {help_text}"


def _histogram(name: str, labels: str, distribution: Distribution) -> Iterator[str]:
    """Sum and count only of a run without failures: the sum is unknown otherwise, and the format wants both or none."""
    edges, counts = distribution.histogram.edges, distribution.histogram.counts
    below = [0, *accumulate(counts)]
    for edge in EDGES:
        # within its range, the histogram has each of these edges
        yield f'{name}_bucket{{{labels},le="{edge!r}"}} {below[max(0, bisect_right(edges, edge) - 1)] if edges else 0}'
    yield f'{name}_bucket{{{labels},le="+Inf"}} {distribution.count}'
    if distribution.mean is not None:
        yield f"{name}_count{{{labels}}} {distribution.count}"
        yield f"{name}_sum{{{labels}}} {distribution.mean * distribution.count!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
