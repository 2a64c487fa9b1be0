"""Notes of the layers about one call with listeners, for :class:`aembed.CallDone`."""

from __future__ import annotations

from itertools import count

import anyio

from aembed._engine.timeline import BACKOFF, IDLE, Timeline, Waits
from aembed._lifecycle import Clock

_numbers = count(1)


class CallRecord:
    """``number`` names the call in events. A shared call has a record too, which passes its notes on."""

    # Defaults of the class, since most calls never set them.
    followers: tuple[CallRecord, ...] = ()
    """Records of the calls that wait for this one, a shared call."""
    attempts = 0
    """Largest number of attempts of a request."""
    cache_hits = cache_misses = cache_shared = 0
    merged = False
    response_model: str | None = None

    def __init__(self, clock: Clock, gate: Waits | None) -> None:
        self.number = next(_numbers)
        self.clock = clock
        self.gate = gate
        self.time = Timeline(clock, gate)

    def lead(self, follower: CallRecord) -> None:
        """Pass every note on to ``follower`` from now on."""
        if follower not in self.followers:
            self.followers += (follower,)
        self.time.lead(follower.time)

    def release(self, follower: CallRecord) -> None:
        """Stop passing notes on to ``follower``, whose call has left."""
        self.followers = tuple(each for each in self.followers if each is not follower)
        self.time.release(follower.time)

    def attempted(self, attempts: int) -> None:
        """Note that a request is sent for the ``attempts``-th time."""
        self.attempts = max(self.attempts, attempts)
        for follower in self.followers:
            follower.attempted(attempts)

    def answered_by(self, model: str) -> None:
        """Note the model that the server named, if it is not the requested one."""
        self.response_model = model
        for follower in self.followers:
            follower.answered_by(model)

    def merge(self) -> None:
        """Note that the micro-batcher sends the call together with others."""
        self.merged = True
        for follower in self.followers:
            follower.merge()

    async def sleep(self, seconds: float) -> None:
        """Wait before a retry."""
        self.time.move(IDLE, BACKOFF, self.clock())
        try:
            await anyio.sleep(seconds)
        finally:
            self.time.move(BACKOFF, IDLE, self.clock())
