"""``python -m perf.suite.gate``: what holds on any machine. Exact counts, ratios, complexity and leaks; no times.

Exit codes: 0 as kept, 1 a count has changed or a budget is exceeded, 3 it could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from rich.console import Console

from aembed import bench
from aembed.bench.report import github_annotations, headlines, junit, show, step_summary
from perf.suite import budgets, catalogue, counters, memory


async def measure(operations: int) -> list[bench.Report]:
    reports = await counters.count(catalogue.COUNTED)
    for scenario in (memory.memory_of_documents, memory.repetitions):
        for case in scenario.cases():
            reports.append(await bench.memory(case, operations=operations, seconds=20))
    return reports


def main() -> int:
    parser = argparse.ArgumentParser(prog="perf.suite.gate", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="make today's counts the ones to be equal to")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    parser.add_argument("--operations", type=int, default=4000, help="in each search for a leak")
    options = parser.parse_args()
    reports = asyncio.run(measure(options.operations))
    if options.keep:
        counters.keep([report for report in reports if report.cost], counters.place())
    limits = budgets.Budgets(ratio=budgets.read().ratio)
    reports = budgets.judged(counters.judged(reports, counters.place()), limits)
    bad = [report for report in reports if report.verdict.state != "ok"]
    show(Console(), bad)
    Console().print(f"{len(reports)} measured, {len(bad)} of them not as they should be")
    if options.junit is not None:
        options.junit.write_bytes(junit(reports))
    if os.environ.get("GITHUB_ACTIONS"):
        print(github_annotations(reports), end="")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(step_summary(bad) or "All exact counts are as kept.\n")
    for report in bad:
        print(f"{headlines.title(report)}: {'; '.join(headlines.reasons(report))}")
    return max((report.verdict.exit_code for report in reports), default=0)


if __name__ == "__main__":
    raise SystemExit(main())
