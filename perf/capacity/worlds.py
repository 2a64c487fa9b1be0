"""Servers without a quota: those that must be kept busy, and others."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from perf.capacity.simulation import EIGHT, Simulation, Speeds, World

MIXED = (100, 200, 500, 1000, 2000, 5000)
UNEQUAL: Speeds = (1.0,) * 4 + (1 / 3,) * 4
FOUR_ONE_EIGHT = World("", speeds=(1.0,) * 4, phases=((40, (1.0,)), (80, EIGHT)), duration_s=120)

DEMANDED = (
    World("8 workers, spread 0 %"),
    World("8 workers, spread 10 %", spread=0.1),
    World("8 workers, spread 30 %", spread=0.3),
    World("8 workers, spread 30 %, only 10 s", spread=0.3, duration_s=10.0),
    World("8 workers, network 10-60 ms", network_s=(0.01, 0.06)),
    World("8 workers, spread 30 %, network 10-60 ms", spread=0.3, network_s=(0.01, 0.06)),
    World("8 workers, sizes 1:50", sizes=MIXED, fixed_s=0.001),
    World("8 workers, sizes 1:50, spread 30 %", sizes=MIXED, spread=0.3),
    World("8 workers become half as fast", spread=0.1, phases=((30, (0.5,) * 8),)),
    World("8 workers become twice as fast", spread=0.1, phases=((30, (2.0,) * 8),)),
    World(
        "8 workers, clock 1 ms, service 5 ms", tick_s=1e-3, fixed_s=1e-3, character_s=4e-6, spread=0.1, duration_s=20
    ),
    World("8 workers, clock 1 ms, service 1 ms", tick_s=1e-3, fixed_s=5e-4, character_s=5e-7, spread=0.1, duration_s=5),
    World("8 workers, 1 % take 20 times as long", spread=0.1, hiccups=0.01),
)
"""Efficiency of 0.92 or more, queries' p95 of 2.5 times as long as unloaded or less."""
FOLLOWED = (
    replace(FOUR_ONE_EIGHT, name="4, 1, 8 workers"),
    replace(FOUR_ONE_EIGHT, name="4, 1, 8 workers, spread 30 %", spread=0.3),
    World("two backends, 1 and 1/3, one queue", speeds=UNEQUAL, spread=0.1),
    World("two backends, 1 and 1/3, shortest queue", speeds=(1.0, 1 / 3), spread=0.1, one_queue=False),
    World("eight backends, 1 and 1/3, shortest queue", speeds=UNEQUAL, spread=0.1, one_queue=False),
)
"""Efficiency of 0.9 or more; queries may meet a slower worker than they do alone."""
REPORTED = (
    World("8 workers, spread 60 %", spread=0.6),
    World("8 workers, 8 slots at most, spread 30 %", spread=0.3, most=8),
    World("1 worker, spread 30 %", speeds=(1.0,), spread=0.3),
    World("32 workers, spread 30 %", speeds=(1.0,) * 32, spread=0.3),
    World("service 1 s, spread 30 %", spread=0.3, fixed_s=0.2, character_s=8e-4, duration_s=300, queries_per_s=0.5),
    World("batches of 16 or fewer, half the cost fixed", speeds=(1.0,), batch=16, fixed_s=0.05, character_s=3e-6),
)


def random_world(seed: int) -> World:
    """A server that answers some thousand requests, one like which a user could have."""
    random = Random(seed)
    workers = random.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
    unequal = random.random() < 0.3
    service_s = 10 ** random.uniform(-2.3, 0.3)
    network_s = random.choice([0.0, 0.0, 0.1, 0.5, 1.0, 2.0]) * service_s
    sizes = random.choice([(1000,), (1000,), MIXED, (800, 1000, 1500)])
    fixed = random.random()
    return World(
        f"random {seed}",
        speeds=tuple(random.choice([1.0, random.uniform(0.3, 1.0)]) if unequal else 1.0 for _ in range(workers)),
        sizes=sizes,
        fixed_s=fixed * service_s,
        character_s=(1 - fixed) * service_s * len(sizes) / sum(sizes),
        spread=random.choice([0.0, 0.1, 0.3, 0.6]),
        network_s=(network_s * random.uniform(0.1, 1.0), network_s),
        tick_s=random.choice([0.0, 0.001]),
        hiccups=random.choice([0.0, 0.0, 0.003]),
        duration_s=600 * (service_s + network_s),
        queries_per_s=min(20.0, 0.3 / service_s),
        most=random.choice([8, 32, 64]),
    )


def compared(world: World, seed: int) -> tuple[float, float]:
    """Efficiency over that of ``most`` slots at all times, and the queries' p95 over that without documents."""
    run = Simulation(world, seed).run()
    greedy = Simulation(world, seed, slots=world.most).run()
    alone = Simulation(world, seed, documents=False).run()
    return run.efficiency / greedy.efficiency, run.p95() / alone.p95()
