"""One call that takes part in shared calls, and waits for its texts in them."""

from __future__ import annotations

import asyncio
from typing import Protocol

import anyio

from aembed._engine.layer import Recipient
from aembed._engine.plan import indices_of
from aembed._errors import AembedError, ReplyError
from aembed._types import Batch, Reply, Vectors


class Leavable(Protocol):
    """A shared call, as its participants see it."""

    task: asyncio.Task[None] | None
    leader: Participant | None

    def leave(self, participant: Participant, *, but_sent: bool = False) -> bool: ...


class Participant:
    """One call and the shared calls that it waits for. ``origin`` is the layer that the call came through.

    ``missing`` is the number of its texts without an end: those it has in ``shared_calls``, and those of a micro-batch
    that is still being gathered.
    """

    __slots__ = ("_crash", "_given_back", "_news", "_retired", "call", "missing", "origin", "shared_calls")

    def __init__(self, call: Recipient, origin: object, missing: int = 0) -> None:
        self.call = call
        self.origin = origin
        self.missing = missing
        self.shared_calls: dict[Leavable, None] = {}
        self._given_back: list[int] = []
        self._news: asyncio.Future[None] | None = None
        self._retired = False
        self._crash: BaseException | None = None

    async def finish(self) -> None:
        """Wait for every text; once the call has stopped, only for texts already sent in shared calls that it leads."""
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
        """Leave all shared calls, and wait for the end of those that this leaves without participants."""
        if not self.missing:
            return
        ending = [shared.task for shared in tuple(self.shared_calls) if shared.leave(self) and shared.task is not None]
        if ending:
            # A cancelled call waits, too: no request that it began may outlive it, nor hold a slot.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(ending)

    def take_back(self) -> list[int]:
        """Indices of texts that no shared call has brought to an end: the call has to send them itself."""
        indices, self._given_back = self._given_back, []
        return indices

    def place(self, batch: Batch, reply: Reply, vectors: Vectors) -> None:
        """Rows of its texts, and the tokens that it pays for them."""
        # The server may have another model under this name than when the cached rows of this call were stored.
        if self.call.dim in (None, vectors.shape[1]):
            self.call.place(batch, reply, vectors)
        else:
            self.call.fail(
                batch, ReplyError("the model's vectors have another dimension than those cached; call again")
            )
        self.settle(len(batch.texts))

    def fail(self, batch: Batch, error: AembedError) -> None:
        self.call.fail(batch, error)
        self.settle(len(batch.texts))

    def give_back(self, batch: Batch) -> None:
        """Take back texts that the shared call will not bring to an end."""
        self.call.put_back(batch)
        self._given_back += indices_of(batch)
        self.settle(len(batch.texts))

    def crash(self, error: BaseException) -> None:
        """Note that the shared call it leads has raised an error that is no failure of a text."""
        self._crash = error
        self.settle(0)

    def settle(self, texts: int) -> None:
        """Note that texts have ended, and wake the call if it waits for no more."""
        self.missing -= texts
        # Not at every batch: a call of many batches would be woken for each, only to wait again.
        if self._news is not None and not self._news.done() and (not self.missing or self.call.stopped or self._crash):
            self._news.set_result(None)
