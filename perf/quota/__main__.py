"""``python -m perf.quota``: every scenario, aembed and its rivals. ``--quick`` for two seeds.

``--random 300 --seed N`` draws servers at random instead, and ``--world SEED`` replays one of them;
``--generator plain`` draws them with a second, independent generator.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from perf.quota import admission, report
from perf.quota.rivals import CLIENTS
from perf.quota.run import Outcome, run, unloaded
from perf.quota.scenarios import HELD_OUT, TUNED, Scenario
from perf.quota.worlds import session

PARTS = {"tuned": (TUNED, 0), "held-out": (HELD_OUT, 1000)}
"""Scenarios, and the first of their seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.quota", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each scenario (default: 10)")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="comma-separated (default: all)")
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument("--jobs", type=int, help="processes (default: one for each core; one for servers drawn)")
    parser.add_argument("--part", choices=[*PARTS, "situations"], help="one table (default: all)")
    parser.add_argument("--random", type=int, metavar="COUNT", help="number of servers drawn at random, instead")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first of them (default: 0)")
    parser.add_argument("--world", type=int, metavar="SEED", help="the one server of this seed")
    parser.add_argument(
        "--generator", choices=[*session.GENERATORS], default="full", help="generator of these servers (default: full)"
    )
    parser.add_argument("--output", type=Path, help="JSON file (default: perf/results/quota.json, for complete parts)")
    options = parser.parse_args()
    clients = options.clients.split(",")
    if options.world is not None:
        session.one_world(options.generator, options.world, clients)
    elif options.random:
        session.random_worlds(options.generator, options.random, options.seed, options.jobs or 1, clients)
    else:
        if options.part != "situations":
            scenarios(options, clients)
        if options.part in {None, "situations"}:
            session.situations(options.only, options.jobs or 1, clients)


def scenarios(options: argparse.Namespace, clients: Sequence[str]) -> None:
    """Run the scenarios of :data:`PARTS`."""
    seeds = 2 if options.quick else options.seeds
    rows: list[report.Row] = []
    progress = Progress()
    with ProcessPoolExecutor(options.jobs or os.cpu_count()) as pool:
        parts = {
            title: [
                Work.begin(pool, scenario, clients, range(first, first + seeds), progress)
                for scenario in scenarios
                if options.only in scenario.name
            ]
            for title, (scenarios, first) in PARTS.items()
            if options.part in (None, title)
        }
        for title, works in parts.items():
            if works:
                first = PARTS[title][1]
                progress.clear()
                print(f"\n{title}, seeds {first} to {first + seeds - 1}\n{report.HEADER}", flush=True)
            for work in works:
                for row in work.rows(held_out=title != "tuned"):
                    progress.clear()
                    print(row, flush=True)
                    rows.append(row)
    print(f"\n{report.verdict(rows)}")
    if options.output or not (options.only or options.quick):
        report.write(rows, options.output or report.RESULTS)
    if not options.only:
        print()
        admission.main()


class Progress:
    """Count of finished runs on the error stream: in one line of a terminal, else a line for every tenth."""

    def __init__(self) -> None:
        self._all = self._ended = 0
        self._terminal = sys.stderr.isatty()

    def follow(self, future: Future[Outcome]) -> None:
        self._all += 1
        future.add_done_callback(self._end)

    def clear(self) -> None:
        """Make room for something else."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _end(self, _: Future[Outcome]) -> None:
        self._ended += 1
        text = f"{self._ended} of {self._all} runs"
        if self._terminal:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
        elif self._ended % max(1, self._all // 10) == 0:
            print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Work:
    """A scenario's runs, under way."""

    scenario: Scenario
    alone: Sequence[Future[tuple[float, ...]]]
    runs: Mapping[str, Sequence[Future[Outcome]]]

    @classmethod
    def begin(
        cls, pool: ProcessPoolExecutor, scenario: Scenario, clients: Iterable[str], seeds: range, progress: Progress
    ) -> Work:
        alone = [pool.submit(unloaded, scenario, seed) for seed in seeds]
        runs = {client: [pool.submit(run, scenario, client, seed) for seed in seeds] for client in clients}
        for futures in runs.values():
            for future in futures:
                progress.follow(future)
        return cls(scenario, alone, runs)

    def rows(self, *, held_out: bool) -> Iterable[report.Row]:
        waits = [wait for future in self.alone for wait in future.result()]
        for client, futures in self.runs.items():
            outcomes = [future.result() for future in futures]
            yield report.summarise(self.scenario, client, outcomes, waits, held_out=held_out)


if __name__ == "__main__":
    main()
