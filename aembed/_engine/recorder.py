"""One embedder's counters, and the only place that builds its events. None is built while nobody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal

from aembed._engine.layer import Recipient
from aembed._engine.listeners import Listener, Listeners, logger
from aembed._errors import AembedError, DeadlineError
from aembed._events import (
    BatchFailed,
    BatchSplit,
    Counts,
    DeadlineExceeded,
    OtherModel,
    RequestDone,
    RetryScheduled,
    Statistics,
    StoreFailed,
)
from aembed._gate import Snapshot
from aembed._types import Batch, ModelSpec, Reply

MAX_OTHER_MODELS = 10
"""Names of other models that are logged, each once: a gateway that invents names must not fill the log."""


class Recorder:
    """Everything worth counting or reporting goes through here."""

    def __init__(self, spec: ModelSpec, listeners: Sequence[Listener]) -> None:
        self.counts = Counts()
        self.cache_dropped: Callable[[], int] = int
        """Rows for which the cache had no room; set by the cache layer."""
        self._model = spec.name
        self._provider = spec.provider
        self._other_models: set[str] = set()
        self.listeners = Listeners(listeners, self.counts)

    def delivered(self, call: Recipient, batch: Batch, reply: Reply, attempt: int, started: float) -> None:
        texts = len(batch.texts)
        self.counts.texts += texts
        self.counts.tokens += reply.tokens or 0
        if reply.other_model is not None:
            self._other_model(call, texts, reply.other_model)
        if (emit := self.listeners.emit_request) is not None:
            emit(
                RequestDone(
                    model=self._model,
                    kind=call.kind,
                    texts=texts,
                    tokens=reply.tokens,
                    truncated=len(reply.truncated),
                    attempt=attempt,
                    elapsed=time.perf_counter() - started,
                )
            )

    def retry_scheduled(self, call: Recipient, batch: Batch, error: AembedError, attempt: int, delay: float) -> None:
        self.counts.retries += 1
        if (emit := self.listeners.emit) is not None:
            model, kind, texts = self._model, call.kind, len(batch)
            emit(RetryScheduled(model=model, kind=kind, texts=texts, attempt=attempt, delay=delay, error=error))

    def batch_split(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        if (emit := self.listeners.emit) is not None:
            emit(BatchSplit(model=self._model, kind=call.kind, texts=len(batch), error=error))

    def batch_failed(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        self.counts.failed += len(batch)
        if (emit := self.listeners.emit) is not None:
            emit(BatchFailed(model=self._model, kind=call.kind, texts=len(batch), error=error))

    def deadline_exceeded(
        self, call: Recipient, seconds: float, error: DeadlineError, failed: int, not_attempted: int
    ) -> None:
        self.counts.deadlines += 1
        self.counts.failed += failed
        if (emit := self.listeners.emit) is not None:
            emit(
                DeadlineExceeded(
                    model=self._model,
                    kind=call.kind,
                    texts=len(call.texts),
                    failed=failed,
                    not_attempted=not_attempted,
                    deadline=seconds,
                    error=error,
                )
            )

    def store_failed(self, operation: Literal["get", "put"], texts: int, error: Exception) -> None:
        self.counts.cache_failures += texts
        if (emit := self.listeners.emit) is not None:
            emit(StoreFailed(model=self._model, operation=operation, texts=texts, error=error))

    def statistics(self, gate: Snapshot) -> Statistics:
        return Statistics(
            **asdict(self.counts),
            cache_dropped=self.cache_dropped(),
            in_flight=gate.in_flight,
            waiting=gate.waiting,
            waiting_for=gate.waiting_for,
            paused=gate.paused,
            refusals=gate.rejections,
            slots=gate.slots,
            requests_per_minute=gate.requests_per_minute,
            tokens_per_minute=gate.tokens_per_minute,
            inputs_per_minute=gate.inputs_per_minute,
        )

    def _other_model(self, call: Recipient, texts: int, name: str) -> None:
        if (emit := self.listeners.emit) is not None:
            emit(OtherModel(model=self._model, answered=name, kind=call.kind, texts=texts))
        if name not in self._other_models and len(self._other_models) < MAX_OTHER_MODELS:
            self._other_models.add(name)
            words = "%s answered with the model %r where %r was asked for; strict=True makes this an error"
            logger.warning(words, self._provider, name, self._model)
