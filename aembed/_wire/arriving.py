"""A long reply, decoded while it comes in: vectors go to their rows, and what stands between them is kept.

So the whole of it is never in memory, and no step of the work is long. What is kept, the skeleton, is parsed at the
end with every check; until then a vector is only believed to be one, and counted in the order of the body.

A reply that does not begin as most do is held until it is whole. One that begins so is all base64 or all numbers, or
refused; only shorter ones, which ``decode`` has whole, may mix them. No server is known that does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire.cut import Found, Pause, find_numbers, find_written, how_written
from aembed._wire.decode import (
    Decoded,
    Places,
    Shape,
    check_places,
    decode,
    from_base64,
    from_numbers,
    of_dimension,
    parse,
)

InThread: TypeAlias = Callable[[Callable[[Pause], None]], Awaitable[None]]
"""Runs a function in a worker thread, and tells it how to pause."""

LONGEST_GAP = 2**24
"""Bytes between two vectors, at most: they are looked through again with every piece that comes."""


class Arriving:
    """Implements ``Sink``. ``rows`` are filled; ``in_thread`` runs a function where it holds nobody up."""

    def __init__(self, shape: Shape[Any], rows: Vectors, in_thread: InThread) -> None:
        self.begun = False
        self.skeleton = b""
        """What stood around the vectors, once the reply is whole."""
        self._shape = shape
        self._rows = rows
        self._in_thread = in_thread
        self._written: bytes | None = None
        """What stands before each vector in base64."""
        self._held: list[bytes] = []
        """All that came, if it does not begin as a reply should."""
        self._skeleton: list[bytes | bytearray] = []
        self._rest = b""
        self._filled = 0
        self._row_of: list[int] = []
        """Of each vector, in the order of the body; -1 where it has a fault."""
        self._faults: dict[int, ReplyError] = {}

    async def take(self, pieces: list[bytes]) -> None:
        self.begun = True
        await self._in_thread(partial(self._take, pieces))

    def finish(self, last: bytes, count: int, pause: Pause) -> Decoded:
        """The reply is whole, with ``last`` at its end. Raises what ``decode`` does."""
        self._take([last], pause)
        if self._held:
            self.skeleton = b"".join(self._held)
            return decode(self.skeleton, self._shape, count, self._rows, pause)
        self.skeleton = b"".join((*self._skeleton, self._rest))
        skeleton = parse(self.skeleton, self._shape)
        places, found = self._shape.places(skeleton), len(self._row_of)
        is_base64 = self._written is not None
        check_places(places, count, *((found, 0) if is_base64 else (0, found)))
        self._arrange(places)
        return Decoded(self._rows, self._shape.tokens(skeleton), base64=is_base64)

    def _take(self, pieces: list[bytes], pause: Pause) -> None:
        if self._held:
            self._held += pieces
            return
        pause()
        body = b"".join((self._rest, *pieces))
        found = self._cut(body)
        if not found.spans and not self._row_of:
            self._held.append(body)
            return
        self._skeleton += found.before
        self._rest = body[found.end :]
        if len(self._rest) > LONGEST_GAP:
            raise ReplyError(f"the answer has {len(self._rest)} bytes without a vector")
        view = memoryview(body)
        for start, end in found.spans:
            self._place(view[start:end])
            if self._written is None:
                pause()

    def _cut(self, body: bytes) -> Found:
        key = self._shape.base64_key
        if key is not None and not self._row_of:
            self._written = how_written(body, key)
        if self._written is not None:
            return find_written(body, self._written)
        return find_numbers(body, len(self._row_of))

    def _place(self, encoded: memoryview) -> None:
        """Decode the next vector into the next row. Whose it is, and whose fault, will be known at the end."""
        number = len(self._row_of)
        try:
            self._rows[self._filled : self._filled + 1] = self._decoded(encoded, number)
        except ReplyError as error:
            self._faults[number] = error
            self._row_of.append(-1)
        else:
            self._row_of.append(self._filled)
            self._filled += 1

    def _decoded(self, encoded: memoryview, number: int) -> Vectors:
        if self._filled == len(self._rows):
            raise ReplyError("the answer has more vectors than there are texts")
        row = from_numbers(encoded, number) if self._written is None else from_base64(encoded, number)
        return of_dimension(self._rows.shape[1], row, number)

    def _arrange(self, places: Places) -> None:
        """Every row to its text; mostly it is there."""
        texts, placeholders = places
        numbers: Sequence[int] = range(len(texts))
        if self._written is None:
            numbers = [int(placeholder[0]) for placeholder in placeholders if placeholder]
        for index, number in zip(texts, numbers, strict=True):
            if number in self._faults:
                self._faults[number].index = index
                raise self._faults[number]
        rows = [self._row_of[number] for number in numbers]
        if rows != list(texts):
            self._rows[list(texts)] = self._rows[rows]
