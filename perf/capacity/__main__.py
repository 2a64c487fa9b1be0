"""``python -m perf.capacity``: how busy servers without a quota are kept, and how long queries take meanwhile."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from perf.capacity.resets import SERVERS, Client, efficiency
from perf.capacity.simulation import Simulation, World
from perf.capacity.worlds import DEMANDED, FOLLOWED, REPORTED, compared, random_world

SEEDS = range(5)
HELD_OUT_SEEDS = range(5000, 5020)
"""No constant was chosen with these."""
REQUESTS = 20_000


def rows(worlds: Sequence[World], seeds: Sequence[int]) -> Iterator[str]:
    for world in worlds:
        runs = [Simulation(world, seed).run() for seed in seeds]
        alone = [Simulation(world, seed, documents=False).run() for seed in seeds]
        efficiencies = [run.efficiency for run in runs]
        slots = [slots for run in runs for slots in run.slots_after(world.duration_s / 2)]
        ratio = sum(run.p95() for run in runs) / sum(run.p95() for run in alone)
        mean = sum(efficiencies) / len(efficiencies)
        yield f"{world.name:45} {mean:10.3f} {min(efficiencies):6.3f} {ratio:9.2f}x {min(slots):8}-{max(slots)}"


def print_failing_servers(seeds: Sequence[int]) -> None:
    print(f"{'20,000 requests':45} {'efficiency':>10} {'least':>6} {'requests':>10} {'lost':>5}")
    for server in SERVERS:
        for slow_start in (True, False):
            runs = [Client(server, seed, requests=REQUESTS, slow_start=slow_start).run() for seed in seeds]
            efficiencies = [efficiency(server, run, REQUESTS) for run in runs]
            mean, least = sum(efficiencies) / len(runs), min(efficiencies)
            per_success = max(run.requests_per_success for run in runs)
            name = server.name + ("" if slow_start else ", all at once")
            print(f"{name:45} {mean:10.3f} {least:6.3f} {per_success:10.2f} {sum(run.lost for run in runs):5}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.capacity", description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="the seeds that no constant was chosen with")
    parser.add_argument("--random", type=int, default=0, help="so many random worlds instead")
    options = parser.parse_args()
    seeds = HELD_OUT_SEEDS if options.held_out else SEEDS
    if options.random:
        results = [compared(random_world(seed), seed) for seed in range(seeds[0], seeds[0] + options.random)]
        efficiencies, ratios = (sorted(column) for column in zip(*results, strict=True))
        share = sum(ratio <= 2.5 for ratio in ratios) / len(ratios)
        fifth, median = efficiencies[len(results) // 20], efficiencies[len(results) // 2]
        print(f"random worlds {seeds[0]} to {seeds[0] + options.random - 1}, efficiency over that of the most slots:")
        print(f"least {efficiencies[0]:.3f}, p5 {fifth:.3f}, median {median:.3f}")
        print(f"query p95 at most 2.5x unloaded in {share:.0%}, median {ratios[len(ratios) // 2]:.2f}x")
        return
    print(f"seeds {seeds[0]} to {seeds[-1]}")
    print(f"{'world':45} {'efficiency':>10} {'least':>6} {'query p95':>10} {'slots':>8}, last half")
    for row in rows(DEMANDED + FOLLOWED + REPORTED, seeds):
        print(row)
    print()
    print_failing_servers(seeds)


if __name__ == "__main__":
    main()
