"""``python -m perf.quota --random 300 --seed N``, and ``--world SEED`` for one of them alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from perf.quota.worlds import report
from perf.quota.worlds.draw import draw
from perf.quota.worlds.judge import RIVALS, Judged, judge
from perf.quota.worlds.run import UNLOADED, Outcome
from perf.quota.worlds.store import outcome_of
from perf.quota.worlds.world import World


def random_worlds(count: int, seed: int, jobs: int, clients: Sequence[str]) -> list[Judged]:
    """Print the report of the worlds of ``count`` seeds from ``seed`` on."""
    seeds = range(seed, seed + count)
    judged: list[Judged] = []
    with ProcessPoolExecutor(jobs) as pool:
        works: list[Future[Judged]] = [pool.submit(judged_world, number, tuple(clients)) for number in seeds]
        for number, work in zip(seeds, works, strict=True):
            try:
                judged.append(work.result())
            except Exception as error:  # noqa: BLE001  # a world that kills its process is a result like any other
                outcome = Outcome("aembed", exception=f"the process ended: {error!r}")
                judged.append(judge(World(number), outcome, {}, None))
            if len(judged) % 25 == 0:
                print(f"{len(judged)} of {count} worlds", file=sys.stderr, flush=True)
    print(f"{count} worlds, seeds {seed} to {seed + count - 1}\n{report.report(judged)}")
    return judged


def one_world(seed: int, clients: Sequence[str]) -> None:
    """Print a world and what became of it."""
    judged = judged_world(seed, tuple(clients))
    world = judged.world
    print(f"world {seed}: {world.describe()}")
    for outcome in (judged.outcome, *judged.rivals.values(), judged.unloaded):
        if outcome is not None:
            print(f"  {outcome}")
    print(f"limits {'are known' if world.known else 'have to be found'}: {', '.join(judged.failures) or 'passes'}")


def judged_world(seed: int, clients: Sequence[str]) -> Judged:
    world = draw(seed)
    outcome = outcome_of(world, "aembed") if "aembed" in clients else Outcome("aembed")
    rivals = {client: outcome_of(world, client) for client in RIVALS if client in clients}
    unloaded = outcome_of(world, UNLOADED) if world.queries.rate else None
    return judge(world, outcome, rivals, unloaded)
