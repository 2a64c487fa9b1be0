"""Batches that have failed for good: smaller batches, a shorter text, or the one text at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aembed._engine import overlong
from aembed._engine.batch_cap import BatchCap
from aembed._engine.call import EmbedCall
from aembed._engine.isolation import isolate, may_be_a_text
from aembed._engine.layer import Layer, Recipient, StoppedMeanwhile
from aembed._engine.plan import halves, take
from aembed._engine.proof import Proof, worth_asking
from aembed._engine.recorder import Recorder
from aembed._errors import (
    AembedError,
    BadTextError,
    BatchTooLargeError,
    InputError,
    ProviderError,
    TextTooLongError,
)
from aembed._gate import PausedBeyondDeadline
from aembed._types import Batch, ModelSpec, Overlong, Reply


class Sender(Layer, Protocol):
    """The engine, as far as recovery needs it."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def is_down(self) -> bool:
        """Nothing but failures for some time, on the whole account."""
        ...

    async def send(self, call: Recipient, batch: Batch, *, once: bool = False) -> None:
        """Send a batch until it is placed; raises the error of the last attempt."""
        ...

    async def deliver(self, call: Recipient, batch: Batch) -> None:
        """Bring a batch to its end: placed, failed, or split and each part brought to its end."""
        ...


class Recovery:
    """Recovers the batches of one embedder, and sends the parts that isolation wants to try."""

    def __init__(self, sender: Sender, proof: Proof, cap: BatchCap, recorder: Recorder, on_overlong: Overlong) -> None:
        self._sender = sender
        self._proof = proof
        self._cap = cap
        self._recorder = recorder
        self._on_overlong = on_overlong

    async def parts(self, call: Recipient, batch: Batch, error: AembedError, delivered: int) -> Sequence[Batch]:
        """Bring to its end what cannot be sent again; return the parts that are still worth sending.

        ``delivered`` is the count of delivered texts from before the batch was sent.
        """
        if error.index is not None and not 0 <= error.index < len(batch):
            error.index = None  # it names no text of this batch: look for the culprit as if none was named
        if isinstance(error, ProviderError) and may_be_a_text(error) and not call.is_probe:
            works = self.delivered > delivered
            if not works and worth_asking(call, error):
                works = await self.works(call, delivered)
            if works:
                await isolate(self, call, batch, error)
                return ()
        if isinstance(error, BatchTooLargeError):
            self._cap.rejected(len(batch))
        culprit, parts = _parts(batch, error)
        if culprit is not None:
            if isinstance(error, TextTooLongError) and self._on_overlong != "error":
                await self._shorten(call, culprit, error)
            else:
                self.give_up(call, culprit, error)
        if parts:
            self.report_split(call, batch, error)
        return parts

    def give_up(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        """These texts get no vector."""
        call.fail(batch, error)
        self._recorder.batch_failed(call, batch, error)

    async def _shorten(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        """One text beyond the model's length, and the user wants its head or the average of its pieces."""
        text, longest = batch.texts[0], self._sender.spec.max_text_tokens
        if len(text) < overlong.MIN_CUT_CHARACTERS:
            self.give_up(call, batch, error)
        elif self._on_overlong == "truncate":
            call.truncate(batch)
            await self._sender.deliver(call, Batch([overlong.head(text, longest)], batch.rows))
        else:
            await self._average(call, batch, overlong.pieces(text, longest))

    async def _average(self, call: Recipient, batch: Batch, pieces: Sequence[str]) -> None:
        parts = EmbedCall(pieces, call.kind)
        parts.record = call.record
        await self._sender.run(parts)
        call.count(parts.requests, parts.maybe_billed)
        if parts.error is not None:
            parts.error.index = None
            self.give_up(call, batch, parts.error)
            return
        vectors = overlong.average(parts.vectors(self._sender.spec.dim), pieces)
        call.place(batch, Reply(vectors, parts.tokens), vectors)

    # ---- what isolation asks for

    @property
    def delivered(self) -> int:
        return self._recorder.counts.texts

    @property
    def is_down(self) -> bool:
        return self._sender.is_down

    async def works(self, call: Recipient, delivered: int) -> bool:
        return await self._proof.works(call, delivered)

    async def send_part(self, call: Recipient, batch: Batch, *, once: bool) -> ProviderError | None:
        try:
            await self._sender.send(call, batch, once=once)
        except (PausedBeyondDeadline, StoppedMeanwhile):
            await self._sender.deliver(call, batch)  # it ends the calls that are late, or have stopped
        except AembedError as error:
            if isinstance(error, ProviderError) and may_be_a_text(error):
                return error
            for part in await self.parts(call, batch, error, self.delivered):
                await self._sender.deliver(call, part)
        return None

    def report_split(self, call: Recipient, batch: Batch, error: AembedError) -> None:
        self._recorder.batch_split(call, batch, error)


def _parts(batch: Batch, error: AembedError) -> tuple[Batch | None, tuple[Batch, ...]]:
    """The part of a rejected batch that has failed for good, and the parts still worth sending.

    To find ``k`` bad texts among ``n`` costs at most ``k`` requests more where the provider names them, and at most
    ``2 * k * ceil(log2(n))`` where it does not: a halving is two requests, and at any depth at most as many parts are
    rejected as there are bad texts.
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
