"""Progress of the texts of a call: one byte for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aembed._types import Batch

NOT_ATTEMPTED, SENT, DONE, FAILED = range(4)
_BYTES = b"\0", b"\1", b"\2", b"\3"


def mark(states: bytearray, batch: Batch, state: int) -> None:
    """Set the state of every text of the batch."""
    if isinstance(batch.rows, slice):
        states[batch.rows] = _BYTES[state] * len(batch.texts)  # for one text a fifth of the time that numpy takes
    else:
        as_array(states)[batch.rows] = state


def as_array(states: bytearray) -> NDArray[np.uint8]:
    """The states themselves, not a copy."""
    return np.frombuffer(states, np.uint8)
