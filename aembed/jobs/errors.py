"""Errors that end a bulk job, besides the provider's own.

JobError                 (an AembedError)
├── JobInputError        the input cannot be read, or nothing in it can be embedded
├── JobOutputError       the output cannot be written there
├── JobBudgetError       the job would cost more than max_cost
├── JobChangedError      the input or settings differ from those of the output or the unfinished job
└── JobStoppedError      the job ended early; finished rows are kept, and the same call resumes from there
"""

from __future__ import annotations

from aembed import AembedError


class JobError(AembedError):
    """Root of the errors of jobs. Nothing was sent, unless it is a :class:`JobStoppedError`."""


class JobInputError(JobError):
    """The input cannot be read, is not what its format says, or has no row that can be embedded."""


class JobOutputError(JobError):
    """The output has no known format, or cannot be written where it is wanted."""


class JobBudgetError(JobError):
    """The next request would pass ``max_cost``. As the cause of a :class:`JobStoppedError`, if rows are done."""


class JobChangedError(JobError):
    """The output, or an unfinished job for it, belongs to another input or other settings."""


class JobStoppedError(JobError):
    """The provider or the disk ended the job; ``__cause__`` says how.

    ``done`` of ``rows`` rows are done, both 0 where the disk was full before the input was read. The same call resumes
    where this one ended.
    """

    def __init__(self, message: str, *, done: int = 0, rows: int = 0) -> None:
        super().__init__(message)
        self.done = done
        self.rows = rows
