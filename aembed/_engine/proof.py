"""Proof that the server works for other texts while a batch fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

import anyio

from aembed._engine.call import EmbedCall
from aembed._engine.layer import Recipient
from aembed._errors import ProviderError, RequestTimeoutError
from aembed._types import Batch

PROBE = "How long is a vector of this model?"
"""The text that tests the server: one that every model accepts."""


class Proof:
    """Proof that the server works: a text delivered meanwhile, or else the answer to one short text.

    Calls that ask while a probe is in flight share its answer. A call that got no proof does not ask again before any
    text is delivered, so that an outage costs it one request.

    ``delivered`` counts the embedder's texts that have their vector; ``send`` brings one batch to its end.
    """

    def __init__(self, delivered: Callable[[], int], send: Callable[[Recipient, Batch], Awaitable[None]]) -> None:
        self._delivered = delivered
        self._send = send
        self._asking = anyio.Lock()
        self._asked = 0
        self._in_vain: WeakKeyDictionary[Recipient, int] = WeakKeyDictionary()
        """Calls that asked without getting proof, and the count of delivered texts at that time."""

    async def works(self, call: Recipient, delivered: int) -> bool:
        """True if the server has delivered a text since ``delivered`` was the count, or delivers one now."""
        if self._delivered() > delivered:
            return True
        if self._in_vain.get(call) == delivered:
            return False
        asked = self._asked
        async with self._asking:
            if self._asked == asked and self._delivered() == delivered:
                await self._ask(call)
                self._asked += 1
        if self._delivered() > delivered:
            return True
        self._in_vain[call] = delivered
        return False

    async def _ask(self, call: Recipient) -> None:
        """Send one short text on behalf of ``call``, which pays for it."""
        probe = EmbedCall([PROBE], call.kind, is_probe=True)
        probe.due, probe.record = call.due, call.record
        try:
            await self._send(probe, Batch(probe.texts, slice(0, 1)))
        except Exception:  # noqa: BLE001, S110  # a provider may raise anything, and the call has its error already
            pass
        finally:
            call.count(probe.requests, probe.maybe_billed)


def worth_asking(call: Recipient, error: ProviderError) -> bool:
    """False after a timeout: another request would take as long.

    Also false for a text by itself, whose call has nothing else to deliver, unless that is a document, maybe the last
    of a bulk job, and has failed more than once.
    """
    if call.is_probe or isinstance(error, RequestTimeoutError):
        return False
    return len(call.texts) > 1 or (call.kind == "document" and error.attempts > 1)
