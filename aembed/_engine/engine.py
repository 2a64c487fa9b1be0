"""Texts -> vectors, in a straight line: plan -> fan out -> retry(admit(timeout(provider.embed)) -> check) -> place.

- Retry is outside admission: a sleeping retry holds no slot, and every attempt pays the quota.
- The timeout is inside: waiting in our own queue is not the provider being slow. The deadline covers all.
- The check is inside the retried part, and before anything is kept.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial

import anyio
import anyio.to_thread

from aembed._engine import overlong
from aembed._engine.batch_cap import BatchCap
from aembed._engine.call import Call
from aembed._engine.check import check, normalize
from aembed._engine.fan_out import fan_out
from aembed._engine.isolation import isolate, may_be_a_text
from aembed._engine.listeners import Listener, Listeners, logger
from aembed._engine.plan import halves, plan, take
from aembed._engine.proof import PROBE, Proof, worth_asking
from aembed._engine.retry import Retry
from aembed._engine.timeout import SharedTimeout
from aembed._errors import (
    AembedError,
    BadTextError,
    BatchTooLargeError,
    ConfigError,
    DeadlineError,
    InputError,
    ProviderError,
    ReplyError,
    RequestTimeoutError,
    TextTooLongError,
)
from aembed._events import (
    BatchFailed,
    BatchSplit,
    Counts,
    DeadlineExceeded,
    Event,
    OtherModel,
    RequestDone,
    RetryScheduled,
    Statistics,
)
from aembed._gate import Gate
from aembed._settings.options import Options
from aembed._types import Batch, Kind, MeasuresTexts, Provider, Reply, TextSize, Vectors, WritesRows

SORTED_ON_THE_LOOP = 5_000
"""Texts that are sorted by length in a few milliseconds; more are sorted in a worker thread."""
MOST_OTHER_MODELS = 10
"""Names of models that were not asked for, each of which is logged once."""
CHECKED_ON_THE_LOOP = 2**20
"""Numbers in a reply whose check takes well under a millisecond; larger ones are checked in a worker thread."""


class Engine:
    """Runs the calls of one embedder. ``spec`` is the provider's, with what the options and replies have taught."""

    def __init__(self, provider: Provider, gate: Gate, options: Options, listeners: Sequence[Listener] = ()) -> None:
        spec = provider.spec
        if options.batch_size is not None:
            spec = replace(spec, max_batch_texts=min(options.batch_size, spec.max_batch_texts or options.batch_size))
        self.spec = spec
        self.gate = gate
        self._account = gate.account
        self._provider = provider
        self._embed_into = provider.embed_into if isinstance(provider, WritesRows) else None
        self._options = options
        timeout = options.timeout if "timeout" in options.model_fields_set else spec.timeout
        self._cap = BatchCap()
        self._limit = None if timeout is None else SharedTimeout(timeout)
        self.counts = Counts()
        """What the layers above count."""
        self.cache_dropped: Callable[[], int] = int
        """Rows that the cache, if there is one, has dropped."""
        if options.on_event is not None:
            listeners = [*listeners, options.on_event]
        self.listeners = Listeners(listeners, self.counts)
        self.emit: Callable[[Event], None] | None = self.listeners.emit
        self._proof = Proof(lambda: self._texts, self._ask)
        self._other_models: set[str] = set()
        self._texts = self._tokens = self._requests = self._retries = self._failed = 0

    async def run(self, call: Call) -> None:
        """Bring every text of ``call`` to its end; what becomes of it, the call is told."""
        spec = self._cap.fit(self.gate.fitted(self.spec)) if len(call.texts) > 1 else self.spec
        if spec.pads and len(call.texts) > SORTED_ON_THE_LOOP:
            batches = await anyio.to_thread.run_sync(plan, call.texts, spec)
        else:
            batches = plan(call.texts, spec)
        if len(batches) == 1:
            await self._deliver(call, batches[0])
        elif batches:
            deliver = call.watched(partial(self._deliver, call))
            await fan_out(deliver, batches, max_at_once=self.gate.most_at_once)

    def expire(self, call: Call, seconds: float, option: str = "deadline") -> None:
        """A call has run out of time."""
        error, failed, unsent = call.expire(seconds, option)
        self.counts.deadlines += 1
        self._failed += failed
        if self.emit is not None:
            self.emit(
                DeadlineExceeded(
                    model=self.spec.name,
                    kind=call.kind,
                    texts=len(call.texts),
                    failed=failed,
                    not_attempted=unsent,
                    deadline=seconds,
                    error=error,
                )
            )

    def measure(self, texts: Sequence[str]) -> list[TextSize]:
        """The length of each text, by the provider's tokenizer or from its characters."""
        if isinstance(self._provider, MeasuresTexts):
            return self._provider.measure(texts)
        return [overlong.estimated_size(text, self.spec.max_text_tokens) for text in texts]

    def statistics(self) -> Statistics:
        gate = self.gate.snapshot()
        return Statistics(
            texts=self._texts,
            tokens=self._tokens,
            requests=self._requests,
            retries=self._retries,
            failed=self._failed,
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

    async def _deliver(self, call: Call, batch: Batch) -> None:
        """Bring one batch to its end: placed, failed, or parted and each part brought to its end."""
        left = [batch]  # not by recursion: as many parts may follow from each other as there are texts
        while left:
            batch = left.pop()
            if not call.wants(batch):
                call.skip(batch)
                continue
            batch, *others = self._cap.parts(batch)
            left += reversed(others)
            delivered = self._texts
            try:
                await self._send(call, batch)
            except DeadlineError:
                call.run_out()
            except AembedError as error:
                left += reversed(await self._recover(call, batch, error, delivered))

    async def send_part(self, call: Call, batch: Batch, *, once: bool) -> ProviderError | None:
        """Send a part of a batch that fails. The failure, if it may again be that of a text."""
        try:
            await self._send(call, batch, once=once)
        except AembedError as error:
            if isinstance(error, ProviderError) and may_be_a_text(error):
                return error
            for part in await self._recover(call, batch, error, self._texts):
                await self._deliver(call, part)
        return None

    @property
    def delivered(self) -> int:
        """Texts that have their vector."""
        return self._texts

    def is_down(self) -> bool:
        """Nothing but failures for some time, on the whole account."""
        return self._account.backoff.probing

    async def works(self, call: Call, delivered: int) -> bool:
        """The server has delivered a text since ``delivered`` was the count, or does now."""
        return await self._proof.works(call, delivered)

    async def _ask(self, call: Call) -> None:
        """Send one short text, for a call whose texts get no answer."""
        probe = Call([PROBE], call.kind)
        probe.is_probe, probe.due = True, call.due
        try:
            await self._send(probe, Batch(probe.texts, slice(0, 1)))
        except Exception:  # noqa: BLE001, S110  # a provider may raise anything, and the call has an error of its own
            pass
        finally:
            call.count(probe.requests, probe.maybe_billed)

    async def _recover(self, call: Call, batch: Batch, error: AembedError, delivered: int) -> Sequence[Batch]:
        """A batch was refused: shorten its text, set the culprit aside, look for it if there is one, or give up.

        ``delivered`` is the count of texts from before it was sent. Returns the parts that are still worth sending.
        """
        if error.index is not None and not 0 <= error.index < len(batch):
            error.index = None  # it names no text of this batch: look for the culprit as if none was named
        if isinstance(error, ProviderError) and may_be_a_text(error) and not call.is_probe:
            works = self._texts > delivered
            if not works and worth_asking(call, error):
                works = await self._proof.works(call, delivered)
            if works:
                await isolate(self, call, batch, error)
                return ()
        if isinstance(error, BatchTooLargeError):
            self._cap.refused(len(batch))
        culprit, parts = _parts(batch, error)
        if culprit is not None:
            if isinstance(error, TextTooLongError) and self._options.overlong != "error":
                await self._shorten(call, culprit, error)
            else:
                self.give_up(call, culprit, error)
        if parts:
            self.report_split(call, batch, error)
        return parts

    def report_split(self, call: Call, batch: Batch, error: AembedError) -> None:
        """A batch goes on in parts."""
        if self.emit is not None:
            self.emit(BatchSplit(model=self.spec.name, kind=call.kind, texts=len(batch), error=error))

    async def _shorten(self, call: Call, batch: Batch, error: AembedError) -> None:
        """One text beyond the model's length, and the user has said what to do."""
        text = batch.texts[0]
        if len(text) < overlong.SHORTEST:
            self.give_up(call, batch, error)
        elif self._options.overlong == "truncate":
            call.truncated.add(call.index(batch, 0))
            await self._deliver(call, Batch([overlong.head(text, self.spec.max_text_tokens)], batch.rows))
        else:
            pieces = overlong.pieces(text, self.spec.max_text_tokens)
            parts = Call(pieces, call.kind)
            await self.run(parts)
            call.count(parts.requests, parts.maybe_billed)
            if parts.error is not None:
                parts.error.index = None
                self.give_up(call, batch, parts.error)
                return
            vectors = overlong.average(parts.vectors(self.spec.dim), pieces)
            call.place(batch, Reply(vectors, parts.tokens), vectors)

    def give_up(self, call: Call, batch: Batch, error: AembedError) -> None:
        """These texts get no vector."""
        call.fail(batch, error)
        self._failed += len(batch)
        if self.emit is not None:
            self.emit(BatchFailed(model=self.spec.name, kind=call.kind, texts=len(batch), error=error))

    async def _send(self, call: Call, batch: Batch, *, once: bool = False) -> None:
        """Try until it works or the policy says enough; with ``once`` only a 429 is followed by another try."""
        retry = Retry(self._options.retry, self._account, once=once or call.is_probe)
        self._account.budget.attempted()
        while True:
            retry.begin()
            try:
                await self._attempt(call, batch, retry)
            except ProviderError as error:
                error.attempts = retry.attempts
                error.provider = error.provider or self.spec.provider
                call.count(0, error.maybe_billed)
                call.attempt_failed(batch, error)
                if self.is_down() and may_be_a_text(error) and worth_asking(call, error):
                    await self._proof.works(call, self._texts)  # if it does, the account is not down: this batch is bad
                delay = retry.after(error, texts=len(batch))
                self._retries += 1
                if self.emit is not None:
                    model, kind, texts = self.spec.name, call.kind, len(batch)
                    self.emit(
                        RetryScheduled(
                            model=model, kind=kind, texts=texts, attempt=retry.attempts, delay=delay, error=error
                        )
                    )
            else:
                return
            if delay:
                await anyio.sleep(delay)

    async def _attempt(self, call: Call, batch: Batch, retry: Retry) -> None:
        """Admission, one request, the check, and the rows are in their place."""
        patience = self._options.retry.max_retry_after
        reservation = self.gate.reservation(call.kind, batch.texts, patience, deadline=call.due, owner=self)
        if retry.goes_first or not self.gate.try_enter(reservation):
            await self.gate.wait(reservation, first=retry.goes_first)
        reply: Reply | None = None
        failure: AembedError | None = None
        started = time.perf_counter() if self.emit is not None else 0.0
        self._requests += 1
        call.begin(batch)
        call.count()
        rows: Vectors | None = None
        try:
            if self._embed_into is not None:
                rows = call.rows(batch, self.spec.dim)
            reply = await self._embed(batch.texts, call.kind, rows)
        except AembedError as error:
            failure = error
            raise
        finally:
            self.gate.leave(reservation, reply, failure)
        assert reply is not None, "else an error was raised"
        try:
            if len(batch) * (self.spec.dim or 0) < CHECKED_ON_THE_LOOP:
                vectors = self._checked(reply, len(batch))
            else:
                vectors = await anyio.to_thread.run_sync(self._checked, reply, len(batch))
        except ReplyError as error:
            error.request_id = reply.request_id
            raise
        self._learn(reply, vectors)
        if reply.other_model is not None:
            self._report_other_model(reply.other_model, call, batch)
        call.place(batch, reply, vectors, in_place=rows is not None and reply.vectors is rows)
        if self.emit is not None:
            self.emit(
                RequestDone(
                    model=self.spec.name,
                    kind=call.kind,
                    texts=len(batch),
                    tokens=reply.tokens,
                    truncated=len(reply.truncated),
                    attempt=retry.attempts,
                    elapsed=time.perf_counter() - started,
                )
            )

    def _report_other_model(self, name: str, call: Call, batch: Batch) -> None:
        if self.emit is not None:
            self.emit(OtherModel(model=self.spec.name, answered=name, kind=call.kind, texts=len(batch)))
        if name not in self._other_models and len(self._other_models) < MOST_OTHER_MODELS:
            self._other_models.add(name)
            words = "%s answered with the model %r where %r was asked for; strict=True makes this an error"
            logger.warning(words, self.spec.provider, name, self.spec.name)

    async def _embed(self, texts: Sequence[str], kind: Kind, rows: Vectors | None) -> Reply:
        answer: Awaitable[object]
        if self._embed_into is None:
            answer = self._provider.embed(texts, kind=kind)
        else:
            answer = self._embed_into(rows, texts, kind=kind)
        if not hasattr(answer, "__await__"):
            raise ConfigError(f"{self._name_of_provider()}.embed is no async function; write `async def embed`")
        if self._limit is None:
            return self._reply(await answer)
        with self._limit.block():
            return self._reply(await answer)
        raise RequestTimeoutError(f"{self.spec.name} did not answer within the timeout of {self._limit.seconds} s")

    def _reply(self, answer: object) -> Reply:
        """What the provider returned. One of the user's own may return anything."""
        if not isinstance(answer, Reply):
            returned = "nothing" if answer is None else f"a {type(answer).__name__}"
            raise ConfigError(f"{self._name_of_provider()}.embed returned {returned}; return aembed.Reply(vectors)")
        return answer

    def _name_of_provider(self) -> str:
        return type(self._provider).__name__

    def _checked(self, reply: Reply, texts: int) -> Vectors:
        """The vectors of a reply, checked, and scaled if asked for."""
        vectors = check(reply, texts, self.spec.dim, self.spec)
        return normalize(vectors) if self._options.normalize else vectors

    def _learn(self, reply: Reply, vectors: Vectors) -> None:
        if self.spec.dim is None:
            self.spec = replace(self.spec, dim=vectors.shape[1])
        self._texts += len(vectors)
        self._cap.accepted(len(vectors))
        self._tokens += reply.tokens or 0


def _parts(batch: Batch, error: AembedError) -> tuple[Batch | None, tuple[Batch, ...]]:
    """The part of a refused batch that has failed for good, and the parts still worth sending.

    To find ``k`` bad texts among ``n`` costs at most ``k`` requests more where the provider names them, and at most
    ``2 * k * ceil(log2(n))`` where it does not: a halving is two requests, and no more parts are refused at any depth
    than there are bad texts.
    """
    if len(batch) > 1 and isinstance(error, (BatchTooLargeError, InputError)):
        return None, halves(batch)
    if len(batch) > 1 and isinstance(error, BadTextError):
        if error.index is None:
            return None, halves(batch)
        culprit, error.index = error.index, 0
        rest = [position for position in range(len(batch)) if position != culprit]
        return take(batch, [culprit]), (take(batch, rest),)
    return batch, ()
