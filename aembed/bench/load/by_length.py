"""Service time by the length of the request. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from aembed.bench.model.work import LengthCost, Work
from aembed.bench.rows.columns import OK, Rows
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.stats.fits import line_by_groups

GROUPS = 20
"""Groups of consecutive requests that the intervals come from."""
MIN_ANSWERS = 4 * GROUPS
"""Good answers: with fewer, a group is hardly more than one request."""
LEAST_SPREAD = 0.05
"""Relative spread of the lengths: below it a slope says nothing about texts that people send."""


def length_cost(rows: Rows, arguments: Iterator[Any], work: Work) -> LengthCost | None:
    """The line through the good answers, whose ``arguments`` are drawn again; ``None`` where there is none to find."""
    _, characters = lengths_of(rows, arguments)
    good = rows.outcome == OK
    if characters is None or int(good.sum()) < MIN_ANSWERS:
        return None
    lengths, times = characters[good].astype(np.float64), (rows.done - rows.started)[good] / 1e9
    if lengths.std() < LEAST_SPREAD * lengths.mean():
        return None
    fixed, slope = line_by_groups(lengths, times, GROUPS)
    per_token = float(characters[characters > 0].sum()) / work.tokens if work.tokens else 0.0
    return LengthCost(requests=int(good.sum()), fixed=fixed, per_character=slope, characters_per_token=per_token)
