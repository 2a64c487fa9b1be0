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

from aembed._engine.call import DONE, FAILED, SENT, Call, Deliver, Layer
from aembed._errors import AembedError, BadRequestError, ProviderError, ReplyError
from aembed._types import Batch, Kind, Reply, Vectors

Settled: TypeAlias = Callable[["SharedCall", list[int], Vectors | None], None]
"""Told of indices nobody has to wait for any more, and of their rows, if they have any."""


class Participant:
    """One call, and what it waits for in any number of shared calls. ``origin`` is the layer that it came through."""

    __slots__ = ("_crash", "_given_back", "_news", "_retired", "call", "missing", "origin", "shared_calls")

    def __init__(self, call: Call, origin: object) -> None:
        self.call = call
        self.origin = origin
        self.missing = 0
        """Texts whose end is still to come."""
        self.shared_calls: dict[SharedCall, None] = {}
        self._given_back: list[int] = []
        self._news: asyncio.Future[None] | None = None
        self._retired = False
        self._crash: BaseException | None = None

    async def finish(self) -> None:
        """Wait for every text. Once the call has stopped, only for what is sent in shared calls that it leads."""
        while self.missing and self._crash is None:
            if self.call.stopped and not self._retired:
                self._retired = True
                for shared in tuple(self.shared_calls):
                    shared.leave(self, but_sent=shared.leader is self)
            else:
                self._news = asyncio.get_running_loop().create_future()
                await self._news
        if self._crash is not None:
            raise self._crash

    async def leave(self) -> None:
        """Wait for nothing any more, but for the end of what nobody else waits for."""
        if not self.missing:
            return
        ending = [shared.task for shared in tuple(self.shared_calls) if shared.leave(self) and shared.task is not None]
        if ending:
            with anyio.CancelScope(shield=True):
                await asyncio.wait(ending)

    def take_back(self) -> list[int]:
        """Indices of texts that nobody has brought to an end: the call has to see to them itself."""
        indices, self._given_back = self._given_back, []
        return indices

    def place(self, batch: Batch, reply: Reply) -> None:
        """Rows of its own, and what it has to pay for them."""
        if self.call.dim in (None, reply.vectors.shape[1]):
            self.call.place(batch, reply, reply.vectors)
        else:
            self.call.fail(batch, ReplyError("the model's vectors have another dimension than those kept; call again"))
        self.settle(len(batch))

    def give_back(self, batch: Batch) -> None:
        """Nobody will bring these texts to an end."""
        self.call.put_back(batch)
        self._given_back += [Call.index(batch, position) for position in range(len(batch))]
        self.settle(len(batch))

    def crash(self, error: BaseException) -> None:
        """The shared call that it leads has raised something that is no failure of a text."""
        self._crash = error
        self.settle(0)

    def settle(self, texts: int) -> None:
        """So many texts have their end; wake the call if that was all, or all it wants."""
        self.missing -= texts
        if self._news is not None and not self._news.done() and (not self.missing or self.call.stopped or self._crash):
            self._news.set_result(None)


