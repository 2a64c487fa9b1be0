"""Texts -> vectors, in a straight line: plan -> fan out -> retry(admit(timeout(provider.embed)) -> check) -> place.

- Retry is outside admission: a sleeping retry holds no slot, and every attempt pays the quota.
- The timeout is inside: waiting in our own queue is not the provider being slow. The deadline covers all.
- The check is inside the retried part, and before anything is cached.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from aembed._engine import overlong
from aembed._engine.attempt import Attempt
from aembed._engine.batch_cap import BatchCap
from aembed._engine.call import EmbedCall
from aembed._engine.check import check_reply
from aembed._engine.fan_out import fan_out
from aembed._engine.isolation import may_be_a_text
from aembed._engine.layer import Recipient, StoppedMeanwhile
from aembed._engine.listeners import Listener
from aembed._engine.plan import plan
from aembed._engine.proof import Proof, worth_asking
from aembed._engine.recorder import Recorder, about_embedder
from aembed._engine.recovery import Recovery
from aembed._engine.retry import Retry
from aembed._engine.timed_provider import TimedProvider
from aembed._errors import AembedError, ProviderError
from aembed._gate import Gate, PausedBeyondDeadline
from aembed._settings.options import Options
from aembed._statistics import Statistics
from aembed._types import Batch, MeasuresTexts, ModelSpec, Provider, Reply, TextSize

MAX_TEXTS_SORTED_ON_LOOP = 5_000
"""Texts that are sorted by length in a few milliseconds; more are sorted in a worker thread."""
MAX_NUMBERS_CHECKED_ON_LOOP = 2**20
"""Numbers in a reply whose check takes well under a millisecond; larger replies are checked in a worker thread."""


class Engine:
    """The layer that sends requests. One for each embedder."""

    def __init__(
        self,
        provider: Provider,
        gate: Gate,
        options: Options,
        listeners: Sequence[Listener] = (),
        *,
        name: str | None = None,
    ) -> None:
        spec = provider.spec
        if options.batch_size is not None:
            spec = replace(spec, max_batch_texts=min(options.batch_size, spec.max_batch_texts or options.batch_size))
        if options.on_event is not None:
            listeners = [*listeners, options.on_event]
        self.spec = spec
        """The provider's, with the batch size of the options and the dimension of the first reply."""
        self.gate = gate
        self.recorder = Recorder(about_embedder(provider, name), listeners)
        self.recorder.cost = spec.cost
        self._watch_gate()
        timeout = options.timeout if "timeout" in options.model_fields_set else spec.timeout
        self._provider = TimedProvider(provider, timeout)
        self._policy = options.retry
        self._normalize = options.normalize
        self._cap = BatchCap()
        counts = self.recorder.counts
        self._proof = Proof(lambda: counts.texts, self.send)
        self._recovery = Recovery(self, self._proof, self._cap, self.recorder, options.overlong)

    @property
    def is_down(self) -> bool:
        """True while every request of the account fails."""
        return self.gate.account.is_down

    def effective_spec(self) -> ModelSpec:
        """``spec``, with batches no larger than the quotas and earlier rejections allow."""
        return self._cap.fit(self.gate.fitted(self.spec))

    def measure(self, texts: Sequence[str]) -> list[TextSize]:
        """The length of each text, by the provider's tokenizer or from its characters."""
        if isinstance(self._provider.inner, MeasuresTexts):
            return self._provider.inner.measure(texts)
        return [overlong.estimated_size(text, self.spec.max_text_tokens) for text in texts]

    def add_listener(self, listener: Listener) -> None:
        self.recorder.listeners.add(listener)
        self._watch_gate()

    def _watch_gate(self) -> None:
        """Report the gate's events to the listeners, as every embedder that uses the gate does."""
        if self.recorder.listeners.emit is not None:
            self.gate.observe(self.recorder.listeners)

    def close(self) -> None:
        """Stop reporting the gate's events; nothing more will be sent."""
        self.gate.forget(self.recorder.listeners)

    def expire(self, call: EmbedCall, seconds: float, option: str = "deadline") -> None:
        """End a call that has run out of time."""
        why = self.gate.account.trouble(anyio.current_time()), self.gate.paused() or None
        self.recorder.deadline_exceeded(call, seconds, *call.expire(seconds, option, *why))

    def is_late(self, call: Recipient) -> bool:
        """True if the account is paused until after the deadline of the call."""
        if self.gate.is_available:
            return False
        reservation = self.gate.reservation(call.kind, call.texts, self._policy.max_retry_after)
        reservation.deadline = call.first_due(Batch(call.texts, slice(0, len(call.texts))))
        return isinstance(self.gate.pointless(anyio.current_time(), reservation), PausedBeyondDeadline)

    def statistics(self) -> Statistics:
        return self.recorder.statistics(self.gate.snapshot())

    def run(self, call: Recipient) -> Coroutine[Any, Any, None]:
        if len(call.texts) == 1:  # the shortest path, for a query
            return self.deliver(call, Batch(call.texts, slice(0, 1)))
        return self._run_batches(call)

    async def _run_batches(self, call: Recipient) -> None:
        spec = self.effective_spec()
        if spec.pads and len(call.texts) > MAX_TEXTS_SORTED_ON_LOOP:
            batches = await anyio.to_thread.run_sync(plan, call.texts, spec)
        else:
            batches = plan(call.texts, spec)
        if len(batches) == 1:
            await self.deliver(call, batches[0])
        elif batches:
            deliver = call.cancellable(partial(self.deliver, call))
            await fan_out(deliver, batches, max_at_once=self.gate.most_at_once)

    async def deliver(self, call: Recipient, batch: Batch) -> None:
        """Bring one batch to its end: placed, failed, or split and each part brought to its end."""
        left = [batch]  # not by recursion: as many parts may follow from each other as there are texts
        while left:
            batch = left.pop()
            if not call.wants(batch):
                call.skip(batch)
                continue
            if self._cap.is_exceeded_by(batch):
                left += reversed(self._cap.parts(batch))
                continue
            delivered = self.recorder.counts.texts
            try:
                await self.send(call, batch)
            except PausedBeyondDeadline as pause:
                if call.run_out(batch, pause.until):
                    left.append(batch)
            except StoppedMeanwhile:
                call.skip(batch)
            except AembedError as error:
                left += reversed(await self._recovery.parts(call, batch, error, delivered))

    async def send(self, call: Recipient, batch: Batch, *, once: bool = False) -> None:
        """Send a batch until it is placed, or no call has time to wait; raises the error of the last attempt.

        ``once``: only a 429 is followed by another attempt.
        """
        retry = Retry(self._policy, self.gate.account, len(batch.texts), once=once or call.is_probe)
        while True:
            record = call.record  # that of a shared call appears when the first call with listeners joins
            retry.begin()
            try:
                if record is None:
                    return await self._attempt(call, batch, retry)
                attempt = Attempt(self.recorder, call, batch, record, retry.attempts)
                try:
                    return await self._attempt(call, batch, retry, attempt)
                except BaseException as error:
                    attempt.failed(error)
                    raise
            except ProviderError as error:
                delay = await self._delay_after(error, call, batch, retry)
                if delay is None:
                    raise
            if delay:
                if not call.run_out(batch, anyio.current_time() + self.gate.paused()):
                    return None
                await (anyio.sleep(delay) if record is None else record.sleep(delay))
                if not call.wants(batch):
                    raise StoppedMeanwhile

    async def _delay_after(self, error: ProviderError, call: Recipient, batch: Batch, retry: Retry) -> float | None:
        error.attempts = retry.attempts
        error.provider = error.provider or self.spec.provider
        call.count(0, error.maybe_billed)
        call.attempt_failed(batch, error)
        self.recorder.attempt_failed(error)
        if self.is_down and may_be_a_text(error) and worth_asking(call, error):
            await self._proof.works(call, self._recovery.delivered)  # if it works, only this batch is bad
        delay = retry.after(error)
        if delay is not None:
            self.recorder.retry_scheduled(call, batch, error, retry.attempts, delay)
        return delay

    async def _attempt(self, call: Recipient, batch: Batch, retry: Retry, attempt: Attempt | None = None) -> None:
        """Admission, one request, the check, and the placing of the rows. ``attempt``: for listeners."""
        patience = self._policy.max_retry_after
        reservation = self.gate.reservation(call.kind, batch.texts, patience, owner=self)
        if retry.goes_first or not self.gate.try_enter(reservation):
            if attempt is not None:
                attempt.waits()
            reservation.deadline = call.first_due(batch)
            await self.gate.wait(reservation, first=retry.goes_first)
            if not call.wants(batch):
                self.gate.give_back(reservation)
                raise StoppedMeanwhile
        if attempt is not None:
            attempt.sends()
        reply: Reply | None = None
        failure: AembedError | None = None
        self.recorder.counts.requests += 1
        call.begin(batch)
        call.count(1)
        provider = self._provider
        rows = call.rows(batch, self.spec.dim) if provider.writes_rows else None
        try:
            time_left = call.due - reservation.sent_at
            reply = provider.checked(await provider.embed(batch.texts, call.kind, rows, time_left))
        except AembedError as error:
            failure = error
            raise
        finally:
            self.gate.leave(reservation, reply, failure)
            failure = None  # its traceback refers to this frame
        assert reply is not None, "an error was raised otherwise"
        texts, spec = len(batch.texts), self.spec
        in_place = rows is not None and reply.vectors is rows
        if texts * (spec.dim or 0) < MAX_NUMBERS_CHECKED_ON_LOOP:
            vectors = check_reply(reply, texts, spec, in_place=in_place, scale=self._normalize)
        else:
            check = partial(check_reply, reply, texts, spec, in_place=in_place, scale=self._normalize)
            vectors = await anyio.to_thread.run_sync(check)
        self._cap.accepted(texts)
        if self.spec.dim is None:  # the first reply shows it
            self.spec = replace(spec, dim=vectors.shape[1])
        if attempt is not None:
            attempt.answered(reply)
        call.place(batch, reply, vectors, in_place=in_place)
        self.recorder.delivered(call, batch, reply, attempt)
