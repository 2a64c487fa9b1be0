"""``python -m perf.suite.gate``: what holds on any machine. Exact counts, ratios, complexity and leaks; no times.

Exit codes: 0 as kept, 1 a count has changed or a budget is exceeded, 3 it could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from functools import partial
from pathlib import Path

import aiometer
from rich.console import Console

from aembed import bench
from aembed.bench.report import github_annotations, headlines, junit, show, step_summary
from perf.suite import budgets, catalogue, counters, memory

OPERATIONS = 10
"""That are counted of each: all cost the same."""
SEARCHED = (
    *memory.memory_of_documents.cases(),
    memory.repetitions.case(on="mock"),
    memory.lifetimes.case(on="mock"),
    memory.buffer_reused.case(),
)


async def measure(operations: int, *, counts_only: bool) -> list[bench.Report]:
    """Several at once: nothing here depends on how long it takes."""
    searches = [partial(bench.memory, case, operations=operations, seconds=3.0) for case in SEARCHED]
    counts = [partial(bench.cost, case, operations=OPERATIONS) for case in counters.cases(catalogue.COUNTED)]
    return await aiometer.run_all(counts if counts_only else [*counts, *searches], max_at_once=os.cpu_count() or 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="perf.suite.gate", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="make today's counts the ones to be equal to")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    parser.add_argument("--operations", type=int, default=4000, help="in each search for a leak")
    options = parser.parse_args()
    reports = asyncio.run(measure(options.operations, counts_only=options.keep))
    if options.keep:
        counters.keep([report for report in reports if report.cost], counters.place())
    limits = budgets.Budgets(ratio=budgets.read().ratio)
    reports = budgets.judged(counters.judged(reports, counters.place()), limits)
    bad = [report for report in reports if report.verdict.state != "ok"]
    show(Console(), bad)
    print(f"{len(reports)} measured, {len(bad)} of them not as they should be")
    unsaid = counters.not_gated(reports)
    for reason in unsaid:
        print(f"NOT GATED: {reason}; the counts say nothing about this change")
    if options.junit is not None:
        options.junit.write_bytes(junit(reports))
    if os.environ.get("GITHUB_ACTIONS"):
        print(github_annotations(reports), end="")
        for reason in unsaid:
            print(f"::warning title=perf_gate::not gated: {reason}")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(step_summary(bad) or f"{unsaid or 'All exact counts are as kept.'}\n")
    for report in bad:
        print(f"{headlines.title(report)}: {'; '.join(headlines.reasons(report))}")
    return max((report.verdict.exit_code for report in reports), default=0)


if __name__ == "__main__":
    raise SystemExit(main())
