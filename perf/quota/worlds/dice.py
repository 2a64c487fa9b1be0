"""Random choices."""

from __future__ import annotations

import math
from random import Random
from typing import TypeVar

T = TypeVar("T")


def pick(random: Random, weights: dict[T, float]) -> T:
    return random.choices(list(weights), list(weights.values()))[0]


def log_uniform(random: Random, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))
