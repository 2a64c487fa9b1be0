"""The rules, the network, the queries and the number of batches of a world with a quota, to match each other."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from perf.quota.worlds.dice import log_uniform, pick
from perf.quota.worlds.world import Algorithm, Pattern, Queries, Resource, Rule, World

MOST_BATCHES = 3000
QUERIES_PER_S = 6.0
"""Rate of queries, at most."""


def sized(
    random: Random, world: World, algorithm: Algorithm, span: float, *, resources: tuple[Resource, ...], asked: float
) -> World:
    """Rules, and batches of 0.1 to 60 % of what a period of a minute, or a shorter rule, allows."""
    period = min(span, 60.0)
    most_per_period = 700.0 if period >= 20 else 3000 * period / 60
    share = max(log_uniform(random, 0.001, 0.6), min(0.33, 1 / most_per_period))
    if share > 0.1:
        world = replace(world, length_spread=0.0, drift=1.0)
        if algorithm != "bucket":  # whole batches fill what queries and others leave of a window
            usable = max(0.3, 0.97 - asked - 1.2 * world.foreign)
            share = usable / max(1, math.floor(usable / share))
    per_period = 1 / share
    per_text = log_uniform(random, 10, 300)
    true_tokens = world.texts * per_text
    rules: list[Rule] = []
    weighty = set(resources) & {"tokens", "inputs"}
    phase = round(random.uniform(0, span), 3) if algorithm == "fixed" else 0.0
    for resource in resources:
        room = 1.0
        if resource == "requests":
            if weighty:
                room = random.choice((0.6, 0.9, 1.5, 4.0))
            else:
                per_period = round(log_uniform(random, max(4, period / 3), max(8.0, most_per_period)))
            amount = max(4.0, float(round(per_period * room)))
        else:
            room = 1.0 if len(weighty) == 1 else random.choice((1.0, 1.5))
            amount = float(math.ceil(per_period * room * (true_tokens if resource == "tokens" else world.texts)))
        rules.append(Rule(resource, round(amount * 60 / period, 6), algorithm, span, phase))
    return replace(world, rules=tuple(rules), batch_tokens=round(true_tokens / world.ratio, 2))


def on_network(random: Random, world: World) -> World:
    rate = batches_per_minute(world) / 60
    latency = log_uniform(random, 0.03, 0.6) if random.random() < 0.93 else random.uniform(1, 2)
    spread = random.choice((0.0, 0.1, 0.2, 0.4, 0.8))
    rule = world.rules[0]
    if rule.algorithm != "bucket" and rule.span <= 2:
        latency = min(latency, 0.3)
        spread = min(spread, 0.06 * rule.span / latency)
    slots = random.choice((8, 16, 32, 32, 32, 64))
    mean = latency * math.exp(spread**2 / 2)
    slots = max(slots, 2 ** math.ceil(math.log2(2.5 * rate * mean + 1)))
    is_calm = rule.algorithm != "bucket" and rule.span <= 2
    return replace(
        world,
        latency=round(latency, 3),
        spread=round(spread, 3),
        slots=slots,
        slow_replies=0.02 if not is_calm and random.random() < 0.1 else 0.0,
        reorders=random.random() < 0.7,
    )


def with_queries(random: Random, world: World, asked: float) -> World:
    """Queries take at most the share ``asked`` of each rule."""
    tokens = 10.0
    rates = {"requests": math.inf, "tokens": math.inf, "inputs": math.inf}
    for rule in world.rules:
        rates[rule.resource] = rule.per_minute / 60
    if not asked or min(rates["requests"], rates["inputs"]) < 2 or rates["tokens"] < 2 * tokens * world.ratio:
        return world
    rate = asked * min(rates["requests"], rates["inputs"], rates["tokens"] / (tokens * world.ratio))
    if rate > QUERIES_PER_S:
        rate = QUERIES_PER_S
        if math.isfinite(rates["tokens"]):
            longest = 0.2 * min(rule.capacity for rule in world.rules if rule.resource == "tokens")
            tokens = max(tokens, min(500.0, asked * rates["tokens"] / rate / world.ratio, longest))
    burst = random.choice((3, 8, 20))
    return replace(world, queries=Queries(round(rate, 4), round(tokens), burst=burst))


def with_batches(random: Random, world: World, asked: float) -> World:
    """Several windows at least; some minutes where the quota is by the minute."""
    rule = world.rules[0]
    left = max(0.2, 1 - world.foreign - (asked if world.queries.rate else 0.0))
    rate = batches_per_minute(world) / 60 * left
    seconds = random.uniform(3, 5.5) * max(rule.span, 45) if rule.span >= 20 else random.uniform(60, 140)
    batches = rate * seconds
    if rule.algorithm == "bucket":
        batches += rate * rule.span
    batches = min(MOST_BATCHES, max(40, batches))
    pattern: Pattern = pick(random, {"steady": 50, "starts": 15, "stops": 20, "bursts": 15})
    queries = world.queries
    if queries.rate:
        start = round(random.uniform(0.2, 0.5) * batches / rate, 1) if pattern == "starts" else 0.0
        stop = round(random.uniform(0.4, 0.7) * batches / rate, 1) if pattern == "stops" else math.inf
        burst = queries.burst if pattern == "bursts" else 1
        capacities = [
            each.capacity / (queries.tokens * world.ratio if each.resource == "tokens" else 1.0) for each in world.rules
        ]
        burst = max(1, min(burst, round(0.1 * min(capacities))))
        queries = replace(queries, pattern=pattern, start=start, stop=stop, burst=burst)
    else:
        queries = Queries()
    abandoned = round(0.08 * rate, 4) if random.random() < 0.08 else 0.0
    return replace(world, batches=round(batches), queries=queries, abandoned=abandoned)


def batches_per_minute(world: World) -> float:
    """Batches that the tightest rule of a minute allows."""
    return min(rule.per_minute / amount_of_batch(world, rule) for rule in world.minute_rules)


def biggest_share(world: World) -> float:
    """Largest share of a batch in the capacity of a rule."""
    return max(amount_of_batch(world, rule) / rule.capacity for rule in world.rules)


def amount_of_batch(world: World, rule: Rule) -> float:
    amounts = {"requests": 1.0, "tokens": world.batch_tokens * world.ratio, "inputs": float(world.texts)}
    return amounts[rule.resource]
