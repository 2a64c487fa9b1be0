"""The provider within its timeout. A provider of the user's own may return anything, so the type is checked as well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from aembed._engine.timeout import SharedTimeout
from aembed._errors import ConfigError, RequestTimeoutError
from aembed._types import Kind, Provider, Reply, Vectors, WritesRows


class TimedProvider:
    """``seconds``: time for one request, waiting for admission not included; ``None`` for no limit."""

    def __init__(self, provider: Provider, seconds: float | None) -> None:
        self.inner = provider
        self._embed_into = provider.embed_into if isinstance(provider, WritesRows) else None
        self.writes_rows = self._embed_into is not None
        self._timeout = None if seconds is None else SharedTimeout(seconds)

    def embed(self, texts: Sequence[str], kind: Kind, rows: Vectors | None, time_left: float) -> Awaitable[object]:
        """Begin one request, whose answer goes to ``checked``. ``rows`` are filled if the provider can.

        ``time_left``: seconds until the call ends in any case. A timeout that comes later is not set.

        Raises:
            RequestTimeoutError: no answer in time.
            ConfigError: the provider does not follow the protocol.
        """
        answer: Awaitable[object]
        if self._embed_into is None:
            answer = self.inner.embed(texts, kind=kind)
        else:
            answer = self._embed_into(rows, texts, kind=kind)
        if not hasattr(answer, "__await__"):
            raise ConfigError(f"{type(self.inner).__name__}.embed is not an async function; write `async def embed`")
        if self._timeout is None or time_left <= self._timeout.seconds:
            return answer
        return self._in_time(answer, self._timeout)

    async def _in_time(self, answer: Awaitable[object], timeout: SharedTimeout) -> object:
        scope = timeout.scope()
        try:
            with scope:
                return await answer
        except TimeoutError:
            if not scope.expired:
                raise  # the provider's own
        except asyncio.CancelledError:
            await scope.give_way()
            raise
        name = self.inner.spec.name
        raise RequestTimeoutError(f"{name} did not answer within the timeout of {timeout.seconds} s")

    def checked(self, reply: object) -> Reply:
        """Raises :class:`ConfigError` for anything else."""
        if isinstance(reply, Reply):
            return reply
        returned = "nothing" if reply is None else f"a {type(reply).__name__}"
        name = type(self.inner).__name__
        raise ConfigError(f"{name}.embed returned {returned}; return aembed.Reply(vectors)")
