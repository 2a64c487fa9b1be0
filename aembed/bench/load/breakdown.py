"""From the notes about requests to the parts of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aembed.bench.load.attribution import COLLECTION, LATE, OTHER, STALL, Pauses, parts_of
from aembed.bench.load.traces import SLOWEST, Traced, Traces
from aembed.bench.model.breakdown import Breakdown, SlowRequest

SLOW = (0.95, 0.99)
"""Ranks of the slow requests: beyond p99 are accidents, which the list of the slowest shows."""
LAST = (STALL, COLLECTION, OTHER)


def breakdown(traces: Traces, origin: int, stalls: Pauses, collections: Pauses) -> Breakdown:
    """Means of the good requests, and the slowest. ``origin`` is the begin of the run."""
    good = sorted(request for request in traces.sample() if request.outcome == "ok")
    divided = [parts_of(request, stalls, collections) for request in good]
    low, high = (round(q * len(good)) for q in SLOW)
    mean, slow = _means(divided), _means(divided[low:high])
    order = _in_order((*mean, *slow))
    slowest = [(request, parts_of(request, stalls, collections)) for request in traces.slowest()]
    return Breakdown(
        requests=len(good),
        mean={name: mean[name] for name in order if name in mean},
        slow={name: slow[name] for name in order if name in slow},
        slow_requests=high - low,
        slowest=tuple(_slow(request, parts, traces, origin) for request, parts in slowest),
    )


def joined(found: Sequence[Breakdown]) -> Breakdown:
    """Those of several processes, which had requests of one kind, as one. Slow requests are those of each process."""
    mean = _weighted([(part.mean, part.requests) for part in found])
    slow = _weighted([(part.slow, part.slow_requests) for part in found])
    order = _in_order((*mean, *slow))
    slowest = sorted((request for part in found for request in part.slowest), key=lambda request: -request.response)
    return Breakdown(
        requests=sum(part.requests for part in found),
        mean={name: mean[name] for name in order if name in mean},
        slow={name: slow[name] for name in order if name in slow},
        slow_requests=sum(part.slow_requests for part in found),
        slowest=tuple(slowest[:SLOWEST]),
    )


def _weighted(parts: Sequence[tuple[Mapping[str, float], int]]) -> dict[str, float]:
    """Means over all requests, from means over some of them and their number."""
    whole = sum(number for _, number in parts)
    totals: dict[str, float] = {}
    for means, number in parts:
        for name, seconds in means.items():
            totals[name] = totals.get(name, 0.0) + seconds * number / whole
    return totals


def _means(divided: Sequence[Mapping[str, int]]) -> dict[str, float]:
    totals: dict[str, int] = {}
    for parts in divided:
        for name, spent in parts.items():
            totals[name] = totals.get(name, 0) + spent
    return {name: total / len(divided) / 1e9 for name, total in totals.items()}


def _in_order(names: Iterable[str]) -> list[str]:
    """The late start first, time outside all parts last, the others in the order of ``names``."""
    found = dict.fromkeys(names)
    named = [name for name in found if name not in {LATE, *LAST}]
    return [name for name in (LATE, *named, *LAST) if name in found]


def _slow(request: Traced, parts: Mapping[str, int], traces: Traces, origin: int) -> SlowRequest:
    assert request.trace is not None, "the slowest keep their notes"
    trace = request.trace
    return SlowRequest(
        at=(request.intended - origin) / 1e9,
        time=traces.time_of_day(request.intended).time().isoformat("milliseconds"),
        response=request.response / 1e9,
        outcome=request.outcome,
        label=trace.label,
        main=max(parts, key=lambda name: parts[name], default=OTHER),
        parts={name: parts[name] / 1e9 for name in _in_order(parts)},
        attempts=trace.attempts or None,
        new_connection=trace.new_connection,
        request_ids=tuple(trace.request_ids),
    )
