"""``python -m perf.quota``: every scenario, aembed and its rivals. ``--quick`` for two seeds."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from perf.quota import admission, report
from perf.quota.rivals import CLIENTS
from perf.quota.run import run, unloaded
from perf.quota.scenarios import HELD_OUT, TUNED, Scenario

PARTS = {"tuned": (TUNED, 0), "held-out": (HELD_OUT, 1000)}
"""Scenarios, and the first of their seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.quota", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each scenario (default: 10)")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="comma-separated (default: all)")
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--part", choices=PARTS, help="one of the two tables (default: both)")
    parser.add_argument("--output", type=Path, help="JSON file (default: perf/results/quota.json, for complete parts)")
    options = parser.parse_args()
    seeds = 2 if options.quick else options.seeds
    rows: list[report.Row] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for title, (scenarios, first) in PARTS.items():
            if options.part not in (None, title):
                continue
            chosen = [scenario for scenario in scenarios if options.only in scenario.name]
            if chosen:
                print(f"\n{title}, seeds {first} to {first + seeds - 1}\n{report.HEADER}", flush=True)
            for scenario in chosen:
                rows += _compare(pool, scenario, options.clients.split(","), range(first, first + seeds), first > 0)
    if options.output or not (options.only or options.quick):
        report.write(rows, options.output or report.RESULTS)
    if not options.only:
        print()
        admission.main()


def _compare(
    pool: ProcessPoolExecutor, scenario: Scenario, clients: Iterable[str], seeds: range, held_out: bool
) -> list[report.Row]:
    alone = [wait for waits in pool.map(partial(unloaded, scenario), seeds) for wait in waits]
    rows = []
    for client in clients:
        outcomes = list(pool.map(partial(run, scenario, client), seeds))
        rows.append(report.summarise(scenario, client, outcomes, alone, held_out=held_out))
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
