"""``python -m perf.suite``: measure everything, judge it, and write it down.

Exit codes: 0 fine, 1 over budget or regressed, 2 usage, 3 something could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aembed import bench
from aembed.bench import Comparison, Report, reports_from_json, reports_to_json
from aembed.bench.compare import history
from aembed.bench.report import github_annotations, headlines, html, junit, show, step_summary
from perf.suite import budgets, catalogue, reference
from perf.suite.measurement import FULL, QUICK, Measurement, Pace

PERF = Path(__file__).parent.parent
RESULTS, HISTORY = PERF / "results", PERF / "history" / "results.jsonl"
BASELINES = RESULTS / "baselines"
"""Not in git: times of one machine say nothing on another. Counts are, in ``perf/baselines``."""


def chosen(only: list[str], *, quick: bool) -> list[Measurement]:
    """Those of the groups named, or all."""
    everything = list(catalogue.measurements(ends=quick))
    groups = {measurement.group for measurement in everything}
    if unknown := set(only) - groups:
        raise SystemExit(f"perf: there is no group {sorted(unknown)}; the groups are {', '.join(sorted(groups))}")
    return [measurement for measurement in everything if not only or measurement.group in only]


async def measure(measurements: list[Measurement], pace: Pace) -> list[Report]:
    """In turn, twice where the machine disturbed a run; after Ctrl-C, the results until then."""
    reports: list[Report] = []
    for number, measurement in enumerate(measurements, 1):
        print(f"{number} of {len(measurements)}: {measurement.group}, {measurement.name}", file=sys.stderr)
        try:
            report = await measurement.measure(pace)
            if report.verdict.state == "invalid":
                print(f"once more, for {'; '.join(report.verdict.reasons)}", file=sys.stderr)
                report = await measurement.measure(pace)
            reports.append(report)
            gc.collect()
            gc.freeze()  # a collection in the middle of the next measurement need not look through these reports
        except asyncio.CancelledError:
            print("interrupted: what follows was measured until then", file=sys.stderr)
            break
    return reports


def compared(reports: list[Report]) -> Comparison | None:
    """With the baseline kept on this machine."""
    path = baseline(reports)
    if not path.exists():
        print(f"there is no baseline for this machine: make one with --keep ({path})", file=sys.stderr)
        return None
    return bench.compare(reports_from_json(path.read_bytes()), reports, names=("baseline", "now"))


def baseline(reports: list[Report]) -> Path:
    return BASELINES / f"{reports[0].environment.machine}.json"


def slim(report: Report) -> Report:
    """Without the rows behind its figures, which no comparison needs."""
    micro = report.micro and replace(report.micro, samples=(), cpu_samples=())
    return replace(report, micro=micro, windows=(), lag=None)


def _overview(console: Console, reports: list[Report]) -> None:
    """One line per report; details are in the HTML page."""
    overview = headlines.overview(reports)
    made = Table(*overview.columns)
    for row in overview.rows:
        made.add_row(*(Text(cell) for cell in row))
    console.print(made)


def publish(reports: list[Report], comparison: Comparison | None) -> None:
    """Write the reports for people, programs and CI."""
    console = Console(width=max(120, Console().width))
    _overview(console, reports)
    if (found := reference.table(reports)) is not None:
        console.print(found)
    if comparison is not None:
        show(console, (), comparison)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "suite.json").write_bytes(reports_to_json(reports))
    (RESULTS / "suite.html").write_text(html(reports, comparison=comparison), encoding="utf-8")
    (RESULTS / "suite.xml").write_bytes(junit(reports, comparison))
    if os.environ.get("GITHUB_ACTIONS"):
        print(github_annotations(reports, comparison), end="")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(step_summary(reports, comparison))
    print(f"written: {RESULTS / 'suite.json'}, suite.html and suite.xml beside it")


def main() -> int:
    parser = argparse.ArgumentParser(prog="perf", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="the first and last case of each, with one process and no intervals"
    )
    parser.add_argument("--only", action="append", default=[], metavar="GROUP")
    parser.add_argument(
        "--loop", choices=("uvloop", "asyncio"), default="uvloop" if sys.platform != "win32" else "asyncio"
    )
    parser.add_argument("--compare", action="store_true", help="with the baseline kept on this machine")
    parser.add_argument("--keep", action="store_true", help="make these results the baseline of this machine")
    parser.add_argument("--record", action="store_true", help="add them to perf/history")
    options = parser.parse_args()
    measurements = chosen(options.only, quick=options.quick)
    factory: Callable[[], Any] | None = None
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        reports = runner.run(measure(measurements, QUICK if options.quick else FULL))
    reports = budgets.judged(reports, budgets.read())
    comparison = compared(reports) if options.compare else None
    publish(reports, comparison)
    if options.keep:
        BASELINES.mkdir(parents=True, exist_ok=True)
        baseline(reports).write_bytes(reports_to_json(list(map(slim, reports))))
    if options.record:
        history.append(HISTORY, reports)
    for report in reports:
        if report.verdict.state != "ok":
            print(f"{headlines.verdict(report)}: {headlines.title(report)}: {'; '.join(headlines.reasons(report))}")
    codes = [report.verdict.exit_code for report in reports] + ([comparison.exit_code] if comparison else [])
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
