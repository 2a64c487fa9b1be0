"""Reports of runs that were read back from a file: of reports, rows or histograms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aembed import InputError
from aembed.bench.load.binned_times import BinnedTimes
from aembed.bench.load.summary import Tally, distribution, most_in_flight, traffic, windows
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import UNKNOWN, Report, Verdict, reports_from_json
from aembed.bench.rows.columns import Ints, RunRows
from aembed.bench.rows.hlog import PARTS, HistogramLog, Interval, read_hlog
from aembed.bench.rows.table import is_table, read_rows
from aembed.bench.stats.sample import QUANTILES

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
"""Seconds in a unit of the values in a histogram log."""
FEWEST_INTERVALS = 6
"""Intervals of a log whose percentiles have an interval of confidence: fewer do not show how they differ."""
INVALID = Verdict(state="invalid", reasons=("the run was INVALID when it was measured",))
ROUNDED = "from the report's histogram, so that these percentiles are up to 12 % off; their intervals allow for that"


def read_reports(path: Path | str, *, percentiles: Sequence[float] = (), unit: str = "ns") -> tuple[Report, ...]:
    """The reports of a file: reports (.json), rows (.csv, .parquet), or HdrHistogram logs (.hlog) of any program.

    ``percentiles`` are computed besides the usual ones, as shares such as 0.75: exactly from rows, within the bins of a
    histogram otherwise. ``unit`` is that of the values in a log: "ns", "us" or "ms". Raises InputError.
    """
    path = Path(path)
    for q in percentiles:
        if not 0 < q < 1:
            raise InputError(f"percentile {q!r} is not a share between 0 and 1, such as 0.75")
    if is_table(path):
        return tuple(report_of_rows(run, percentiles, path.name) for run in read_rows(path))
    if path.suffix == ".hlog":
        return tuple(_reports_of_log(read_hlog(path), percentiles, unit, path.name))
    try:
        reports = reports_from_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    return tuple(_with_percentiles(report, percentiles) for report in reports) if percentiles else reports


def report_of_rows(run: RunRows, percentiles: Sequence[float] = (), source: str = "rows") -> Report:
    """The figures that rows give; the machine, and whether it kept up, are not in them."""
    rows, qs = run.rows, _sorted(percentiles)
    last = float(rows.intended.max(initial=0)) / 1e9
    seconds = last * len(rows) / max(1, len(rows) - 1) or 1.0  # n requests have n - 1 gaps between them
    return Report(
        mode="recorded",
        name=run.name,
        parameters={},
        started=_date(run.started),
        seconds=seconds,
        verdict=Verdict() if run.valid else INVALID,
        environment=UNKNOWN,
        notes=(f"read from {source}",),
        traffic=traffic(
            Tally.of(rows), seconds=seconds, peak_in_flight=most_in_flight(rows), peak_backlog=0, failures=()
        ),
        response=distribution(rows.response, qs),
        service=distribution(rows.service, qs),
        lag=distribution(rows.lag, qs),
        windows=windows(rows, seconds=seconds, width=1.0),
    )


def _reports_of_log(log: HistogramLog, percentiles: Sequence[float], unit: str, source: str) -> Iterator[Report]:
    """A report of each run in the log: of each tag, in a log of another program."""
    if unit not in UNITS:
        raise InputError(f"unit={unit!r} must be one of {', '.join(UNITS)}")
    runs: dict[str, dict[str, list[Interval]]] = {}
    for tag, intervals in log.intervals.items():
        name, _, part = tag.rpartition(":")
        if part not in PARTS:
            name, part = tag, "response"
        runs.setdefault(name, {})[part] = intervals
    qs = _sorted(percentiles)
    for name, parts in runs.items():
        failed = parts.get("failed", [])
        found = {
            part: _times(parts[part], [] if part == "lag" else failed, unit, qs) for part in parts if part != "failed"
        }
        spans = [*failed, *(interval for intervals in parts.values() for interval in intervals)]
        yield Report(
            mode="recorded",
            name=name or "requests",
            parameters={},
            started=_date(log.started),
            seconds=max(i.start + i.seconds for i in spans) - min(i.start for i in spans),
            verdict=INVALID if name in log.invalid else Verdict(),
            environment=UNKNOWN,
            notes=(f"read from {source}, in {unit}; a time is as exact as the log's bins",),
            response=found.get("response"),
            service=found.get("service"),
            lag=found.get("lag"),
        )


def _times(good: Sequence[Interval], failed: Sequence[Interval], unit: str, qs: Sequence[float]) -> Distribution:
    """All intervals together. Failed requests count in the interval that starts at the same time."""
    starts = sorted({interval.start for interval in (*good, *failed)})
    values = np.unique(np.concatenate([interval.histogram.middles() for interval in good] or [np.empty(0, np.int64)]))
    counts = np.zeros((len(starts), len(values) + 1), dtype=np.int64)
    for interval in good:
        bins = np.searchsorted(values, interval.histogram.middles())
        np.add.at(counts[starts.index(interval.start)], bins, interval.histogram.counts)
    for interval in failed:
        counts[starts.index(interval.start), -1] += _total(interval.histogram.counts)
    middles = values.astype(np.float64) * UNITS[unit]
    total = float(np.dot(counts[:, :-1].sum(axis=0), middles))
    longest = float(middles[-1]) if len(middles) else 0.0
    found = BinnedTimes(counts, middles, total, longest).distribution(qs)
    return found if len(starts) >= FEWEST_INTERVALS else _without_intervals(found)


def _total(counts: Ints) -> int:
    return int(counts.sum())


def _without_intervals(found: Distribution) -> Distribution:
    percentiles = tuple(replace(percentile, low=None, high=None) for percentile in found.percentiles)
    return replace(found, percentiles=percentiles, independent=None)


def _with_percentiles(report: Report, percentiles: Sequence[float]) -> Report:
    """The report, with more percentiles where it has times. Raises InputError where it has none."""
    parts = {part: found for part in ("response", "service", "lag") if (found := getattr(report, part)) is not None}
    if not parts:
        raise InputError(f"{report.mode} {report.name} has no response times: no percentile of them can be given")
    more = {
        part: replace(found, percentiles=tuple(found.at(q) for q in _sorted(percentiles, found)))
        for part, found in parts.items()
    }
    exact = {percentile.q for found in parts.values() for percentile in found.percentiles}
    rounded = ", ".join(f"p{100 * q:g}" for q in percentiles if q not in exact)
    return replace(report, notes=(*report.notes, *((f"{rounded}: {ROUNDED}",) if rounded else ())), **more)


def _sorted(percentiles: Sequence[float], found: Distribution | None = None) -> list[float]:
    usual = QUANTILES if found is None else [percentile.q for percentile in found.percentiles]
    return sorted({*usual, *percentiles})


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else "unknown"
