"""Whether the server works for other texts, while a batch fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from aembed._engine.call import Call
from aembed._errors import ProviderError, RequestTimeoutError

PROBE = "How long is a vector of this model?"
"""The text that is sent to learn something of the server. No model has trouble with it."""


class Proof:
    """A text that was delivered meanwhile; where there is none, the answer to one short text.

    Those who ask while it is under way share the answer. A call that got none does not ask again before any text is
    delivered, so that an outage costs it one request. ``ask`` sends it for a call, and raises nothing for a failure.
    """

    def __init__(self, delivered: Callable[[], int], ask: Callable[[Call], Awaitable[None]]) -> None:
        self._delivered = delivered
        self._ask = ask
        self._asking = anyio.Lock()
        self._asked = 0

    async def works(self, call: Call, delivered: int) -> bool:
        """Something was delivered since that was the count, or is now."""
        if self._delivered() > delivered:
            return True
        if call.unproven == delivered:
            return False
        asked = self._asked
        async with self._asking:
            if self._asked == asked and self._delivered() == delivered:
                await self._ask(call)
                self._asked += 1
        if self._delivered() > delivered:
            return True
        call.unproven = delivered
        return False


def worth_asking(call: Call, error: ProviderError) -> bool:
    """Not after a timeout: another would take as long.

    Nor for a text by itself, whose call has nothing else to deliver, unless that is a document, maybe the last of a
    bulk job, and has failed more than once.
    """
    if call.is_probe or isinstance(error, RequestTimeoutError):
        return False
    return len(call.texts) > 1 or (call.kind == "document" and error.attempts > 1)
