"""The place where a reply is decoded: on the event loop, in a worker thread, or while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from aembed._types import Vectors
from aembed._wire.decode import Decoded, decode, yield_gil
from aembed._wire.reply_format import ReplyFormat
from aembed._wire.split_vectors import Yield
from aembed._wire.streaming import StreamingDecoder

T = TypeVar("T")

MAX_BYTES_ON_LOOP = 2**20
"""Largest body that is decoded on the event loop: under 1 ms as base64, 2 ms as numbers. A thread hop costs 0.1 ms."""
NUMBERS_ON_LOOP = {True: MAX_BYTES_ON_LOOP / (16 / 3), False: MAX_BYTES_ON_LOOP / 20}
"""The same limit in numbers: one usually takes 16/3 bytes in base64 (``True``), and 20 written out (``False``)."""


class ReplyDecoder:
    """Decodes replies without holding up the event loop."""

    def __init__(self, reply_format: ReplyFormat[Any]) -> None:
        self._format = reply_format
        # One thread: several would wait for each other, and the event loop with them.
        self._one_thread = anyio.CapacityLimiter(1)

    def streaming(self, rows: Vectors) -> StreamingDecoder:
        """A decoder that fills ``rows`` while the reply arrives."""
        return StreamingDecoder(self._format, rows, self.in_thread)

    def at_once(
        self, body: bytes, texts: Sequence[str], rows: Vectors | None, streaming: StreamingDecoder | None = None
    ) -> Decoded | None:
        """Like ``decode``, for a body small enough to decode on the event loop; ``None`` for any other."""
        if len(body) > MAX_BYTES_ON_LOOP or (streaming is not None and streaming.begun):
            return None
        return decode(body, self._format, len(texts), rows, echoed=texts)

    async def decode(
        self, body: bytes, texts: Sequence[str], rows: Vectors | None, streaming: StreamingDecoder | None = None
    ) -> Decoded:
        """The vectors of ``body``, in ``rows`` if given. Raises the ReplyError of a malformed reply."""
        if streaming is not None and streaming.begun:
            return await self.in_thread(partial(streaming.finish, body, len(texts), echoed=texts))
        return await self.in_thread(partial(decode, body, self._format, len(texts), rows, echoed=texts))

    async def decode_any_dimension(self, body: bytes, texts: Sequence[str]) -> Decoded:
        """Like ``decode``, for vectors of any dimension."""
        return await self.in_thread(partial(decode, body, self._format, len(texts), None, echoed=texts))

    async def in_thread(self, work: Callable[[Yield], T]) -> T:
        """Run ``work`` in a worker thread. It stops at its next pause if the call is cancelled."""
        abandoned = Event()
        try:
            return await anyio.to_thread.run_sync(work, partial(yield_gil, abandoned), limiter=self._one_thread)
        finally:
            abandoned.set()
