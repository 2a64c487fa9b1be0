"""What the parts of a job say of themselves, brought together for whoever watches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio

from aembed import Embedder
from aembed.jobs.journal import Totals
from aembed.jobs.ledger import Ledger
from aembed.jobs.place import Place
from aembed.jobs.progress import JobProgress, JobReport, Phase
from aembed.jobs.steps import task_group
from aembed.jobs.survey import Survey

Listener: TypeAlias = Callable[[JobProgress], None]

TOLD_EVERY = 0.2
"""Seconds between two reports of progress."""


class Monitor:
    """Filled in as the job gets on."""

    def __init__(self, listener: Listener | None) -> None:
        self.phase: Phase = "opening"
        self.survey = Survey()
        self.embedder: Embedder | None = None
        self.ledger: Ledger | None = None
        self.written = 0
        self._listener = listener

    @asynccontextmanager
    async def telling(self) -> AsyncGenerator[None, None]:
        """Tell the listener how it gets on, while the block runs and when it ends."""
        if self._listener is None:
            yield
            return
        async with task_group() as tasks:
            tasks.start_soon(self._keep_telling, self._listener)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                self._listener(self._progress())

    def report(self, place: Place, dim: int, totals: Totals, elapsed: float) -> JobReport:
        assert self.embedder is not None, "it is open as long as there is work"
        spec = self.embedder.spec
        return JobReport(
            output=place.name,
            rows=self.survey.rows,
            rejected=totals.rejected,
            rejects=place.rejects if totals.rejected else None,
            blank=self.survey.blank,
            resumed=self.survey.rows if self.ledger is None else self.ledger.earlier.total,
            truncated=totals.truncated,
            model=f"{spec.provider}:{spec.name}",
            dim=dim,
            requests=totals.requests,
            tokens=totals.tokens,
            cost=cost(totals.tokens, spec.price),
            elapsed=elapsed,
        )

    async def _keep_telling(self, listener: Listener) -> None:
        while True:
            listener(self._progress())
            await anyio.sleep(TOLD_EVERY)

    def _progress(self) -> JobProgress:
        survey, ledger = self.survey, self.ledger
        now = None if self.embedder is None else self.embedder.statistics()
        price = None if self.embedder is None else self.embedder.spec.price
        tokens = 0 if ledger is None else ledger.tokens
        return JobProgress(
            phase=self.phase,
            rows=survey.rows,
            done=0 if ledger is None else self.written if self.phase == "writing" else ledger.done,
            resumed=0 if ledger is None else ledger.earlier.total,
            rejected=survey.faulty + (0 if ledger is None else ledger.refused),
            tokens=tokens,
            cost=cost(tokens, price),
            waiting_for="" if now is None else now.waiting_for,
            paused=0.0 if now is None else now.paused,
        )


def cost(tokens: int | None, price: float | None) -> float | None:
    """US dollars, where both are known."""
    return None if tokens is None or price is None else tokens * price / 1e6
