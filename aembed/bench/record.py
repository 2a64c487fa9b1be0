"""What became of every request: four int64 in a row (32 B), kept as they come and computed on only after the run."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Outcome: TypeAlias = Literal[0, 1, 2, 3, 4]
OK: Outcome = 0
FAILED: Outcome = 1
WRONG: Outcome = 2
TIMED_OUT: Outcome = 3
UNFINISHED: Outcome = 4
NEVER = -1
"""In place of a time: it did not start, or was not done."""
EMPTY = array("q", [NEVER] * 4)
GROWTH = 16_384
"""Rows at a time."""

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Record:
    """Rows of intended, started and done, in nanoseconds of the run's clock, and the outcome.

    Room for ``expected`` rows is taken, and touched, beforehand: that the record grows must not look like a leak.
    """

    def __init__(self, expected: int = GROWTH) -> None:
        self._rows = EMPTY * expected
        self._used = 0

    def __len__(self) -> int:
        return self._used // 4

    def add(self, intended: int, started: int, done: int, outcome: Outcome) -> None:
        rows, i = self._rows, self._used
        if i == len(rows):
            rows.extend(EMPTY * GROWTH)
        self._used = i + 4
        rows[i] = intended
        rows[i + 1] = started
        rows[i + 2] = done
        rows[i + 3] = outcome

    def rows(self, origin: int) -> Rows:
        """What was recorded, with times counted from ``origin``, in the order of intention."""
        table = np.array(self._rows[: self._used], dtype=np.int64).reshape(-1, 4)
        table = table[np.argsort(table[:, 0], kind="stable")]
        times = np.where(table[:, :3] == NEVER, NEVER, table[:, :3] - origin)
        return Rows(intended=times[:, 0], started=times[:, 1], done=times[:, 2], outcome=table[:, 3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A record in columns, in the order of intention. Nanoseconds since the start of the run, or ``NEVER``."""

    intended: Ints
    started: Ints
    done: Ints
    outcome: Ints

    def __len__(self) -> int:
        return len(self.intended)

    @property
    def response(self) -> Floats:
        """Seconds from intention to answer; ``inf`` for those that had no good one."""
        return np.where(self.outcome == OK, (self.done - self.intended) / 1e9, np.inf)

    @property
    def service(self) -> Floats:
        """Seconds from start to answer, of those that were started; ``inf`` for those that had no good one."""
        answered = np.where(self.outcome == OK, (self.done - self.started) / 1e9, np.inf)
        return np.asarray(answered[self.started != NEVER], dtype=np.float64)

    @property
    def lag(self) -> Floats:
        """Seconds from intention to start; ``inf`` for those never started."""
        return np.where(self.started != NEVER, (self.started - self.intended) / 1e9, np.inf)
