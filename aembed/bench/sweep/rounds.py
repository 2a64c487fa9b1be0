"""Cells that get a block in the next round. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from aembed.bench.sweep.front import unsettled
from aembed.bench.sweep.verdict import MeasuredCell, Question, points

FEWEST_BLOCKS = 4
"""Blocks of every cell: with fewer an interval is too wide to decide anything."""
USUAL_BLOCKS = 10
"""Blocks of a cell, on average, where no duration is given."""
MOST_SPOILT = 4
"""Blocks that the machine may disturb before a cell is INVALID."""


def next_round(measured: Sequence[MeasuredCell], question: Question, dice: random.Random) -> list[MeasuredCell]:
    """First every cell, until it has its fewest blocks; then those whose place is undecided. None: all is decided.

    In random order, so that nothing that drifts or repeats falls on the same cells.
    """
    chosen = [m for m in measured if len(m.blocks) < FEWEST_BLOCKS and len(m.spoilt) < MOST_SPOILT]
    if not chosen:
        there = [m for m in measured if len(m.blocks) >= FEWEST_BLOCKS]
        chosen = [there[i] for i in sorted(unsettled(points(there, question), question.margin))]
    dice.shuffle(chosen)
    return chosen


def has_had_its_share(measured: MeasuredCell) -> bool:
    """It had its fewest blocks, whether or not the machine disturbed them: the time given may end the sweep."""
    return len(measured.blocks) + len(measured.spoilt) >= FEWEST_BLOCKS
