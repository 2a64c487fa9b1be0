"""The rule a world passes or fails by, for aembed and two rivals that know the limits per minute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from perf.quota.worlds.outcome import Outcome
from perf.quota.worlds.world import World

SLOWER, SLOWER_TO_FIND, SLOWER_WORKERS = 0.07, 0.25, 0.08
"""Than the better rival, where the limits are known, have to be found, or are workers."""
QUERY_RATIO, QUERY_RATIO_WORKERS, QUERY_S = 2.2, 2.5, 1.0
"""Factors on the p95 without a load; or seconds, if that is more."""
REJECTIONS = 0.1
"""429s for a success."""
FEWEST_QUERIES = 20
"""Fewest queries for a meaningful p95."""

RIVALS = ("aiolimiter", "semaphore")


@dataclass(frozen=True)
class Judged:
    """A world with all that is known of it. ``failures`` is empty if it passed."""

    world: World
    outcome: Outcome
    rivals: Mapping[str, Outcome]
    unloaded: Outcome | None
    failures: tuple[str, ...]

    @property
    def slower(self) -> float | None:
        """Time over that of the better rival, less 1: -1 where no rival comes to an end, ``None`` without rivals."""
        if not self.rivals:
            return None
        if not self.outcome.efficiency:
            return math.inf
        best = _best(self.rivals)
        return -1.0 if best is None else self.outcome.seconds / best - 1

    def query_ratio(self, outcome: Outcome) -> float | None:
        """p95 as a multiple of that without a load."""
        if self.unloaded is None or not self.unloaded.query_p95 or outcome.query_count < FEWEST_QUERIES:
            return None
        return outcome.query_p95 / self.unloaded.query_p95


def judge(world: World, outcome: Outcome, rivals: Mapping[str, Outcome], unloaded: Outcome | None) -> Judged:
    failures: list[str] = []
    if outcome.exception:
        failures.append("exception")
    if outcome.hung:
        failures.append("hang")
    if outcome.lost:
        failures.append("lost")
    best = _best(rivals)
    if best is not None and not failures and outcome.seconds > (1 + allowed_slower(world)) * best:
        failures.append("slow, known" if world.known else "slow, to find")
    enough = outcome.query_count >= FEWEST_QUERIES
    if unloaded is not None and enough and outcome.query_p95 > allowed_query(world, unloaded):
        failures.append("queries, known" if world.known else "queries, to find")
    if outcome.rejections > REJECTIONS:
        failures.append("429s")
    return Judged(world, outcome, rivals, unloaded, tuple(failures))


def allowed_slower(world: World) -> float:
    if world.workers is not None:
        return SLOWER_WORKERS
    return SLOWER if world.known else SLOWER_TO_FIND


def allowed_query(world: World, unloaded: Outcome) -> float:
    """Seconds of p95; one window more where limits have to be found."""
    ratio = QUERY_RATIO if world.workers is None else QUERY_RATIO_WORKERS
    return max(ratio * unloaded.query_p95, QUERY_S) + (0.0 if world.known else world.window)


def _best(rivals: Mapping[str, Outcome]) -> float | None:
    return min((rival.seconds for rival in rivals.values() if rival.efficiency), default=None)
