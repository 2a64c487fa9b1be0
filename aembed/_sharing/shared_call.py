"""Texts on their way for several calls at once, so that each is sent once.

The rule of cancellation: a request goes on as long as one call waits for one of its texts. A call that ends early takes
nothing from the others; with the last one that waits, what was for them alone is cancelled, or never sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import anyio
import numpy as np

from aembed._engine.call import DONE, FAILED, SENT, Deliver, Job, Run
from aembed._errors import AembedError, BadRequestError, ProviderError, ReplyError
from aembed._types import Batch, Kind, Reply, Vectors

Settled: TypeAlias = Callable[["Flight", list[int], Vectors | None], None]
"""Told of indices nobody has to wait for any more, and of their rows, if they have any."""


class Waiter:
    """One call, and what it waits for in any number of flights. ``origin`` is the layer that it came through."""

    __slots__ = ("_crash", "_given_back", "_news", "_retired", "flights", "job", "missing", "origin")

    def __init__(self, job: Job, origin: object) -> None:
        self.job = job
        self.origin = origin
        self.missing = 0
        """Texts whose end is still to come."""
        self.flights: dict[Flight, None] = {}
        self._given_back: list[int] = []
        self._news: asyncio.Future[None] | None = None
        self._retired = False
        self._crash: BaseException | None = None

    async def finish(self) -> None:
        """Wait for every text. Once the job has stopped, only for what is sent in flights that it leads."""
        while self.missing and self._crash is None:
            if self.job.stopped and not self._retired:
                self._retired = True
                for flight in tuple(self.flights):
                    flight.leave(self, but_sent=flight.leader is self)
            else:
                self._news = asyncio.get_running_loop().create_future()
                await self._news
        if self._crash is not None:
            raise self._crash

    async def leave(self) -> None:
        """Wait for nothing any more, but for the end of what nobody else waits for."""
        if not self.missing:
            return
        ending = [flight.task for flight in tuple(self.flights) if flight.leave(self) and flight.task is not None]
        if ending:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(ending)

    def take_back(self) -> list[int]:
        """Indices of texts that nobody has brought to an end: the call has to see to them itself."""
        indices, self._given_back = self._given_back, []
        return indices

    def place(self, batch: Batch, reply: Reply) -> None:
        """Rows of its own, and what it has to pay for them."""
        if self.job.dim in (None, reply.vectors.shape[1]):
            self.job.place(batch, reply, reply.vectors)
        else:
            self.job.fail(batch, ReplyError("the model's vectors have another dimension than those kept; call again"))
        self.settle(len(batch))

    def give_back(self, batch: Batch) -> None:
        """Nobody will bring these texts to an end."""
        self.job.put_back(batch)
        self._given_back += [Job.index(batch, position) for position in range(len(batch))]
        self.settle(len(batch))

    def crash(self, error: BaseException) -> None:
        """The flight it leads has raised something that is no failure of a text."""
        self._crash = error
        self.settle(0)

    def settle(self, texts: int) -> None:
        """So many texts have their end; wake the call if that was all, or all it wants."""
        self.missing -= texts
        if self._news is not None and not self._news.done() and (not self.missing or self.job.stopped or self._crash):
            self._news.set_result(None)


class Flight(Job):
    """A job whose rows belong to those who have joined it. It runs in a task of its own."""

    def __init__(self, texts: Sequence[str], kind: Kind, origin: object) -> None:
        super().__init__(texts, kind, "return")
        self.origin = origin
        self.leader: Waiter | None = None
        """For whom it was started: ends as a call of its own would end."""
        self.task: asyncio.Task[None] | None = None
        self.on_settled: Settled | None = None
        self._waiting: dict[int, tuple[tuple[Waiter, int], ...]] = dict.fromkeys(range(len(texts)), ())
        """Index of each text without an end -> who waits for it, and the index it has there."""
        self._indices: dict[Waiter, list[int]] = {}
        self._under_way: dict[anyio.CancelScope, Batch] = {}

    def start(self, run: Run) -> asyncio.Task[None]:
        """Let ``run`` bring the texts to their end, after those who began it have joined."""
        self.task = asyncio.get_running_loop().create_task(run(self))
        self.task.add_done_callback(self._ended)
        return self.task

    def join(self, waiter: Waiter, pairs: Iterable[tuple[int, int]]) -> None:
        """Wait for texts that have no end yet: pairs of an index here and one in the waiter's job."""
        indices = self._indices.setdefault(waiter, [])
        for index, own in pairs:
            self._waiting[index] += ((waiter, own),)
            indices.append(index)
            waiter.missing += 1
            if self._state[index] == SENT:
                waiter.job.begin(_part([self.texts[index]], [own]))
        waiter.flights[self] = None

    def leave(self, waiter: Waiter, *, but_sent: bool = False) -> bool:
        """Wait no more; with ``but_sent`` only for what is already sent. True if nobody waits any more."""
        kept: list[int] = []
        left: list[tuple[int, int]] = []
        for index in self._indices.pop(waiter, ()):
            if but_sent and self._state[index] == SENT:
                kept.append(index)
            elif waiting := self._waiting.get(index):
                left += [(index, own) for who, own in waiting if who is waiter]
                self._waiting[index] = tuple(pair for pair in waiting if pair[0] is not waiter)
        waiter.missing -= len(left)
        if waiter.job.stopped:
            waiter.job.put_back(_part([self.texts[index] for index, _ in left], [own for _, own in left]))
        if kept:
            self._indices[waiter] = kept
        else:
            waiter.flights.pop(self, None)
        return self._drop_unwanted()

    def release(self, unless: object = None) -> bool:
        """Give everything back to those who wait, and end: unless one who waits is of that origin."""
        if unless is not None and any(waiter.origin is unless and waiter.missing for waiter in self._indices):
            return False
        self.skip(self._rest())
        if self.task is not None and not self.task.cancelling():  # a second one would cut short how it ends
            self.task.cancel()
        return True

    # ---- what the engine tells

    def count(self, requests: int = 1, maybe_billed: int = 0) -> None:
        """A request is the first waiter's: every one counts once."""
        super().count(requests, maybe_billed)
        payer = next((waiting[0][0] for waiting in self._waiting.values() if waiting), None)
        if payer is not None:
            payer.job.count(requests, maybe_billed)

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        super().attempt_failed(batch, error)
        for waiter, _, part in self._parts(batch, self._waiting.get):
            waiter.job.attempt_failed(part, error)

    def wants(self, batch: Batch) -> bool:
        return not self.stopped and any(
            not waiter.job.stopped for index in _indices(batch) for waiter, _ in self._waiting.get(index, ())
        )

    def watched(self, deliver: Deliver) -> Deliver:
        async def deliver_while_wanted(batch: Batch) -> None:
            with anyio.CancelScope() as scope:
                self._under_way[scope] = batch
                try:
                    await deliver(batch)
                finally:
                    del self._under_way[scope]

        return deliver_while_wanted

    def begin(self, batch: Batch) -> None:
        super().begin(batch)
        for waiter, _, part in self._parts(batch, self._waiting.get):
            waiter.job.begin(part)

    def put_back(self, batch: Batch) -> None:
        super().put_back(batch)
        for waiter, _, part in self._parts(batch, self._waiting.get):
            waiter.job.put_back(part)

    def skip(self, batch: Batch) -> None:
        """It will not be sent. A fatal error is why, to calls of this origin; others are given theirs back."""
        super().skip(batch)
        for waiter, _, part in self._parts(batch, self._waiting.pop):
            if not waiter.job.stopped and (self.error is None or waiter.origin is not self.origin):
                waiter.give_back(part)
                continue
            if self.error is not None:
                waiter.job.stop(self.error.twin(None))
            waiter.settle(len(part))
        self._tell(_indices(batch), None)

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        """None: no call's array is written to while the call may have ended."""
        return None

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Rows go to all who wait; what they cost goes to the first who waits for each text, by its length."""
        self._mark(batch, DONE)
        self.truncated.update(self.index(batch, position) for position in reply.truncated)
        indices = _indices(batch)
        cut = [index in self.truncated for index in indices]
        payers = [waiting[0][0] if (waiting := self._waiting.get(index)) else None for index in indices]
        tokens = _Tokens(reply.tokens, batch.texts)
        for waiter, positions, part in self._parts(batch, self._waiting.pop):
            paid = tokens.of([text for text, p in zip(part.texts, positions, strict=True) if payers[p] is waiter])
            truncated = [place for place, position in enumerate(positions) if cut[position]]
            waiter.place(part, Reply(vectors[positions], paid, truncated=truncated))
        self._tell(indices, vectors)

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Those who wait for these texts get an error each of their own.

        A batch refused as a whole says nothing about a part of it: who waits for a part tries that alone. Nor does a
        fatal error say anything about the calls of another origin, which may have another key.
        """
        self._mark(batch, FAILED)
        refused_whole = len(batch) > 1 and isinstance(error, BadRequestError)
        if error.fatal:
            self.stop(error)
        for waiter, positions, part in self._parts(batch, self._waiting.pop):
            if (refused_whole and len(part) < len(batch)) or (error.fatal and waiter.origin is not self.origin):
                waiter.give_back(part)
            else:
                named = positions.index(error.index) if error.index in positions else None
                waiter.job.fail(part, error.twin(named))
                waiter.settle(len(part))
        self._tell(_indices(batch), None)

    # ---- how it ends

    def _drop_unwanted(self) -> bool:
        if not self._waiting:
            return False
        if not any(self._waiting.values()):
            self.release()
            return True
        for scope, batch in self._under_way.items():
            if not any(self._waiting.get(index) for index in _indices(batch)):
                scope.cancel()
                self.skip(batch)
        return False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What has no end by now gets none: its leader hears why, and the others try for themselves."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and self.leader is not None and self.leader in self._indices:
            self.leave(self.leader)
            self.leader.crash(error)
        self.skip(self._rest())

    def _rest(self) -> Batch:
        return _part([self.texts[index] for index in self._waiting], list(self._waiting))

    def _tell(self, indices: list[int], vectors: Vectors | None) -> None:
        if self.on_settled is not None and indices:
            self.on_settled(self, indices, vectors)

    def _parts(
        self, batch: Batch, look: Callable[[int, tuple[()]], Iterable[tuple[Waiter, int]]]
    ) -> Iterator[tuple[Waiter, list[int], Batch]]:
        """For each who waits: the positions in ``batch`` that are theirs, and these as a batch of their job."""
        found: dict[Waiter, tuple[list[int], list[int]]] = {}
        for position, index in enumerate(_indices(batch)):
            for waiter, own in look(index, ()):
                positions, owns = found.setdefault(waiter, ([], []))
                positions.append(position)
                owns.append(own)
        for waiter, (positions, owns) in found.items():
            yield waiter, positions, _part([batch.texts[position] for position in positions], owns)


def _part(texts: Sequence[str], indices: list[int]) -> Batch:
    return Batch(texts, slice(indices[0], indices[0] + 1) if len(indices) == 1 else np.array(indices, np.intp))


def _indices(batch: Batch) -> list[int]:
    rows = batch.rows
    return list(range(rows.start, rows.stop)) if isinstance(rows, slice) else rows.tolist()


class _Tokens:
    """Shares out what a batch has cost, to the last token, by the length of its texts."""

    def __init__(self, tokens: int | None, texts: Sequence[str]) -> None:
        self._tokens = tokens
        self._all = sum(map(len, texts))
        self._before = 0

    def of(self, texts: Sequence[str]) -> int | None:
        """The cost of ``texts``; each is asked for once."""
        if self._tokens is None or not texts:
            return None if texts else 0
        before, self._before = self._before, self._before + sum(map(len, texts))
        return round(self._tokens * self._before / self._all) - round(self._tokens * before / self._all)