class SharedCall(Call):
    """A call whose rows belong to those who have joined it. It runs in a task of its own."""

    def __init__(self, texts: Sequence[str], kind: Kind, origin: object) -> None:
        super().__init__(texts, kind, "return")
        self.origin = origin
        self.leader: Participant | None = None
        """For whom it was started: ends as a call of its own would end."""
        self.task: asyncio.Task[None] | None = None
        self.on_settled: Settled | None = None
        self._waiting: dict[int, tuple[tuple[Participant, int], ...]] = dict.fromkeys(range(len(texts)), ())
        """Index of each text without an end -> who waits for it, and the index it has there."""
        self._indices: dict[Participant, list[int]] = {}
        self._under_way: dict[anyio.CancelScope, Batch] = {}

    def start(self, below: Layer) -> asyncio.Task[None]:
        """Let the layer below bring the texts to their end, after those who began it have joined."""
        self.task = asyncio.get_running_loop().create_task(below.run(self))
        self.task.add_done_callback(self._ended)
        return self.task

    def join(self, participant: Participant, pairs: Iterable[tuple[int, int]]) -> None:
        """Wait for texts that have no end yet: pairs of an index here and one in the participant's call."""
        indices = self._indices.setdefault(participant, [])
        for index, own in pairs:
            self._waiting[index] += ((participant, own),)
            indices.append(index)
            participant.missing += 1
            if self._state[index] == SENT:
                participant.call.begin(_part([self.texts[index]], [own]))
        participant.shared_calls[self] = None

    def leave(self, participant: Participant, *, but_sent: bool = False) -> bool:
        """Wait no more; with ``but_sent`` only for what is already sent. True if nobody waits any more."""
        kept: list[int] = []
        left: list[tuple[int, int]] = []
        for index in self._indices.pop(participant, ()):
            if but_sent and self._state[index] == SENT:
                kept.append(index)
            elif waiting := self._waiting.get(index):
                left += [(index, own) for who, own in waiting if who is participant]
                self._waiting[index] = tuple(pair for pair in waiting if pair[0] is not participant)
        participant.missing -= len(left)
        if participant.call.stopped:
            participant.call.put_back(_part([self.texts[index] for index, _ in left], [own for _, own in left]))
        if kept:
            self._indices[participant] = kept
        else:
            participant.shared_calls.pop(self, None)
        return self._drop_unwanted()

    def release(self, unless: object = None) -> bool:
        """Give everything back to those who wait, and end: unless one who waits is of that origin."""
        if unless is not None and any(
            participant.origin is unless and participant.missing for participant in self._indices
        ):
            return False
        self.skip(self._rest())
        if self.task is not None and not self.task.cancelling():  # a second one would cut short how it ends
            self.task.cancel()
        return True

    # ---- what the engine tells

    def count(self, requests: int = 1, maybe_billed: int = 0) -> None:
        """A request is the first participant's: every one counts once."""
        super().count(requests, maybe_billed)
        payer = next((waiting[0][0] for waiting in self._waiting.values() if waiting), None)
        if payer is not None:
            payer.call.count(requests, maybe_billed)

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        super().attempt_failed(batch, error)
        for participant, _, part in self._parts(batch, self._waiting.get):
            participant.call.attempt_failed(part, error)

    def wants(self, batch: Batch) -> bool:
        return not self.stopped and any(
            not participant.call.stopped for index in _indices(batch) for participant, _ in self._waiting.get(index, ())
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
        for participant, _, part in self._parts(batch, self._waiting.get):
            participant.call.begin(part)

    def put_back(self, batch: Batch) -> None:
        super().put_back(batch)
        for participant, _, part in self._parts(batch, self._waiting.get):
            participant.call.put_back(part)

    def skip(self, batch: Batch) -> None:
        """It will not be sent. A fatal error is why, to calls of this origin; others are given theirs back."""
        super().skip(batch)
        for participant, _, part in self._parts(batch, self._waiting.pop):
            if not participant.call.stopped and (self.error is None or participant.origin is not self.origin):
                participant.give_back(part)
                continue
            if self.error is not None:
                participant.call.stop(self.error.copy_for(None))
            participant.settle(len(part))
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
        for participant, positions, part in self._parts(batch, self._waiting.pop):
            paid = tokens.of([text for text, p in zip(part.texts, positions, strict=True) if payers[p] is participant])
            truncated = [place for place, position in enumerate(positions) if cut[position]]
            participant.place(part, Reply(vectors[positions], paid, truncated=truncated))
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
        for participant, positions, part in self._parts(batch, self._waiting.pop):
            if (refused_whole and len(part) < len(batch)) or (error.fatal and participant.origin is not self.origin):
                participant.give_back(part)
            else:
                named = positions.index(error.index) if error.index in positions else None
                participant.call.fail(part, error.copy_for(named))
                participant.settle(len(part))
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
        self, batch: Batch, look: Callable[[int, tuple[()]], Iterable[tuple[Participant, int]]]
    ) -> Iterator[tuple[Participant, list[int], Batch]]:
        """For each who waits: the positions in ``batch`` that are theirs, and these as a batch of their call."""
        found: dict[Participant, tuple[list[int], list[int]]] = {}
        for position, index in enumerate(_indices(batch)):
            for participant, own in look(index, ()):
                positions, owns = found.setdefault(participant, ([], []))
                positions.append(position)
                owns.append(own)
        for participant, (positions, owns) in found.items():
            yield participant, positions, _part([batch.texts[position] for position in positions], owns)


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
