"""What can end a bulk job, beside the provider's own errors.

JobError                 (an AembedError)
├── JobInputError        the input cannot be read, or nothing in it can be embedded
├── JobOutputError       the output cannot stand where it is wanted
├── JobBudgetError       the job would cost more than max_cost
├── JobChangedError      what a journal was begun with is no longer what is asked for
└── JobStoppedError      the job ended before its time; what is done is kept, and the same call goes on from there
"""

from __future__ import annotations

from aembed import AembedError


class JobError(AembedError):
    """Root of what is wrong with a job. Nothing was sent, unless it is a :class:`JobStoppedError`."""


class JobInputError(JobError):
    """The input cannot be read, is not what its format says, or has no row that can be embedded."""


class JobOutputError(JobError):
    """The output has no known format, or cannot be written where it is wanted."""


class JobBudgetError(JobError):
    """The next request would pass ``max_cost``. As the cause of a :class:`JobStoppedError`, if rows are done."""


class JobChangedError(JobError):
    """There is a journal beside the output, begun with another input or other settings."""


class JobStoppedError(JobError):
    """The provider or the disk ended the job; ``__cause__`` says how.

    ``done`` of ``rows`` rows are done. The same call resumes where this one ended.
    """

    def __init__(self, message: str, *, done: int, rows: int) -> None:
        super().__init__(message)
        self.done = done
        self.rows = rows
