"""Throughput and latency of a cell from its blocks. Pure.

Requests of one block queue behind each other, and share the machine's disturbances. Blocks are minutes apart:
only they are independent, so every interval comes from the differences between blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.rows.columns import NEVER, OK, Floats, Rows
from aembed.bench.stats.sample import TAIL, rank_of, t_interval
from aembed.bench.stats.shares import ShareSample
from aembed.bench.stats.special import t_quantile

FILLING = 0.2
"""Share at the begin of an open-loop block that is not counted: its queue is still shorter than it will be."""


@dataclass(frozen=True, slots=True)
class Block:
    """A few seconds of one cell, without their begin."""

    rate: float
    """Good answers per second."""
    response: Floats
    """Seconds, of the requests that count; ``inf`` for those without a good answer."""

    @property
    def failed(self) -> int:
        return int(np.isinf(self.response).sum())

    def times(self, items: float) -> Block:
        """The same in ``items`` for each answer."""
        return Block(self.rate * items, self.response)


def closed_block(rows: Rows, users: int, seconds: float) -> Block:
    """A closed loop without the first request of each user: they all came at once.

    The rate is the answers per user's time, which ends with the user's last answer and not with the block: requests
    under way at the end would count for less than they took.
    """
    response, overrun = rows.response, np.maximum(rows.done / 1e9 - seconds, 0.0)
    first = np.where(rows.done == NEVER, seconds, rows.done / 1e9)[:users]
    time = users * seconds + float(overrun.sum()) - float(first.sum())
    good = int((rows.outcome[users:] == OK).sum())
    return Block(users * good / time if time > 0 else 0.0, response[users:])


def open_block(rows: Rows, seconds: float) -> Block:
    """An open loop: the answers that left it, and the response of the requests that entered it, after its begin."""
    begin = FILLING * seconds
    done = rows.done[rows.outcome == OK] / 1e9
    left = int(((done > begin) & (done <= seconds)).sum())
    return Block(left / (seconds - begin), rows.response[rows.intended >= begin * 1e9])


def throughput(blocks: Sequence[Block]) -> Estimate:
    """The mean of the blocks."""
    found = t_interval([block.rate for block in blocks])
    return Estimate(value=found.value, low=None if found.low is None else max(0.0, found.low), high=found.high)


def percentile(blocks: Sequence[Block], q: float, tail: float = TAIL) -> Percentile:
    """The percentile of all requests; its interval from the spread between blocks of the share below it.

    That share is a ratio of sums over blocks, its error that of a cluster sample; the percentiles at both ends of its
    interval bound the percentile itself (Woodruff 1952).
    """
    ordered = np.sort(np.concatenate([block.response for block in blocks]))
    n, number = len(ordered), len(blocks)
    value = float(ordered[rank_of(q, n) - 1]) if n else math.inf
    if math.isinf(value):
        return Percentile(q=q, value=None)
    if number < 2:
        return Percentile(q=q, value=value)
    sizes = np.array([len(block.response) for block in blocks])
    below = np.array([int((block.response <= value).sum()) for block in blocks])
    off = below - below.sum() / n * sizes
    half = t_quantile(number - 1, 1 - tail) * math.sqrt(number / (number - 1) * float((off**2).sum())) / n
    low, high = rank_of(max(q - half, 0.0), n), rank_of(q + half, n)
    worst = float(ordered[high - 1]) if high <= n else math.inf
    return Percentile(q=q, value=value, low=float(ordered[low - 1]), high=worst if math.isfinite(worst) else None)


def slower(blocks: Sequence[Block], seconds: float) -> ShareSample:
    """Requests that took longer, or failed."""
    bad = [int((block.response > seconds).sum()) for block in blocks]
    return ShareSample.of_groups(bad, [len(block.response) for block in blocks])
