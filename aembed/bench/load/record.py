"""The outcome of every request: a row of four int64 (32 B), appended in the run and evaluated after it."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np

from aembed.bench.rows.columns import NEVER, OutcomeCode, Rows

EMPTY = array("q", [NEVER] * 4)
ROWS_PER_GROWTH = 16_384
"""Rows at a time."""
MAX_ROWS = 2_097_152
"""Rows that are kept, 64 MiB; of longer runs the oldest are counted, and forgotten."""
ROWS_AT_ONCE = 2048
"""Rows that are counted together: it takes the loop less than a millisecond."""


class Counting(Protocol):
    """Destination of rows that are counted and dropped."""

    def add(self, rows: Rows, /) -> None: ...


class Record:
    """Rows of intended, started and done, in nanoseconds of the run's clock, and the outcome.

    Room for ``expected`` rows is taken, and touched, beforehand: that the record grows must not look like a leak.
    With a ``fold``, no more than ``MAX_ROWS`` are kept.
    """

    def __init__(self, expected: int = ROWS_PER_GROWTH) -> None:
        self.origin = 0
        """Start of the run, by its clock."""
        self.fold: Counting | None = None
        self._rows = EMPTY * min(expected, MAX_ROWS)
        self._used = 0
        self._free = len(self._rows)
        """End of the free room: rows that were not folded yet, or the end of the array."""
        self._folded = 0

    @classmethod
    def of(cls, rows: array[int]) -> Record:
        """A record of rows that are known, four numbers each, with times from its origin."""
        made = cls(0)
        made._rows, made._used, made._free = rows, len(rows), len(rows)
        return made

    def __len__(self) -> int:
        return self._folded + (self._used + (len(self._rows) - self._free if self._folded else 0)) // 4

    @property
    def folded(self) -> bool:
        """Some rows are counted and dropped."""
        return self._folded > 0

    def add(self, intended: int, started: int, done: int, outcome: OutcomeCode) -> None:
        rows, i = self._rows, self._used
        if i == self._free:
            i = self._make_room()
        self._used = i + 4
        rows[i] = intended
        rows[i + 1] = started
        rows[i + 2] = done
        rows[i + 3] = outcome

    def _make_room(self) -> int:
        """Begin of the free room: behind all others, or once there are too many, in place of the oldest."""
        rows, i = self._rows, self._used
        if not self._folded and (self.fold is None or len(rows) < 4 * MAX_ROWS):
            rows.extend(EMPTY * ROWS_PER_GROWTH)
            self._free = len(rows)
            return i
        begin = i % len(rows)
        self._free = min(begin + 4 * ROWS_AT_ONCE, len(rows))
        self._fold(rows[begin : self._free])
        return begin

    def _fold(self, flat: array[int]) -> None:
        assert self.fold is not None
        self.fold.add(self._table(flat))
        self._folded += len(flat) // 4

    def latest(self, count: int) -> Rows:
        """The last ``count`` rows, of those that are kept; while the run lasts."""
        begin = self._used - 4 * min(count, MAX_ROWS - ROWS_AT_ONCE)
        flat = self._rows[begin : self._used] if begin >= 0 else self._rows[begin:] + self._rows[: self._used]
        return self._table(flat)

    def rows(self) -> Rows:
        """The recorded rows, with times counted from the origin, in the order of intention.

        Once some were folded, all are, and there are none left.
        """
        if self._folded:
            rest = self._rows[self._free :] + self._rows[: self._used]
            self._rows, self._used, self._free = self._rows[:0], 0, 0
            for begin in range(0, len(rest), 4 * ROWS_PER_GROWTH):
                self._fold(rest[begin : begin + 4 * ROWS_PER_GROWTH])
        return self._table(self._rows[: self._used])

    def _table(self, flat: array[int]) -> Rows:
        table = np.array(flat, dtype=np.int64).reshape(-1, 4)
        table = table[np.argsort(table[:, 0], kind="stable")]
        times = np.where(table[:, :3] == NEVER, NEVER, table[:, :3] - self.origin)
        return Rows(intended=times[:, 0], started=times[:, 1], done=times[:, 2], outcome=table[:, 3])
