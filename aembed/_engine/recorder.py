"""One embedder's counters, and the only place that builds its events. None is built without a listener."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from aembed._engine.attempt import Attempt
from aembed._engine.layer import Recipient
from aembed._engine.listeners import Listener, Listeners, logger
from aembed._errors import AembedError, DeadlineError, ProviderError
from aembed._events import (
    BatchFailed,
    BatchSplit,
    DeadlineExceeded,
    OtherModel,
    RequestDone,
    RequestFailed,
    RetryScheduled,
    StoreFailed,
    built,
)
from aembed._gate import Snapshot
from aembed._statistics import EmbedderCounts, Statistics
from aembed._types import Batch, Kind, Provider, Reply

MAX_OTHER_MODELS = 10
"""Names of other models that are logged, each once: a gateway that invents names must not fill the log."""


class About(TypedDict):
    """Fields that all events of an embedder have."""

    embedder: str
    provider: str
    model: str
    server: str | None
    port: int | None


def about_embedder(provider: Provider, name: str | None) -> About:
    """``name`` is the one it was opened with; a provider that asks a server may have its address as ``url``."""
    spec = provider.spec
    server, port = _address(getattr(provider, "url", None))
    known_as = name or f"{spec.provider}:{spec.name}"
    return About(embedder=known_as, provider=spec.provider, model=spec.name, server=server, port=port)


def _address(url: object) -> tuple[str | None, int | None]:
    if not isinstance(url, str):
        return None, None
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class AboutBatch(About):
    """Fields that all events of a batch have."""

    kind: Kind
    texts: int
    calls: tuple[int, ...]


class Recorder:
    """Everything worth counting or reporting goes through here."""

    def __init__(self, about: About, listeners: Sequence[Listener]) -> None:
        self.about = about
        self.counts = EmbedderCounts()
        self.cache_dropped: Callable[[], int] = int
        """Rows for which the cache had no room; set by the cache layer."""
        self.cost: Callable[[int | None], float | None] = lambda tokens: None
        """US dollars for so many tokens; set by the engine, whose model has a price."""
        self._other_models: set[str] = set()
        self.listeners = Listeners(listeners, self.counts)

    def delivered(self, call: Recipient, batch: Batch, reply: Reply, attempt: Attempt | None) -> None:
        texts = len(batch.texts)
        self.counts.texts += texts
        self.counts.tokens += reply.tokens or 0
        if reply.other_model is not None:
            self._other_model(call, texts, reply.other_model)
        if attempt is not None:
            emit = self.listeners.emit_request if len(attempt.calls) == 1 else self.listeners.emit_shared_request
            if emit is not None:
                emit(self._request_done(call, texts, reply, attempt))

    def _request_done(self, call: Recipient, texts: int, reply: Reply, attempt: Attempt) -> RequestDone:
        return built(
            RequestDone,
            {
                **self.about,
                "kind": call.kind,
                "texts": texts,
                "calls": attempt.calls,
                "tokens": reply.tokens,
                "truncated": len(reply.truncated),
                "attempt": attempt.number,
                "elapsed": attempt.elapsed,
                "waited": attempt.waited,
                "cost": self.cost(reply.tokens),
                "request_id": reply.request_id,
                "response_model": reply.other_model,
                "phases": attempt.phases,
            },
        )

    def request_failed(self, call: Recipient, batch: Batch, attempt: Attempt, error: AembedError | None) -> None:
        if (emit := self.listeners.emit) is not None:
            emit(
                RequestFailed(
                    **self.about,
                    kind=call.kind,
                    texts=len(batch),
                    calls=attempt.calls,
                    attempt=attempt.number,
                    elapsed=attempt.elapsed,
                    waited=attempt.waited,
                    error=error,
                    request_id=error.request_id if isinstance(error, ProviderError) else None,
                )
            )

    def attempt_failed(self, error: ProviderError) -> None:
        kind, errors = type(error).__name__, self.counts.errors
        self.counts.errors = {**errors, kind: errors.get(kind, 0) + 1}

    def retry_scheduled(self, call: Recipient, batch: Batch, error: AembedError, attempt: int, delay: float) -> None:
        self.counts.retries += 1
        if (emit := self.listeners.emit) is not None:
            emit(RetryScheduled(**self._about(call, batch), attempt=attempt, delay=delay, error=error))

    def batch_split(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        if (emit := self.listeners.emit) is not None:
            emit(BatchSplit(**self._about(call, batch), error=error))

    def batch_failed(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        self.counts.failed += len(batch)
        if (emit := self.listeners.emit) is not None:
            emit(BatchFailed(**self._about(call, batch), error=error))

    def _about(self, call: Recipient, batch: Batch) -> AboutBatch:
        return AboutBatch(**self.about, kind=call.kind, texts=len(batch), calls=call.numbers(batch))

    def deadline_exceeded(
        self, call: Recipient, seconds: float, error: DeadlineError, failed: int, not_attempted: int
    ) -> None:
        self.counts.deadlines += 1
        self.counts.failed += failed
        if (emit := self.listeners.emit) is not None:
            emit(
                DeadlineExceeded(
                    model=self.about["model"],
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
            emit(StoreFailed(model=self.about["model"], operation=operation, texts=texts, error=error))

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
            emit(OtherModel(model=self.about["model"], answered=name, kind=call.kind, texts=texts))
        if name not in self._other_models and len(self._other_models) < MAX_OTHER_MODELS:
            self._other_models.add(name)
            words = "%s answered with the model %r where %r was asked for; strict=True makes this an error"
            logger.warning(words, self.about["provider"], name, self.about["model"])
