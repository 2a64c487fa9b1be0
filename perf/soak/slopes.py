"""The slope of a series, and its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCKS = 10
"""Means of this many stretches of time are compared: neighbouring samples are alike, and would pretend certainty."""
T_95 = 2.306
"""Student's t for 95 % and BLOCKS - 2 degrees of freedom."""


@dataclass(frozen=True)
class Slope:
    """``per_minute`` with its 95 % interval from ``low`` to ``high``; ``first`` and ``last`` are means of a block."""

    per_minute: float
    low: float
    high: float
    first: float
    last: float

    def rises(self, tolerated: float) -> bool:
        """It surely does, and by more than this share of where it began."""
        return self.low > 0 and self.last - self.first > tolerated * self.first


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares through the means of the blocks."""
    minutes = np.array([block.mean() for block in np.array_split(np.array(seconds) / 60.0, BLOCKS)])
    means = np.array([block.mean() for block in np.array_split(np.array(values, float), BLOCKS)])
    centred = minutes - minutes.mean()
    rise = float(centred @ means / (centred @ centred))
    residuals = means - means.mean() - rise * centred
    error = T_95 * float(np.sqrt(residuals @ residuals / (BLOCKS - 2) / (centred @ centred)))
    return Slope(rise, rise - error, rise + error, float(means[0]), float(means[-1]))
