"""The rows of a run: times and outcome of every request, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

OutcomeCode: TypeAlias = Literal[0, 1, 2, 3, 4]
OK: OutcomeCode = 0
FAILED: OutcomeCode = 1
WRONG: OutcomeCode = 2
TIMED_OUT: OutcomeCode = 3
UNFINISHED: OutcomeCode = 4
OUTCOMES = ("ok", "failed", "wrong", "timed_out", "unfinished")
"""Names of the outcomes in files, by number."""
NEVER = -1
"""In place of a time: it did not start, or was not done."""

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


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
    def begun(self) -> NDArray[np.bool_]:
        """Those that were started."""
        return np.not_equal(self.started, NEVER)

    @property
    def response(self) -> Floats:
        """Seconds from intention to answer; ``inf`` for those that had no good one."""
        return np.where(self.outcome == OK, (self.done - self.intended) / 1e9, np.inf)

    @property
    def service(self) -> Floats:
        """Seconds from start to answer, of those that were started; ``inf`` for those that had no good one."""
        answered = np.where(self.outcome == OK, (self.done - self.started) / 1e9, np.inf)
        return np.asarray(answered[self.begun], dtype=np.float64)

    @property
    def lag(self) -> Floats:
        """Seconds from intention to start; ``inf`` for those never started."""
        return np.where(self.begun, (self.started - self.intended) / 1e9, np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """The rows of one run, and the run they belong to."""

    case: str
    """Name with parameters, such as "embed_documents(documents=20)"; of ``versus``, the name of the side."""
    label: str = ""
    """Part of a measurement: the rate of a step, such as "40/s"."""
    valid: bool = True
    """The verdict on the run was not "invalid"."""
    started: float = 0.0
    """Start of the run, in seconds since 1970 (UTC); 0 if unknown."""
    rows: Rows
    texts: Ints | None = None
    """Texts in each request; ``None`` where the requests are not texts, ``NEVER`` for requests that never started."""
    characters: Ints | None = None
    """Characters in each request, all of its texts together."""

    @property
    def name(self) -> str:
        """Case and label."""
        return f"{self.case} at {self.label}" if self.label else self.case
