"""Sweeps of a known server without an event loop: the true front and the best cell are known, too."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from aembed import bench
from aembed.bench.model.objectives import Goal
from aembed.bench.model.sweep import Sweep
from aembed.bench.sweep.front import beats
from aembed.bench.sweep.grid import grid
from aembed.bench.sweep.rounds import USUAL_BLOCKS, next_round
from aembed.bench.sweep.verdict import MeasuredCell, Question, found_in
from tests.bench.lanes import Lanes

TEXTS, USERS = (1, 8, 32), (1, 4, 16)
BLOCK_S = 2.0
MARGIN = 0.05


@bench.scenario(documents=list(TEXTS))
async def embed(_case: bench.Case) -> None:
    """Only its parameters matter."""


def true_front(law: Lanes, margin: float = MARGIN) -> set[tuple[int, int]]:
    exact = {cell: law.true(*cell) for cell in itertools.product(TEXTS, USERS)}
    return {
        cell
        for cell, figures in exact.items()
        if not any(beats(*other, *figures, margin) for place, other in exact.items() if place != cell)
    }


def swept(law: Lanes, limit: float, seed: int, *, drift: float = 0.0) -> tuple[Sweep, float]:
    """The sweep and the share of its time that it took. Every block is slower or faster by ``drift``."""
    dice, order = np.random.default_rng(seed), random.Random(seed)
    chosen, cells = grid(embed, {"users": USERS})
    goal = Goal(metric="p95", limit=limit)
    question = Question(q=0.95, goal=goal, most_errors=0.01, margin=MARGIN, items=None)
    measured = [MeasuredCell(cell) for cell in cells]
    used, most = 0, USUAL_BLOCKS * len(cells)
    while round_ := next_round(measured, question, order):
        for each in round_[: most - used]:
            texts, users = each.cell.parameters.values()
            assert isinstance(texts, int)
            assert isinstance(users, int)
            each.add(law.block(texts, users, BLOCK_S, dice, math.exp(dice.normal(0, drift))), 1, None)
            used += 1
        if used == most:
            break
    return found_in(measured, question, chosen, BLOCK_S), used / most


@dataclass(frozen=True)
class Score:
    """Sweeps of many servers, against the truth."""

    contained: float
    """Share of sweeps whose front has all of the true one."""
    lost: float
    """Share of the true points that were called beaten."""
    broken: float
    """Share of sweeps whose recommended cell does not meet the objective."""
    optimal: float
    """Share of recommendations with a throughput within the margin of the best that meets it."""
    used: float
    """Mean share of the time that was needed."""


def random_law(seed: int) -> tuple[Lanes, float]:
    dice = random.Random(seed)
    law = Lanes(dice.uniform(0.005, 0.05), dice.uniform(0.0005, 0.005), dice.uniform(0, 0.3))
    return law, dice.uniform(0.03, 0.3)


def score(seeds: Iterable[int], *, drift: float = 0.02) -> Score:
    whole, lost, broken, optimal, used, points = [], 0, [], [], [], 0
    for seed in seeds:
        law, limit = random_law(seed)
        truth = true_front(law)
        found, share = swept(law, limit, seed, drift=drift)
        front = {tuple(cell.parameters.values()) for cell in found.cells if cell.state == "front"}
        missing = {cell for cell in truth if cell not in front}
        whole.append(not missing)
        lost += len(missing)
        points += len(truth)
        used.append(share)
        if found.best is None:
            broken.append(False)
            continue
        rate, latency = law.true(*found.cells[found.best].parameters.values())  # type: ignore[arg-type]
        broken.append(latency > limit)
        exact = [law.true(*cell) for cell in itertools.product(TEXTS, USERS)]
        optimal.append(rate * (1 + MARGIN) >= max(r for r, p95 in exact if p95 <= limit or r == rate))
    mean = [float(np.mean(values)) for values in (whole, broken, optimal, used)]
    return Score(contained=mean[0], lost=lost / points, broken=mean[1], optimal=mean[2], used=mean[3])
