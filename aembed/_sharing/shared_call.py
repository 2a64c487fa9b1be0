"""Texts in flight for several calls at once, so that each is sent once (single-flight).

The rule of cancellation: a request stays in flight as long as one call waits for one of its texts. A call that ends
early takes nothing from the others; once the last call that waits has ended, its requests are cancelled, or never
sent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import anyio
import numpy as np

from aembed._engine.call_record import CallRecord
from aembed._engine.layer import Deliver, Layer
from aembed._engine.plan import indices_of
from aembed._engine.states import DONE, FAILED, NOT_ATTEMPTED, SENT, as_array, mark
from aembed._errors import AembedError, BadRequestError, ProviderError
from aembed._sharing.participant import Participant
from aembed._sharing.seats import Part, Seats, batch_of
from aembed._sharing.token_shares import TokenShares
from aembed._types import Batch, Kind, Reply, Vectors

Settled: TypeAlias = Callable[["SharedCall", Sequence[int], Vectors | None], None]
"""Receives the indices of texts that have ended, and their rows, if any."""


class SharedCall:
    """The :class:`Recipient` that passes every report on to the calls that have joined. It runs in its own task.

    ``origin`` is the layer that made it. ``leader`` is the participant it was made for: an error that is no failure of
    a text is raised in its call, while other participants take their texts back and send them themselves.
    """

    is_probe = False
    dim = None
    record: CallRecord | None = None
    due = math.inf
    """Never: a deadline belongs to one call, and makes that call leave. Others still wait for the request."""

    def __init__(
        self,
        texts: Sequence[str],
        kind: Kind,
        origin: object,
        *,
        leader: Participant | None = None,
        on_settled: Settled | None = None,
    ) -> None:
        self.texts = texts
        self.kind: Kind = kind
        self.origin = origin
        self.leader = leader
        self.task: asyncio.Task[None] | None = None
        self.on_sent: Callable[[], None] | None = None
        self.stopped = False
        self.truncated: set[int] = set()
        """Indices of texts that were shortened: their vectors are not those of the whole text."""
        self._error: AembedError | None = None
        self._on_settled = on_settled
        self._states = bytearray(len(texts))
        """FAILED here means that the text has ended without a row, failed or skipped."""
        self._seats = Seats()
        self._under_way: dict[anyio.CancelScope, Batch] = {}

    # ---- for its layer

    def start(self, below: Layer) -> asyncio.Task[None]:
        """Let the layer below run it, once the calls that it was made for have joined."""
        # Its own task, so that a call which is cancelled does not take the requests of the others with it.
        self.task = asyncio.get_running_loop().create_task(below.run(self))
        self.task.add_done_callback(self._ended)
        return self.task

    def join(self, participant: Participant, indices: Sequence[int], own: Sequence[int]) -> bool:
        """Let a call wait for texts that have not ended: ``indices`` here, ``own`` in the participant's call.

        True if one of them has been sent.
        """
        self._seats.add(participant, indices, own)
        participant.shared_calls[self] = None
        if (record := participant.call.record) is not None:
            self.record = self.record or CallRecord(record.clock, record.gate)
            self.record.lead(record)
        # A call that joins late has to report these texts as sent, and maybe billed, if it ends before they do.
        if SENT not in self._states:
            return False
        sent = [(index, mine) for index, mine in zip(indices, own, strict=True) if self._states[index] == SENT]
        participant.call.begin(batch_of([self.texts[index] for index, _ in sent], [mine for _, mine in sent]))
        return bool(sent)

    def leave(self, participant: Participant, *, but_sent: bool = False) -> bool:
        """End a call's wait, but for texts already sent if ``but_sent``. True if no participant is left."""
        indices = self._seats.of(participant)
        if but_sent:
            indices = [index for index in indices if self._states[index] != SENT]
        own = self._seats.remove(participant, indices)
        if participant.call.stopped:
            participant.call.put_back(batch_of([self.texts[index] for index in indices], own))
        if participant not in self._seats:
            participant.shared_calls.pop(self, None)
            if self.record is not None and participant.call.record is not None:
                self.record.release(participant.call.record)
        return self._drop_unwanted()

    def release(self, unless: object = None) -> bool:
        """Give all texts back to the participants, and end; not while one of them is of the origin ``unless``."""
        if unless is not None and any(each.origin is unless for each in self._seats):
            return False
        self.skip(self._open())
        for scope in self._under_way:  # or one may be admitted and sent before the task's cancellation reaches it
            scope.cancel()
        if self.task is not None and not self.task.cancelling():  # a second cancellation would interrupt its clean-up
            self.task.cancel()
        return True

    # ---- reports of the layer below

    def numbers(self, batch: Batch) -> tuple[int, ...]:
        parts = self._seats.parts(batch)
        return tuple(number for part in parts for number in part.participant.call.numbers(part.batch))

    def wants(self, batch: Batch) -> bool:
        return not self.stopped and self._seats.is_wanted(batch)

    def cancellable(self, deliver: Deliver) -> Deliver:
        async def deliver_while_wanted(batch: Batch) -> None:
            with anyio.CancelScope() as scope:
                self._under_way[scope] = batch
                try:
                    await deliver(batch)
                finally:
                    del self._under_way[scope]

        return deliver_while_wanted

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        return None  # a participant may leave at any time, and then its array belongs to its caller again

    def count(self, requests: int, maybe_billed: int = 0) -> None:
        """The first participant pays, so that every request counts once."""
        if self.on_sent is not None:
            self.on_sent()
        payer = next(iter(self._seats), None)
        if payer is not None:
            payer.call.count(requests, maybe_billed)

    def begin(self, batch: Batch) -> None:
        mark(self._states, batch, SENT)
        for part in self._seats.parts(batch):
            part.participant.call.begin(part.batch)

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        for part in self._seats.parts(batch):
            part.participant.call.attempt_failed(part.batch, error)

    def truncate(self, batch: Batch) -> None:
        self.truncated.update(indices_of(batch))

    def put_back(self, batch: Batch) -> None:
        mark(self._states, batch, NOT_ATTEMPTED)
        for part in self._seats.parts(batch):
            part.participant.call.put_back(part.batch)

    def skip(self, batch: Batch) -> None:
        """Calls of this origin stop with the fatal error, if any; calls of another one get their texts back."""
        mark(self._states, batch, FAILED)
        for participant, _, part in self._seats.take(batch):
            if not participant.call.stopped and (self._error is None or participant.origin is not self.origin):
                participant.give_back(part)
                continue
            participant.call.put_back(part)
            if self._error is not None:
                participant.call.stop(self._error.copy_for(None))
            participant.settle(len(part))
        self._settle(batch, None)

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Every participant gets its rows; the first that waits for a text pays its share of the tokens."""
        mark(self._states, batch, DONE)
        indices = indices_of(batch)
        self.truncated.update(indices[position] for position in reply.truncated)
        parts = list(self._seats.take(batch))
        shares = TokenShares(reply.tokens, batch.texts)
        for part in parts:
            rows = self._rows_for(part, vectors, is_only=len(parts) == 1)
            cut: list[int] = []
            if self.truncated:
                cut = [at for at, place in enumerate(part.positions) if indices[place] in self.truncated]
            tokens = shares.take(part.positions)
            part.participant.place(part.batch, Reply(rows, tokens, truncated=cut), rows)
        self._settle(batch, vectors)

    def _rows_for(self, part: Part, vectors: Vectors, *, is_only: bool) -> Vectors:
        """No two calls, and no call and the cache, may hold the same array: each may write to its own."""
        if not isinstance(part.positions, range):
            return vectors[part.positions]
        if not is_only:
            return vectors.copy()
        if self._on_settled is None:
            return vectors
        rows = vectors.view()
        rows.flags.writeable = False  # a call copies read-only rows, once and into their place
        return rows

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Each call gets a copy of the error.

        A batch rejected as a whole says nothing about a part of it: a call that waits for a part sends that alone. Nor
        does a fatal error say anything about calls of another origin, which may have another key.
        """
        mark(self._states, batch, FAILED)
        rejected_whole = len(batch) > 1 and isinstance(error, BadRequestError)
        if error.fatal:
            self.stop(error)
        for participant, positions, part in self._seats.take(batch):
            if (rejected_whole and len(part) < len(batch)) or (error.fatal and participant.origin is not self.origin):
                participant.give_back(part)
            else:
                named = positions.index(error.index) if error.index in positions else None
                participant.fail(part, error.copy_for(named))
        self._settle(batch, None)

    def stop(self, error: AembedError) -> None:
        self.stopped = True
        self._error = self._error or error

    def first_due(self, batch: Batch) -> float:
        return min((part.participant.call.first_due(part.batch) for part in self._seats.parts(batch)), default=math.inf)

    def run_out(self, batch: Batch, until: float) -> bool:
        indices = indices_of(batch)
        for participant, positions, part in list(self._seats.parts(batch)):
            if not participant.call.run_out(part, until):
                self._seats.remove(participant, [indices[position] for position in positions])
                participant.settle(0)
        if self.wants(batch):
            return True
        self.skip(batch)
        return False

    # ---- its end

    def _drop_unwanted(self) -> bool:
        if NOT_ATTEMPTED not in self._states and SENT not in self._states:
            return False
        if not self._seats:
            self.release()
            return True
        for scope, batch in self._under_way.items():
            if self._seats.is_empty(batch):
                scope.cancel()
                self.skip(batch)
        return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End open texts with the task: the leader's call raises its error, the others send theirs themselves."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and self.leader is not None and self.leader in self._seats:
            self.leave(self.leader)
            self.leader.crash(error)
        self.leader = None  # they refer to each other, and rows would be in memory until the cycle is collected
        self.skip(self._open())

    def _open(self) -> Batch:
        """All texts that have not ended."""
        indices = np.flatnonzero(as_array(self._states) < DONE).tolist()
        return batch_of([self.texts[index] for index in indices], indices)

    def _settle(self, batch: Batch, vectors: Vectors | None) -> None:
        if self._on_settled is not None and len(batch):
            self._on_settled(self, indices_of(batch), vectors)
