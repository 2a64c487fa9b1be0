"""Response times of servers that answer one request after another: slow ones come together, and their law is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


def behind_one_server(dice: np.random.Generator, count: int, slowest: float, q: float, busy: float) -> Times:
    """Requests that come and are served at random; the server works ``busy`` of the time. ``slowest`` is their ``q``.

    The first finds the queue that there is at any moment, so that every request has the same distribution.
    """
    gaps, work = dice.exponential(1 / busy, count), dice.exponential(1, count)
    found = dice.exponential(1 / (1 - busy)) if dice.random() < busy else 0.0
    return responses(gaps, work, found) * (1 - busy) / -math.log(1 - q) * slowest


def responses(gaps: Times, work: Times, found: float = 0.0) -> Times:
    """The wait and the work of each request, ``gaps`` after the one before it; the first waits for ``found``."""
    ahead = found + np.concatenate([[0.0], np.cumsum(work[:-1] - gaps[1:])])
    return np.asarray(ahead - np.minimum(np.minimum.accumulate(ahead), 0.0) + work, dtype=np.float64)
