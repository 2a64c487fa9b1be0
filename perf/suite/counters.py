"""Exact costs, kept in git: they may only change on purpose.

A count holds for one version of Python and of the packages whose functions are counted too. Where others are
installed nothing is gated, and that is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from aembed import bench
from aembed.bench import Report
from aembed.bench.model.result import Verdict
from aembed.bench.report import headlines

BASELINES = Path(__file__).parent.parent / "baselines"
COUNTED = ("tasks", "callbacks", "timers", "threads", "calls", "allocations")
PACKAGES = ("aiometer", "anyio", "numpy", "pydantic", "xxhash")
WHOLE = 0.9
"""Allocations per operation that are news: tables that grow now and then, and hash at random in pydantic's Rust, give
fractions; what a change adds comes with every operation."""
NOT_GATED = "not gated: "


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counted cost of one operation; allocations only where two counts agree."""

    tasks: float
    callbacks: float
    timers: float
    threads: float
    calls: float
    allocations: float | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of counts."""

    packages: dict[str, str]
    python: str
    """With its last number: the functions counted are the same in all of 3.11, the allocations are not."""
    system: str
    counts: dict[str, Counts]


def place() -> Path:
    """Each version of Python counts in its own way."""
    return BASELINES / f"counters-{sys.version_info.major}.{sys.version_info.minor}.json"


def cases(scenarios: Iterable[bench.Scenario]) -> list[bench.Case]:
    return [case for scenario in scenarios for case in scenario.cases()]


def keep(reports: Sequence[Report], path: Path) -> None:
    """Make these the ones to be equal to. Raises SystemExit if one of them is not exact."""
    if loose := [headlines.title(report) for report in reports if report.cost is None or not report.cost.exact]:
        raise SystemExit(f"not kept, for these differ from pass to pass: {', '.join(loose)}")
    counts = {headlines.title(report): _counts(report) for report in reports}
    kept = Kept(packages=_packages(), python=sys.version.split()[0], system=sys.platform, counts=counts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")


def judged(reports: Sequence[Report], path: Path) -> list[Report]:
    """More of anything is a regression. Less is news too: then the kept counts are to be renewed."""
    if not path.exists():
        return [
            _not_gated(report, f"no counts are kept for this version of Python ({path.name})") for report in reports
        ]
    kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    return [_judged(report, kept) for report in reports]


def not_gated(reports: Sequence[Report]) -> list[str]:
    """The reasons, each once."""
    notes = (note.removeprefix(NOT_GATED) for report in reports for note in report.notes if note.startswith(NOT_GATED))
    return list(dict.fromkeys(notes))


def _judged(report: Report, kept: Kept) -> Report:
    if report.cost is None:
        return report
    if not report.cost.exact:
        return replace(report, verdict=Verdict(state="inconclusive", reasons=("it differs from pass to pass",)))
    if others := [
        f"{name} {old} -> {_packages()[name]}" for name, old in kept.packages.items() if _packages()[name] != old
    ]:
        return _not_gated(report, f"counted with other packages ({', '.join(others)})")
    before = kept.counts.get(headlines.title(report))
    if before is None:
        return replace(report, verdict=Verdict(state="regressed", reasons=("no counts are kept for it: --keep",)))
    changed = _changed(
        before, _counts(report), same_build=(sys.version.split()[0], sys.platform) == (kept.python, kept.system)
    )
    if not changed:
        return report
    reason = f"{', '.join(changed)} per operation; if that is meant, keep it: nox -s perf_gate -- --keep"
    return replace(report, verdict=Verdict(state="regressed", reasons=(reason,)))


def _changed(before: Counts, now: Counts, *, same_build: bool) -> list[str]:
    found = []
    for name in COUNTED:
        old, new = getattr(before, name), getattr(now, name)
        if old == new or (name == "allocations" and not (same_build and old and new and abs(new - old) > WHOLE)):
            continue
        found.append(f"{name} {old:g} -> {new:g}")
    return found


def _not_gated(report: Report, reason: str) -> Report:
    return replace(report, notes=(*report.notes, NOT_GATED + reason)) if report.cost else report


@cache
def _packages() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _counts(report: Report) -> Counts:
    assert report.cost is not None
    counted = asdict(report.cost)
    return Counts(**{name: counted[name] for name in COUNTED})
