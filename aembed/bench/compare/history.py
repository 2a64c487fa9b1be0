"""Results over months: one line of JSON for each report, only ever added to, and where a figure changed its level."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from aembed.bench.compare.changes import Finding
from aembed.bench.compare.metrics import Metric, canary, figures_of
from aembed.bench.model.result import SCHEMA, Parameter, Report
from aembed.bench.stats.change_points import ChangePoint, change_points

MIN_EFFECT = 0.03
"""Relative changes of level that are reported."""
SHORT_REVISION = 7
"""Characters of a revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """The stored part of a report."""

    schema: int = SCHEMA
    started: str
    revision: str | None
    dirty: bool | None
    machine: str
    python: str
    loop: str
    mode: str
    name: str
    parameters: Mapping[str, Parameter]
    canary: float
    figures: tuple[Metric, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One value of a figure. Times are those of a machine on which the canary takes its median."""

    started: str
    revision: str | None
    dirty: bool = False
    """With changes that are not committed."""
    value: float
    """Median of the results of one revision; a result with uncommitted changes is a separate point."""

    @property
    def name(self) -> str:
        """Such as "3f2a91c" or "3f2a91c with changes"."""
        return (self.revision[:SHORT_REVISION] if self.revision else "no revision") + (
            " with changes" if self.dirty else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One figure of one benchmark on one kind of machine, and where its level changed."""

    name: str
    parameters: Mapping[str, Parameter]
    mode: str
    metric: str
    unit: str
    machine: str
    more_is_better: bool
    points: tuple[TrendPoint, ...]
    changes: tuple[ChangePoint, ...]
    is_exact: bool = False
    """Counts, which do not scatter: every difference is a change."""

    def finding(self, change: ChangePoint) -> Finding:
        """The finding on ``change``: for the worse or not."""
        return "regressed" if (change.change > 0) != self.more_is_better else "improved"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Contents of a file. ``skipped`` are the numbers of lines that could not be read, from 1."""

    entries: tuple[StoredReport, ...]
    skipped: tuple[int, ...] = ()


def append(path: Path | str, reports: Iterable[Report]) -> int:
    """Add the valid ones of ``reports`` to the file; gives their number. Earlier lines stay unchanged."""
    lines = [msgspec.json.encode(_entry(report)) for report in reports if figures_of(report)]
    if not lines:
        return 0
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        torn = file.tell() > 0 and _last_byte(path) != b"\n"  # the writer was interrupted
        file.write(b"\n" * torn + b"\n".join(lines) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return len(lines)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _entry(report: Report) -> StoredReport:
    where = report.environment
    return StoredReport(
        started=report.started,
        revision=where.revision,
        dirty=where.dirty,
        machine=where.machine,
        python=where.python,
        loop=where.loop,
        mode=report.mode,
        name=report.name,
        parameters=report.parameters,
        canary=canary(report),
        figures=figures_of(report),
    )


def read(path: Path | str) -> History:
    """All entries of this schema; lines that are torn or of another one are skipped, and counted."""
    entries: list[StoredReport] = []
    skipped: list[int] = []
    for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
        try:
            entry = msgspec.json.decode(line, type=StoredReport)
        except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: no UTF-8, or a number of 5,000 digits
            skipped.append(number)
            continue
        if entry.schema == SCHEMA:
            entries.append(entry)
        else:
            skipped.append(number)
    return History(entries=tuple(entries), skipped=tuple(skipped))


def trends(entries: Sequence[StoredReport], *, min_effect: float = MIN_EFFECT) -> tuple[Trend, ...]:
    """The figures of ``entries`` over time, each kind of machine for itself, in the order they were first seen."""
    series: dict[tuple[str, ...], list[tuple[StoredReport, Metric]]] = {}
    for entry in sorted(entries, key=lambda entry: entry.started):
        given = repr(sorted(entry.parameters.items()))
        for figure in entry.figures:
            key = (entry.machine, entry.python, entry.loop, entry.mode, entry.name, given, figure.metric)
            if figure.value is not None:
                series.setdefault(key, []).append((entry, figure))
    return tuple(_trend(rows, min_effect) for rows in series.values())


def _trend(rows: Sequence[tuple[StoredReport, Metric]], min_effect: float) -> Trend:
    entry, figure = rows[-1]
    values = np.array([figure.value.value for _, figure in rows if figure.value is not None])
    if figure.nature == "computing":
        canaries = np.array([entry.canary for entry, _ in rows])
        values = values / canaries * np.median(canaries)
    exact = figure.nature == "count"
    points = _points([entry for entry, _ in rows], values.tolist(), apart=exact)
    values = np.array([point.value for point in points])
    return Trend(
        name=entry.name,
        parameters=entry.parameters,
        mode=entry.mode,
        metric=figure.metric,
        unit=figure.unit,
        machine=entry.machine,
        more_is_better=figure.more_is_better,
        points=points,
        is_exact=exact,
        changes=_steps(values.tolist()) if exact else change_points(np.maximum(values, 1e-12), min_effect=min_effect),
    )


def _points(entries: Sequence[StoredReport], values: Sequence[float], *, apart: bool) -> tuple[TrendPoint, ...]:
    """One for each revision, in the order in which they were first measured; ``apart``: one for each entry."""
    groups: dict[object, list[tuple[StoredReport, float]]] = {}
    for number, (entry, value) in enumerate(zip(entries, values, strict=True)):
        alone = apart or entry.dirty or entry.revision is None
        groups.setdefault(number if alone else entry.revision, []).append((entry, value))
    return tuple(
        TrendPoint(
            started=group[0][0].started,
            revision=group[0][0].revision,
            dirty=bool(group[0][0].dirty),
            value=float(np.median([value for _, value in group])),
        )
        for group in groups.values()
    )


def _steps(counts: Sequence[float]) -> tuple[ChangePoint, ...]:
    """Counts do not scatter: every difference is a change."""
    return tuple(
        ChangePoint(index=i, before=a, after=b, change=b / a - 1 if a else 1.0)
        for i, (a, b) in enumerate(itertools.pairwise(counts), 1)
        if a != b
    )
