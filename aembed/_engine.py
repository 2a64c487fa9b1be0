"""Texts -> vectors, in a straight line: plan -> fan out -> retry(admit(timeout(provider.embed)) -> check) -> place.

- Retry is outside admission: a sleeping retry holds no slot, and every attempt pays the quota.
- The timeout is inside: waiting in our own queue is not the provider being slow. The deadline covers all.
- The check is inside the retried part, and before anything is kept.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import anyio

from aembed._check import check, normalize
from aembed._config import Options
from aembed._errors import (
    AembedError,
    BadTextError,
    BatchTooLargeError,
    ProviderError,
    RequestTimeoutError,
    TextTooLongError,
)
from aembed._events import BatchFailed, BatchSplit, Event, RequestDone, RetryScheduled, Statistics
from aembed._fan_out import fan_out
from aembed._gate import Gate
from aembed._job import Job
from aembed._plan import halves, plan, take
from aembed._retry import next_delay
from aembed._types import Batch, Kind, OnError, Provider, Reply, Vectors


class Engine:
    """Runs the calls of one embedder. ``spec`` is the provider's, with what the options and replies have taught."""

    def __init__(self, provider: Provider, gate: Gate, options: Options) -> None:
        spec = provider.spec
        if options.batch_size is not None:
            spec = replace(spec, max_batch_texts=min(options.batch_size, spec.max_batch_texts or options.batch_size))
        self.spec = spec
        self.gate = gate
        self._provider = provider
        self._options = options
        self._timeout = options.timeout if "timeout" in options.model_fields_set else spec.timeout
        self._emit: Callable[[Event], None] | None = options.on_event
        self._texts = self._tokens = self._requests = self._retries = self._failed = 0

    async def run(
        self,
        texts: Sequence[str],
        kind: Kind,
        *,
        on_error: OnError = "raise",
        out: Vectors | None = None,
        deadline: float | None = None,
    ) -> Job:
        """Embed checked texts. Raises the error that stopped the call, with the partial result attached."""
        job = Job(texts, kind, on_error, out)
        deadline = deadline if deadline is not None else self._options.deadline
        if deadline is None:
            await self._run(job)
        else:
            with anyio.move_on_after(deadline) as scope:
                await self._run(job)
            if scope.cancelled_caught:
                job.expire(deadline)
        if job.error is not None:
            job.error.partial = job.result(self.spec.dim)
            raise job.error
        return job

    def statistics(self) -> Statistics:
        return Statistics(
            texts=self._texts,
            tokens=self._tokens,
            requests=self._requests,
            retries=self._retries,
            failed=self._failed,
            in_flight=self.gate.in_flight,
            waiting=self.gate.waiting,
        )

    async def _run(self, job: Job) -> None:
        batches = plan(job.texts, self.spec)
        if len(batches) == 1:
            await self._deliver(job, batches[0])
        elif batches:
            await fan_out(partial(self._deliver, job), batches, max_at_once=self.gate.slots)

    async def _deliver(self, job: Job, batch: Batch) -> None:
        """Bring one batch to its end: placed, failed, or parted and each part brought to its end."""
        if job.stopped:
            job.skip(batch)
            return
        job.begin(batch)
        try:
            reply, vectors = await self._send(batch.texts, job.kind)
        except AembedError as error:
            await self._recover(job, batch, error)
        else:
            job.place(batch, reply, vectors)

    async def _recover(self, job: Job, batch: Batch, error: AembedError) -> None:
        """A batch was refused: set the culprit aside if it is known, look for it if there is one, or give up."""
        culprit, parts = _parts(batch, error)
        if culprit is not None:
            self._give_up(job, culprit, error)
        if parts and self._emit is not None:
            self._emit(BatchSplit(model=self.spec.name, kind=job.kind, texts=len(batch), error=error))
        for part in parts:
            await self._deliver(job, part)

    def _give_up(self, job: Job, batch: Batch, error: AembedError) -> None:
        job.fail(batch, error)
        self._failed += len(batch)
        if self._emit is not None:
            self._emit(BatchFailed(model=self.spec.name, kind=job.kind, texts=len(batch), error=error))

    async def _send(self, texts: Sequence[str], kind: Kind) -> tuple[Reply, Vectors]:
        """Try until it works or the policy says enough."""
        attempt = 1
        while True:
            try:
                return await self._attempt(texts, kind, attempt)
            except ProviderError as error:
                error.attempts = attempt
                error.provider = error.provider or self.spec.provider
                delay = next_delay(self._options.retry, attempt, error, random.random())  # noqa: S311
                if delay is None:
                    raise
                self._retries += 1
                if self._emit is not None:
                    self._emit(
                        RetryScheduled(
                            model=self.spec.name, kind=kind, texts=len(texts), attempt=attempt, delay=delay, error=error
                        )
                    )
            await anyio.sleep(delay)
            attempt += 1

    async def _attempt(self, texts: Sequence[str], kind: Kind, attempt: int) -> tuple[Reply, Vectors]:
        if not self.gate.try_enter(kind):
            await self.gate.wait(kind)
        started = time.perf_counter() if self._emit is not None else 0.0
        self._requests += 1
        try:
            reply = await self._embed(texts, kind)
        finally:
            self.gate.leave()
        vectors = check(reply, len(texts), self.spec.dim, self.spec)
        self._learn(reply, vectors)
        if self._emit is not None:
            self._emit(
                RequestDone(
                    model=self.spec.name,
                    kind=kind,
                    texts=len(texts),
                    tokens=reply.tokens,
                    truncated=len(reply.truncated),
                    attempt=attempt,
                    elapsed=time.perf_counter() - started,
                )
            )
        return reply, vectors

    async def _embed(self, texts: Sequence[str], kind: Kind) -> Reply:
        if self._timeout is None:
            return await self._provider.embed(texts, kind=kind)
        with anyio.move_on_after(self._timeout):
            return await self._provider.embed(texts, kind=kind)
        raise RequestTimeoutError(f"{self.spec.name} did not answer within the timeout of {self._timeout} s")

    def _learn(self, reply: Reply, vectors: Vectors) -> None:
        if self.spec.dim is None:
            self.spec = replace(self.spec, dim=vectors.shape[1])
        if self._options.normalize:
            normalize(vectors)
        self._texts += len(vectors)
        self._tokens += reply.tokens or 0


def _parts(batch: Batch, error: AembedError) -> tuple[Batch | None, tuple[Batch, ...]]:
    """The part of a refused batch that has failed for good, and the parts still worth sending."""
    if len(batch) > 1 and isinstance(error, BatchTooLargeError):
        return None, halves(batch)
    if len(batch) > 1 and isinstance(error, (BadTextError, TextTooLongError)):
        if error.index is None:
            return None, halves(batch)
        culprit, error.index = error.index, 0
        rest = [position for position in range(len(batch)) if position != culprit]
        return take(batch, [culprit]), (take(batch, rest),)
    return batch, ()
