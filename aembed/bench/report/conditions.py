"""Stalls of the loop and the machine as tables. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from aembed.bench import units
from aembed.bench.model.result import Noise, Report
from aembed.bench.model.under_load import ProcessShare, Stall
from aembed.bench.report.tables import Table, TableRow, table

CALLED_BY = ", called by "
QUIET, NOISY = 0.01, 0.1
"""Shares of the time that other programs took: below the first a machine is quiet, above the second too noisy."""


def stalls(found: Sequence[Stall]) -> Table:
    causes = {
        "cpu": "your code burnt CPU",
        "blocked": "your code blocked",
        "descheduled": "the machine took the CPU away",
        "unknown": "unknown",
    }
    longest = sorted(found, key=lambda stall: -stall.seconds)[:10]
    rows = [
        (units.seconds(s.at), units.seconds(s.seconds), causes[s.cause], _where(s.line))
        for s in sorted(longest, key=lambda stall: stall.at)
    ]
    more = len(found) - len(longest)
    return table(
        "Stalls of the loop",
        ("at", "for", "cause", "where"),
        *rows,
        note=f"the longest of {len(found)}" if more else "",
    )


def _where(line: str | None) -> str:
    """The place in code, from its package or the working directory on."""
    if line is None:
        return ""
    places = (re.sub(r"^.*site-packages/", "", place) for place in line.split(CALLED_BY))
    return CALLED_BY.join(place.removeprefix(f"{Path.cwd()}/") for place in places)


def processes(found: Sequence[ProcessShare]) -> Table:
    """A line for each process that offered a part of the load."""
    rows = [
        (
            str(number),
            units.count(share.offered),
            units.optional(share.lag_p99, units.seconds, "not known"),
            units.optional(share.cpu, units.share, "not known"),
            "yes" if share.valid else "INVALID",
        )
        for number, share in enumerate(found, 1)
    ]
    columns = ("process", "requests", "p99 of the lag", "CPU of its loop", "valid")
    return table("Processes", columns, *rows, note="merged row by row; one that is INVALID voids the run")


def environment(report: Report) -> Table:
    e, p = report.environment, report.pacing
    revision = "no revision" if e.revision is None else e.revision + (" with changes" if e.dirty else "")
    rows: list[TableRow] = [
        ("measured", f"{report.started}, in {units.seconds(report.seconds)}"),
        ("machine", f"{e.cores} x {e.cpu}, {e.system}"),
        ("Python", f"{e.python} on {e.loop}"),
        ("code", f"{revision}; " + ", ".join(f"{name} {version}" for name, version in e.packages.items())),
    ]
    if p is not None:
        seed = "" if p.seed is None else f", seed {p.seed}"
        by = "" if p.pacer == "none" else f", by {p.pacer}"
        number = len(report.processes)
        shared = f", in {number} processes" if number else ", in one process"
        rows.append(("schedule", f"{p.arrivals}{seed}{by}{shared}" + (f" ({p.fallback})" if p.fallback else "")))
    if report.frozen is not None:
        told = f"not of the {report.frozen:,} objects that were there before the subject was opened"
        rows.append(("garbage collections", told))
    rows += [
        (f"noise {when}", _noise(noise))
        for when, noise in (("before", report.before), ("after", report.after))
        if noise is not None
    ]
    return table("Where and how", ("", "value"), *rows)


def _noise(noise: Noise) -> str:
    load = units.optional(noise.load, units.digits)
    word = "quiet" if noise.lost < QUIET else "noisy" if noise.lost < NOISY else "too noisy"
    return (
        f"{word}: load {load}, {units.share(noise.lost)} of the time lost, "
        f"longest gap {units.seconds(noise.longest_gap)}, "
        f"canary {units.seconds(noise.canary)}"
    )
