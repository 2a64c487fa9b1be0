"""The least time a world can take, with any client: no run is faster.

Each rule alone gives a bound, and so do slots and workers; the largest counts. Queries, abandoned calls and others on
the quota are no part of the job: what the server admitted of them, when it did, is taken off.

bucket   its content at first, and then its rate; an outage fills it again, up to its capacity
window   each window of a series that covers the run, of any phase, takes its capacity, and whole batches only; none
         where the server is down throughout. Series start with the run, and where outages end and quotas change.
slots    mean round trip of the documents, in turns of all slots
workers  the work of the documents, at the speed of all workers
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from perf.quota.worlds.demand import Demand
from perf.quota.worlds.server import Ledger, Taken
from perf.quota.worlds.world import Rule, Workers, World

LAST_TURNS = 0.9
"""Share of the mean round trip that the turns of the last window are sure to take."""
ROUNDING = 1e-6


def least_time(world: World, need: Demand, ledger: Ledger) -> float:
    """Seconds from the start to the last answer."""
    at_once = min(world.slots * world.processes, world.most_in_flight or math.inf)
    answered = max(1, len(ledger.documents))
    trip = ledger.document_seconds / answered if ledger.documents else world.latency
    least = [need.requests * trip / at_once]
    back = ledger.least_back if math.isfinite(ledger.least_back) else 0.0
    for rule in world.rules:
        amount = float(getattr(need, rule.resource))
        sizes = [float(getattr(taken, rule.resource)) for taken in ledger.documents] or [amount / need.requests]
        others = Others((taken.at, float(getattr(taken, rule.resource))) for taken in ledger.others)
        if rule.algorithm == "bucket":
            least.append(_bucket(world, rule, amount, others) + back)
        else:
            turns = LAST_TURNS * trip / at_once * need.requests / amount
            for phase in _phases(world, rule):
                start, left = _last_window(world, rule, amount, others, phase=phase, sizes=sizes)
                least.append(start + max(0.0, left * turns - LAST_TURNS * trip) + back)
    if world.workers is not None and ledger.expected_work:
        least.append(_workers(world, need, ledger) + back)
    return max(least)


class Others:
    """Amounts in the order of time."""

    def __init__(self, taken: Iterable[tuple[float, float]]) -> None:
        self.all = list(taken)
        self._times = [at for at, _ in self.all]
        self._sums = [0.0, *accumulate(amount for _, amount in self.all)]

    def between(self, start: float, stop: float) -> float:
        return self._sums[bisect_left(self._times, stop)] - self._sums[bisect_left(self._times, start)]


def _bucket(world: World, rule: Rule, amount: float, others: Others) -> float:
    rate = rule.per_minute / 60
    level, left, now = rule.capacity, amount, 0.0
    for start, stop, other in _segments(world, others):
        speed = rate * world.factor(start)
        capacity = rule.capacity * world.factor(start)
        now = start
        if world.is_down(start):
            level = min(capacity, level + speed * (stop - start))
        else:
            left, level = left - level, 0.0
            if left <= speed * (stop - start):
                return now + max(0.0, left) / speed
            left += other - speed * (stop - start)
    return now


def _segments(world: World, others: Others) -> Iterator[tuple[float, float, float]]:
    """(start, stop, amount of others at the stop): the quota and the state of the server stay the same within."""
    steps = {at: 0.0 for outage in world.outages for at in (outage.start, outage.stop)}
    steps |= {at: 0.0 for at, _ in world.changes}
    for at, amount in others.all:
        steps[at] = steps.get(at, 0.0) + amount
    times = sorted({0.0, *steps})
    yield from ((start, stop, steps.get(stop, 0.0)) for start, stop in pairwise(times))
    yield times[-1], math.inf, 0.0


def _phases(world: World, rule: Rule) -> Iterable[float]:
    if rule.algorithm == "fixed":
        return [rule.phase % rule.span]
    events = [outage.stop for outage in world.outages] + [at for at, _ in world.changes]
    return [0.0, *(at % rule.span for at in events)]


def _last_window(
    world: World, rule: Rule, amount: float, others: Others, *, phase: float, sizes: Sequence[float]
) -> tuple[float, float]:
    """When the last window of a series can take its first request, and the amount that is left for it."""
    least, most = min(sizes), max(sizes)
    start = phase - rule.span if phase else 0.0
    while True:
        stop = start + rule.span
        up = _first_up(world, max(0.0, start))
        if up < stop:
            room = rule.capacity * _most_factor(world, start, stop) - others.between(start, stop)
            fits = max(0.0, min(room, math.floor(room / least + ROUNDING) * most))
            if amount <= fits * (1 + ROUNDING):
                return up, amount
            amount -= fits
        start = stop


def _first_up(world: World, at: float) -> float:
    while (outage := world.is_down(at)) is not None:
        at = outage.stop
    return at


def _most_factor(world: World, start: float, stop: float) -> float:
    return max(world.factor(start), *(world.factor(at) for at, _ in world.changes if start <= at < stop), 0.0)


def _workers(world: World, need: Demand, ledger: Ledger) -> float:
    """Work of the documents as it turned out, had they been sent in batches as planned."""
    config = world.workers
    assert config is not None, "the caller looked"
    left = ledger.document_work * min(1.0, _planned_work(config, need) / ledger.expected_work)
    counts = [*config.counts, (math.inf, 0)]
    done = Others(ledger.other_work)
    for (start, count), (stop, _) in pairwise(counts):
        speed = sum(config.speeds[number % len(config.speeds)] for number in range(count))
        for begin, end, other in _pieces(start, stop, done):
            if left <= speed * (end - begin):
                return begin + max(0.0, left) / speed
            left += other - speed * (end - begin)
        left -= count * ledger.longest_work  # those that retire finish their requests
    return 0.0


def _planned_work(config: Workers, need: Demand) -> float:
    """Seconds of a worker, in batches as planned."""
    return config.per_request * need.requests + config.per_token * need.tokens


def _pieces(start: float, stop: float, done: Others) -> Iterator[tuple[float, float, float]]:
    within = [(at, amount) for at, amount in done.all if start < at < stop]
    times = [start, *(at for at, _ in within), stop]
    amounts = [*(amount for _, amount in within), 0.0]
    yield from ((begin, end, other) for (begin, end), other in zip(pairwise(times), amounts, strict=True))


def unserved(world: World, need: Demand) -> Ledger:
    """A ledger of documents alone, for a first estimate."""
    ledger = Ledger()
    share = need.requests
    ledger.documents = [Taken(0.0, 1, need.tokens / share, need.inputs / share)]
    ledger.document_seconds = world.latency
    if world.workers is not None:
        ledger.document_work = ledger.expected_work = _planned_work(world.workers, need)
    return ledger
