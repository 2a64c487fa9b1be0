"""HdrHistogram logs, format 1.3: one histogram for each second and tag, in nanoseconds.

The tags are "response", "service" and "lag"; of several runs, each with the name of its run in front: "NAME:response".
A request belongs to the second that it was intended for. Requests without a good answer have no time that could be
counted among those of the others: the tag "failed" has the time until their failure, and percentiles
have to count them as slower than all others, as ``aembed bench report`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aembed import InputError
from aembed.bench.rows.columns import NEVER, OK, Ints, RunRows
from aembed.bench.rows.hdr import HdrHistogram

SECOND = 1_000_000_000
"""Nanoseconds."""
MILLISECOND = 1_000_000
"""The third column of a log has the longest time in milliseconds, by convention, for the eyes of a reader."""
PARTS = ("response", "service", "lag", "failed")
LINE = re.compile(r"(?:Tag=(?P<tag>[^,]*),)?(?P<start>[\d.]+),(?P<seconds>[\d.]+),[\d.]*,(?P<histogram>\S+)")
START = re.compile(r"#\[StartTime: *([\d.]+) ")
INVALID = "#[aembed: INVALID run: "
LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


@dataclass(frozen=True, slots=True)
class Interval:
    """One histogram of a log."""

    start: float
    """Seconds since 1970 (UTC), or since the start of the log, as the log has it."""
    seconds: float
    histogram: HdrHistogram


@dataclass(frozen=True, slots=True)
class HistogramLog:
    """The intervals of a log by tag, in the order of the file; "" where there is no tag."""

    intervals: dict[str, list[Interval]]
    started: float
    """Seconds since 1970 (UTC); 0 if the log does not say."""
    invalid: tuple[str, ...] = ()
    """Names of runs that aembed marked as INVALID."""


def write_hlog(path: Path, runs: Sequence[RunRows]) -> None:
    """One log with all runs, in the order of time."""
    lines = sorted((line for run in runs for line in _intervals(run, several=len(runs) > 1)), key=lambda line: line[0])
    started = min((run.started for run in runs), default=0.0)
    date = datetime.fromtimestamp(started, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    head = [
        "#[Logged by aembed bench, in nanoseconds; tag failed: requests without a good answer, slower than all others]",
        *(f"{INVALID}{_tag(run.name)}]" for run in runs if not run.valid),
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {started:.3f} (seconds since epoch), {date}]",
        LEGEND,
    ]
    path.write_text("\n".join([*head, *(text for _, text in lines)]) + "\n", encoding="utf-8")


def read_hlog(path: Path | str) -> HistogramLog:
    """A log that aembed or any other program wrote. Raises InputError for anything else."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a histogram log: it is not text") from None
    found: dict[str, list[Interval]] = {}
    started, invalid = 0.0, []
    for number, line in enumerate(lines, 1):
        if match := START.match(line):
            started = float(match[1])
        elif line.startswith(INVALID):
            invalid.append(line[len(INVALID) : -1])
        elif match := LINE.fullmatch(line.strip()):
            try:
                histogram = HdrHistogram.decoded(match["histogram"])
                interval = Interval(float(match["start"]), float(match["seconds"]), histogram)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: {error}") from None
            found.setdefault(match["tag"] or "", []).append(interval)
        elif line.strip() and line[0] not in '#"':
            raise InputError(f"{path} is not a histogram log: line {number} is neither an interval nor a comment")
    if not found:
        raise InputError(f"{path} has no interval: it is empty, or no histogram log")
    return HistogramLog(found, started, tuple(invalid))


def _intervals(run: RunRows, *, several: bool) -> Iterator[tuple[float, str]]:
    """When each interval starts, and its line."""
    rows, good = run.rows, run.rows.outcome == OK
    until = np.where(rows.done == NEVER, rows.done.max(initial=0), rows.done)
    times: dict[str, tuple[Ints, Ints]] = {
        "response": (rows.intended[good], rows.done[good] - rows.intended[good]),
        "service": (rows.intended[good], rows.done[good] - rows.started[good]),
        "lag": (rows.intended[rows.begun], rows.started[rows.begun] - rows.intended[rows.begun]),
        "failed": (rows.intended[~good], until[~good] - rows.intended[~good]),
    }
    for part in PARTS:
        intended, spans = times[part]
        tag = f"{_tag(run.name)}:{part}" if several else part
        second = intended // SECOND
        for begin in np.unique(second).tolist():
            histogram = HdrHistogram.of(np.maximum(spans[second == begin], 0))
            start = run.started + begin
            longest = histogram.highest() / MILLISECOND
            yield start, f"Tag={tag},{start:.3f},1.000,{longest:.3f},{histogram.encoded()}"


def _tag(name: str) -> str:
    """A name as a tag, which has no comma and no space."""
    return re.sub(r"[,\s\]]+", "_", name)
