"""``python -m perf.quota --random 300 --seed N``, ``--world SEED`` for one of them alone, ``--part situations``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from perf.quota.worlds import report
from perf.quota.worlds.draw import draw
from perf.quota.worlds.draw_plain import draw_plain
from perf.quota.worlds.judge import RIVALS, Judged, judge
from perf.quota.worlds.outcome import Outcome
from perf.quota.worlds.run import UNLOADED
from perf.quota.worlds.scripts import SCRIPTS
from perf.quota.worlds.situations import SEEDS, SITUATIONS
from perf.quota.worlds.store import outcome_of
from perf.quota.worlds.world import World

GENERATORS: Mapping[str, Callable[[int], World]] = {"full": draw, "plain": draw_plain}


def random_worlds(generator: str, count: int, seed: int, jobs: int, clients: Sequence[str]) -> list[Judged]:
    """Print the report of the worlds of ``count`` seeds from ``seed`` on."""
    seeds = range(seed, seed + count)
    judged: list[Judged] = []
    with ProcessPoolExecutor(jobs) as pool:
        works: list[Future[Judged]] = [pool.submit(judged_seed, generator, number, tuple(clients)) for number in seeds]
        for number, work in zip(seeds, works, strict=True):
            try:
                judged.append(work.result())
            except Exception as error:  # noqa: BLE001  # a world that kills its process is a result like any other
                outcome = Outcome("aembed", exception=f"the process ended: {error!r}")
                judged.append(judge(World(number), outcome, {}, None))
            if len(judged) % 25 == 0:
                print(f"{len(judged)} of {count} worlds", file=sys.stderr, flush=True)
    print(f"{count} worlds of {generator!r}, seeds {seed} to {seed + count - 1}\n{report.report(judged)}")
    return judged


def situations(only: str, jobs: int, clients: Sequence[str]) -> None:
    """Print what each situation whose name contains ``only`` comes to, and its target."""
    chosen = [situation for situation in SITUATIONS if only in situation.name]
    scripts = [script for script in SCRIPTS if only in script.name]
    met: list[bool] = []
    with ProcessPoolExecutor(jobs) as pool:
        works = [
            [pool.submit(judged_world, world, tuple(clients)) for world in situation.worlds()] for situation in chosen
        ]
        results = [pool.submit(script.run) for script in scripts]
        print(f"\nsituations, seeds {SEEDS.start} to {SEEDS.stop - 1}\n{report.SITUATION_HEADER}", flush=True)
        for situation, work in zip(chosen, works, strict=True):
            judged = [each.result() for each in work]
            missed = sorted({name for each in judged for name in situation.target.missed(each.outcome, each.unloaded)})
            met.append(not missed)
            print(report.situation(situation.name, judged, missed), flush=True)
        for script, result in zip(scripts, results, strict=True):
            text, is_right = result.result()
            met.append(is_right)
            print(f"{script.name:62} {'met' if is_right else 'missed'}: {text}", flush=True)
    print(f"\naembed met {sum(met)} of {len(met)} situations")


def one_world(generator: str, seed: int, clients: Sequence[str]) -> None:
    """Print a world and its result."""
    world = GENERATORS[generator](seed)
    judged = judged_world(world, tuple(clients))
    print(f"world {seed}: {world.describe()}")
    for outcome in (judged.outcome, *judged.rivals.values(), judged.unloaded):
        if outcome is not None and outcome.sent:
            print(f"  {outcome}")
    print(f"limits {'are known' if world.known else 'have to be found'}: {', '.join(judged.failures) or 'passes'}")


def judged_seed(generator: str, seed: int, clients: Sequence[str]) -> Judged:
    return judged_world(GENERATORS[generator](seed), clients)


def judged_world(world: World, clients: Sequence[str]) -> Judged:
    outcome = outcome_of(world, "aembed") if "aembed" in clients else Outcome("aembed")
    rivals = {client: outcome_of(world, client) for client in RIVALS if client in clients}
    unloaded = outcome_of(world, UNLOADED) if world.queries.rate else None
    return judge(world, outcome, rivals, unloaded)
