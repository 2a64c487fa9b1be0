"""Events of a world with a quota, and the limits that its user states and its server reports."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from perf.quota.worlds.bound import least_time, unserved
from perf.quota.worlds.demand import demand
from perf.quota.worlds.dice import log_uniform, pick
from perf.quota.worlds.sizes import MOST_BATCHES, amount_of_batch, batches_per_minute, biggest_share
from perf.quota.worlds.world import DAY, Algorithm, Outage, OutageKind, Rule, Stated, World

LONGEST_OUTAGE_S = 70.0
"""Less than the minute and a half that a client waits by default."""
BINDING = 0.8
"""Share of its capacity from which on a rule may be the one that limits."""
OUTAGES: dict[OutageKind, float] = {"503": 25, "connect": 25, "429": 30, "pause": 20}


def with_day(random: Random, world: World) -> World:
    """A quota of a day that is more than enough; perhaps the headers report that of requests, as Groq's do."""
    resource = random.choice([rule.resource for rule in world.rules])
    need = getattr(demand(world), resource)
    day = float(math.ceil(need * random.uniform(4, 10) / (1 - world.foreign)))
    algorithm: Algorithm = pick(random, {"bucket": 30, "sliding": 35, "fixed": 35})
    phase = DAY / 2 if algorithm == "fixed" else 0.0
    headers = world.headers
    if resource == "requests" and headers == "all" and random.random() < 0.5:
        headers = "per day"
    return replace(world, rules=(*world.rules, Rule(resource, day / 1440, algorithm, DAY, phase)), headers=headers)


def with_limits_stated(random: Random, world: World) -> World:
    how = pick(random, {"all": 40, "none": 45, "first": 10, "too high": 5})
    stated = {rule.resource: rule.per_minute for rule in world.minute_rules}
    if how == "none":
        return world
    if how == "first":
        stated = dict([next(iter(stated.items()))])
    elif how == "too high":
        stated = {name: 1.5 * limit for name, limit in stated.items()}
    return replace(world, stated=Stated(**stated))


def over_time(random: Random, world: World) -> World:
    """Outages and changes of the quota, placed by the time that the job takes without them."""
    need = demand(world)
    seconds = least_time(world, need, unserved(world, need))
    outages: tuple[Outage, ...] = ()
    changes: tuple[tuple[float, float], ...] = ()
    if random.random() < 0.2:
        start = round(random.uniform(0.15, 0.5) * seconds, 1)
        kind = pick(random, OUTAGES)
        length = round(log_uniform(random, 5, LONGEST_OUTAGE_S), 1)
        wait = random.choice((2.0, None)) if kind == "429" else None
        outages = (Outage(start, start + length, kind, wait),)
    if random.random() < 0.1 and biggest_share(world) < 0.3 and not world.foreign:
        at = round(random.uniform(0.2, 0.4) * seconds, 1)
        factors = (0.5, 2.0, 3.0) if world.stated == Stated() else (0.5,)  # a stated limit is not to be passed
        factor = random.choice(factors)
        changes = ((at, factor),)
        if factor < 1 and random.random() < 0.5:
            changes += ((round(at + 0.5 * seconds, 1), 1.5 if world.stated == Stated() else 1.0),)
        if factor > 1:
            world = replace(world, batches=min(MOST_BATCHES, round(world.batches * 1.5)))
    return replace(world, outages=outages, changes=changes)


def is_known(world: World) -> bool:
    """True if a client can know the limits that bind without a test of the server."""
    told = {"requests", "tokens"} if world.headers in {"all", "delayed"} else set[str]()
    if world.headers in {"requests", "azure"}:
        told = {"requests"}
    tightest = batches_per_minute(world)
    for rule in world.minute_rules:
        is_binding = tightest >= BINDING * rule.per_minute / amount_of_batch(world, rule)
        is_stated = getattr(world.stated, rule.resource) == rule.per_minute
        moves = world.foreign or world.changes or world.processes > 1
        if is_binding and rule.resource not in told and (not is_stated or moves):
            return False
    return True
