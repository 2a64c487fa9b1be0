"""Runs the calls of one embedder: each within its deadline, and observed where there are listeners."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TypeAlias

from aembed._engine.call import EmbedCall
from aembed._engine.engine import Engine
from aembed._engine.layer import Layer
from aembed._engine.proof import PROBE
from aembed._engine.timeout import SharedTimeout
from aembed._events import Operation
from aembed._lifecycle import ActiveCalls
from aembed._observed import ObservedCall
from aembed._types import Kind

Deadlines: TypeAlias = Mapping[Kind, float | None]
"""Seconds that a call of each kind may take, unless the call states one."""


class CallRunner:
    """``top`` is the first of the embedder's layers, ``cached`` whether one of them is a cache."""

    def __init__(
        self, engine: Engine, top: Layer, calls: ActiveCalls, deadlines: Deadlines, *, cached: bool = False
    ) -> None:
        self._engine = engine
        self._top = top
        self._calls = calls
        self._cached = cached
        self._timeouts = {
            kind: None if seconds is None else SharedTimeout(seconds) for kind, seconds in deadlines.items()
        }

    def observed(self, operation: Operation, kind: Kind, argument: object) -> ObservedCall:
        """Context of a call with listeners: ``argument`` holds its texts."""
        return ObservedCall(self._engine, self._calls, operation, kind, argument, cached=self._cached)

    async def finish(
        self,
        call: EmbedCall,
        deadline: float | None = None,
        layer: Layer | None = None,
        option: str = "deadline",
        observed: ObservedCall | None = None,
    ) -> EmbedCall:
        """Run a call to its end, or to its deadline. Raises the error that stopped it, with the partial result.

        ``deadline`` is in seconds; ``None``: that of the embedder; infinite: none. ``option`` is its name in errors.
        """
        if observed is not None:
            observed.follow(call)
        timeout = self._timeouts[call.kind]
        if deadline is not None:
            timeout = SharedTimeout(deadline) if deadline < math.inf else None
        if timeout is None:
            await (layer or self._top).run(call)
        else:
            finished, scope = False, timeout.scope(self._calls.home.loop)
            try:
                with scope:
                    call.due = scope.due
                    await (layer or self._top).run(call)
                    finished = not call.out_of_time
            except TimeoutError:
                if not scope.expired:
                    raise  # a provider's or a store's own
            except asyncio.CancelledError:
                await scope.give_way()
                raise
            if not finished:
                self._engine.expire(call, timeout.seconds, option)
        if call.error is not None:
            call.error.partial = call.result(self._engine.spec)
            raise call.error
        return call

    async def check(self, timeout: float | None, observed: ObservedCall | None) -> None:
        """One test request, which no cache answers: the health of the provider is asked for."""
        probe = EmbedCall([PROBE], "query", is_probe=True)
        await self.finish(probe, timeout or math.inf, self._engine, option="timeout", observed=observed)

    async def dimension(self, observed: ObservedCall | None) -> int:
        """Length of the vectors, from a test request if it is not known."""
        if self._engine.spec.dim is None:
            limit = self._timeouts["document"]  # the deadline of queries is for people who wait
            seconds = limit.seconds if limit else math.inf
            await self.finish(EmbedCall([PROBE], "query"), seconds, self._engine, observed=observed)
        dim = self._engine.spec.dim
        assert dim is not None, "the engine learns the dimension from every reply"
        return dim
