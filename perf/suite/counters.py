"""Exact costs, kept in git: they may only change on purpose."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from aembed import bench
from aembed.bench import Report
from aembed.bench.report import headlines
from aembed.bench.result import Verdict

BASELINES = Path(__file__).parent.parent / "baselines"
COUNTED = ("tasks", "callbacks", "timers", "threads", "calls")
"""Allocations are shown too, but depend on how Python and numpy were built."""
Counts = dict[str, dict[str, float]]


def place() -> Path:
    """Each version of Python counts in its own way."""
    return BASELINES / f"counters-{sys.version_info.major}.{sys.version_info.minor}.json"


async def count(scenarios: Iterable[bench.Scenario]) -> list[Report]:
    """A report for each case."""
    return [await bench.cost(case) for scenario in scenarios for case in scenario.cases()]


def keep(reports: Sequence[Report], path: Path) -> None:
    """Make these the ones to be equal to."""
    counts = {headlines.title(report): _counts(report) for report in reports}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


def judged(reports: Sequence[Report], path: Path) -> list[Report]:
    """More of anything is a regression. Less is news too: then the kept counts are to be renewed."""
    if not path.exists():
        note = f"not gated: no counts are kept for this version of Python ({path.name})"
        return [replace(report, notes=(*report.notes, note)) for report in reports]
    kept: Counts = json.loads(path.read_text(encoding="utf-8"))
    return [_judged(report, kept.get(headlines.title(report))) for report in reports]


def _judged(report: Report, kept: dict[str, float] | None) -> Report:
    if report.cost is None:
        return report
    if not report.cost.exact:
        return replace(report, verdict=Verdict(state="inconclusive", reasons=("it differs from pass to pass",)))
    if kept is None:
        return replace(report, verdict=Verdict(state="regressed", reasons=("no counts are kept for it: --keep",)))
    now = _counts(report)
    changed = [f"{name} {kept[name]:g} -> {now[name]:g}" for name in COUNTED if now[name] != kept[name]]
    if not changed:
        return report
    reason = f"{', '.join(changed)} per operation; if that is meant, keep it: nox -s perf_gate -- --keep"
    return replace(report, verdict=Verdict(state="regressed", reasons=(reason,)))


def _counts(report: Report) -> dict[str, float]:
    assert report.cost is not None
    counted = asdict(report.cost)
    return {name: counted[name] for name in COUNTED}
