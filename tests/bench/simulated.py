"""Measurements that were never made: an operation whose time is known, on a machine as restless as real ones."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aembed.bench.micro.blocks import Runs, Timing


class Machine:
    """Drifts by some percent within seconds, and now and then does something else."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._drift = 0.0

    def block(self, seconds: float) -> Timing:
        """Both clocks' readings for work that takes so long."""
        self._drift = 0.99 * self._drift + self.dice.gauss(0, 0.01)
        cpu = seconds * math.exp(self._drift + self.dice.gauss(0, 0.01))
        if self.dice.random() < 0.05:
            cpu *= 1 + self.dice.expovariate(2)
        queued = self.dice.expovariate(500) if self.dice.random() < 0.3 else 0.0
        return Timing((cpu + queued) * 1e9, cpu * 1e9, 0)


@dataclass(frozen=True)
class SimulatedSide:
    """Every process of it is faster or slower than the next by ``spread``, for as long as it lives."""

    label: str
    seconds: float
    machine: Machine
    spread: float = 0.012
    waits: int = 0

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncGenerator[Runs]:
        yield _SimulatedRuns(self, self.seconds * math.exp(self.machine.dice.gauss(0, self.spread)))


@dataclass(frozen=True)
class _SimulatedRuns:
    side: SimulatedSide
    seconds: float

    async def block(self, operations: int) -> Timing:
        return self.side.machine.block(operations * self.seconds)._replace(waits=self.side.waits * operations)


def series(seed: int, *levels: tuple[int, float]) -> NDArray[np.float64]:
    """Results of months: stretches of (length, level) at cv 3 %, 5 % of the values half as large again."""
    dice = np.random.default_rng(seed)
    values = np.concatenate([dice.normal(level, 0.03 * level, length) for length, level in levels])
    return np.where(dice.random(len(values)) < 0.05, values * 1.5, values)
