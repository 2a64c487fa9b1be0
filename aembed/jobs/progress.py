"""Progress and results of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aembed.jobs.record import Dtype

JobPhase: TypeAlias = Literal["opening", "reading", "embedding", "writing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """A moment of a job, its beginning by default.

    Counts are of all its runs; ``cost`` is in US dollars, ``paused`` in seconds.
    """

    phase: JobPhase = "opening"
    rows: int = 0
    """Rows of the input; while it is read for the first time, those counted so far."""
    done: int = 0
    """Rows embedded, or found not to be embeddable; in the phase "writing", rows written."""
    resumed: int = 0
    """Those of them that an earlier run has done."""
    rejected: int = 0
    tokens: int | None = 0
    cost: float | None = None
    waiting_for: str = ""
    """Resource that the account waits for, as in ``Statistics``: "slots", "requests", "tokens", ..., or ""."""
    paused: float = 0.0
    retries: int = 0
    """Requests sent again since a row was done last: more and more of them where a server does not answer."""
    limited: bool = False
    """True if the provider rejected requests since then because they came too fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """Result of a job. Every row of the input is either embedded or rejected.

    In a ``.npy`` output row ``i`` is that of row ``i`` of the input, and NaN if that was rejected; other outputs leave
    rejected rows out. ``tokens``, ``requests`` and ``cost`` (US dollars) are of all runs, as far as the provider
    reports them; ``elapsed`` is of this one, in seconds.
    """

    outputs: tuple[str, ...]
    rows: int
    rejected: int
    rejects: Path | None
    """List of the rejected rows, if there are any."""
    blank: int
    """Blank lines of a text or JSONL file. They are not rows."""
    grown: bool
    """True if rows were appended to the input while the job ran. They are not in the output."""
    resumed: int
    """Rows that earlier runs had done."""
    reused: int
    """Rows whose vectors come from an output that was there: with ``update``, or for a further output."""
    kept: int
    """Rows at the end of the output that are no longer in the input, with ``keep``. They are not among ``rows``."""
    was_complete: bool
    """True if the outputs were complete already, and nothing was done."""
    cache_dropped: int
    """Rows for which the cache had no room within its limit, or has none any more; the next job pays for them again."""
    cache_failures: int
    """Rows that the cache failed to look up or to store, as on a full disk; the next job pays for them again."""
    truncated: int
    """Texts that were cut to the model's length (only with ``overlong="truncate"``)."""
    model: str
    language: str | None
    """The language of the model, where it has one."""
    unknown_tokens: float | None
    """The share of tokens that the model does not know, from 0 to 1, in a sample of the input; ``None`` where the
    model's tokenizer is not in this process."""
    dim: int
    """Dimensions of the model; a binary vector has an eighth of it in bytes."""
    dtype: Dtype
    requests: int
    tokens: int | None
    cost: float | None
    elapsed: float

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def embedded(self) -> int:
        """Rows with a vector."""
        return self.rows - self.rejected
