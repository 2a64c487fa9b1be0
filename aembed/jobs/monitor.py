"""Progress of a job, collected from its parts."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

import anyio

from aembed import Embedder
from aembed.jobs.journal import JobTotals
from aembed.jobs.ledger import Ledger
from aembed.jobs.paths import Output
from aembed.jobs.progress import JobPhase, JobProgress, JobReport
from aembed.jobs.record import Dtype
from aembed.jobs.survey import Survey
from aembed.jobs.threads import task_group

ProgressListener: TypeAlias = Callable[[JobProgress], None]

PROGRESS_INTERVAL_S = 0.2
"""Seconds between two reports of progress."""


class Monitor:
    """Filled in as the job gets on."""

    def __init__(self, listener: ProgressListener | None) -> None:
        self.phase: JobPhase = "opening"
        self.survey = Survey()
        self.embedder: Embedder | None = None
        self.ledger: Ledger | None = None
        self.written = 0
        self.was_complete = False
        self.grown = False
        self._moved = 0, 0, 0
        """Rows done, with the retries and 429s at that time."""
        self._listener = listener

    def telling(self) -> _Telling:
        """Report progress to the listener while the block runs, and when it ends."""
        return _Telling(self._listener, self._progress)

    def report(
        self, outputs: tuple[Output, ...], dim: int, totals: JobTotals, elapsed: float, *, dtype: Dtype
    ) -> JobReport:
        assert self.embedder is not None, "it is open as long as there is work"
        spec, statistics = self.embedder.spec, self.embedder.statistics()
        return JobReport(
            outputs=tuple(output.name for output in outputs),
            rows=self.survey.rows,
            rejected=totals.rejected,
            rejects=outputs[0].rejects if totals.rejected else None,
            blank=self.survey.blank,
            grown=self.grown,
            resumed=self.survey.rows if self.ledger is None else self.ledger.earlier.total,
            reused=totals.reused,
            kept=totals.kept,
            was_complete=self.was_complete,
            cache_dropped=statistics.cache_dropped,
            cache_failures=statistics.cache_failures,
            truncated=totals.truncated,
            model=f"{spec.provider}:{spec.name}",
            language=spec.language,
            unknown_tokens=self.survey.unknown_tokens,
            dim=dim,
            dtype=dtype,
            requests=totals.requests,
            tokens=totals.tokens,
            cost=spec.cost(totals.tokens),
            elapsed=elapsed,
        )

    def _progress(self) -> JobProgress:
        survey, ledger = self.survey, self.ledger
        now = None if self.embedder is None else self.embedder.statistics()
        tokens = 0 if ledger is None else ledger.tokens
        done = 0 if ledger is None else ledger.done
        if now is not None and done != self._moved[0]:
            self._moved = done, now.retries, now.refusals
        _, retries, rejections = self._moved
        return JobProgress(
            phase=self.phase,
            rows=survey.rows,
            done=0 if ledger is None else self.written if self.phase == "writing" else ledger.done,
            resumed=0 if ledger is None else ledger.earlier.total,
            rejected=survey.faulty + (0 if ledger is None else ledger.rejected),
            tokens=tokens,
            cost=None if self.embedder is None else self.embedder.spec.cost(tokens),
            waiting_for="" if now is None else now.waiting_for,
            paused=0.0 if now is None else now.paused,
            retries=0 if now is None else now.retries - retries,
            limited=now is not None and now.refusals > rejections,
        )


class _Telling:
    """Reports several times a second while a block runs, and once more when it has ended."""

    def __init__(self, listener: ProgressListener | None, progress: Callable[[], JobProgress]) -> None:
        self._listener = listener
        self._progress = progress
        self._group = task_group()

    async def __aenter__(self) -> None:
        self._tasks = await self._group.__aenter__()
        if self._listener is not None:
            self._tasks.start_soon(self._keep_telling, self._listener)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            if self._listener is not None:
                self._listener(self._progress())
        except BaseException as failure:  # a cancellation too: the group has to be left in any case
            await self._group.__aexit__(type(failure), failure, failure.__traceback__)
            raise
        return await self._group.__aexit__(kind, error, trace)

    async def _keep_telling(self, listener: ProgressListener) -> None:
        while True:
            listener(self._progress())
            await anyio.sleep(PROGRESS_INTERVAL_S)
