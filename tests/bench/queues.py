"""Response times of servers that answer one request after another: slow ones come together, and their law is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def behind_one_server(
    dice: np.random.Generator, count: int, slowest: float, q: float, busy: float
) -> NDArray[np.float64]:
    """Requests that come and are served at random; the server works ``busy`` of the time. ``slowest`` is their ``q``.

    The first finds the queue that there is at any moment, so that every request has the same distribution.
    """
    gaps, work = dice.exponential(1 / busy, count), dice.exponential(1, count)
    found = dice.exponential(1 / (1 - busy)) if dice.random() < busy else 0.0
    ahead = found + np.concatenate([[0.0], np.cumsum(work[:-1] - gaps[1:])])
    waited = ahead - np.minimum(np.minimum.accumulate(ahead), 0.0)
    return (waited + work) * (1 - busy) / -math.log(1 - q) * slowest
