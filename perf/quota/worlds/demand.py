"""The texts of a world and the times of its queries. The first letters of a text say who sent it, and its token ratio.

``x3...`` is a document at the third step of the drift, ``q0...`` a query, ``a0...`` part of a call that is abandoned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from perf.quota.worlds.world import RATIO_STEPS, World

SHORTEST = 8
"""Characters of a text, at least: its two letters and its number."""
LONGEST = 3.0
"""Length of a text over the mean, at most."""


@dataclass(frozen=True)
class Demand:
    """The work that the documents of a world need, with any client."""

    texts: Sequence[str]
    requests: int
    tokens: float
    """By the server's count."""

    @property
    def inputs(self) -> int:
        return len(self.texts)


@lru_cache(maxsize=4)
def demand(world: World) -> Demand:
    texts = documents(world)
    tokens = sum(true_tokens(world, [text]) for text in texts)
    return Demand(texts, -(-len(texts) // world.texts), tokens)


def documents(world: World) -> list[str]:
    """No two alike, for aembed sends equal texts once. Batches are of equal size if ``length_spread`` is 0."""
    random = Random(f"documents {world.seed}")
    mean = world.batch_tokens * 4 / world.texts
    total = world.batches * world.texts

    def text(number: int) -> str:
        step = number * RATIO_STEPS // total
        length = mean if not world.length_spread else _gamma(random, mean, world.length_spread)
        return f"x{step}{number:x}".ljust(max(SHORTEST, round(min(length, LONGEST * mean))), "x")

    return [text(number) for number in range(total)]


def query(world: World) -> str:
    return "q0".ljust(round(world.queries.tokens * 4), "q")


def abandoned(world: World) -> list[str]:
    length = max(SHORTEST, round(world.batch_tokens * 4 / world.texts))
    return [f"a0{number}".ljust(length, "a") for number in range(world.texts)]


def true_tokens(world: World, texts: Sequence[str]) -> float:
    """By the server's count."""
    per_character = world.ratio / 4
    if world.drift == 1:
        return sum(map(len, texts)) * per_character
    drifts = [float(world.drift ** (int(text[1]) / (RATIO_STEPS - 1))) for text in texts]
    return sum(len(text) * drift for text, drift in zip(texts, drifts, strict=True)) * per_character


def query_times(world: World) -> Iterator[float]:
    """Seconds from the start, ascending, without end unless the queries stop."""
    asked = world.queries
    random = Random(f"queries {world.seed}")
    now = asked.start
    while asked.rate:
        now += random.expovariate(asked.rate / asked.burst)
        if now >= asked.stop:
            return
        yield from [now] * asked.burst


def _gamma(random: Random, mean: float, spread: float) -> float:
    shape = 1 / spread**2
    return random.gammavariate(shape, mean / shape)
