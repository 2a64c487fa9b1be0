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

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Record:
    """Rows of intended, started and done, in nanoseconds of the run's clock, and the outcome."""

    def __init__(self) -> None:
        self._rows = array("q")

    def __len__(self) -> int:
        return len(self._rows) // 4

    def add(self, intended: int, started: int, done: int, outcome: Outcome) -> None:
        self._rows.extend((intended, started, done, outcome))

    def add_never_started(self, intended: Ints) -> None:
        """Requests that were due, and for which there was no place until the end."""
        never = np.full(len(intended), NEVER)
        rows = np.stack([intended, never, never, np.full(len(intended), UNFINISHED)], axis=1)
        self._rows.frombytes(rows.astype(np.int64).tobytes())

    def rows(self, origin: int, *, since: int = 0) -> Rows:
        """What was recorded, from row ``since`` on, with times counted from ``origin``, in the order of intention."""
        table = np.array(self._rows[4 * since :], dtype=np.int64).reshape(-1, 4)
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
