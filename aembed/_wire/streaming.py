"""A long reply, decoded while it arrives: vectors go to their rows, and the bytes between them are kept.

The whole reply is never in memory, and no step of the work is long. The bytes between the vectors, the skeleton, are
parsed at the end with every check; until then the vectors are numbered in the order of the body.

Each vector may be base64 or numbers. A reply in an unusual spelling is held until it is complete; one that also mixes
both kinds is rejected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire.decode import (
    Decoded,
    check_positions,
    check_size,
    decode,
    parse,
)
from aembed._wire.one_vector import from_base64, from_numbers, of_dimension
from aembed._wire.reply_format import ReplyFormat, VectorPositions
from aembed._wire.split_vectors import Found, Yield, find_numbers, find_written

InThread: TypeAlias = Callable[[Callable[[Yield], None]], Awaitable[None]]
"""Runs a function in a worker thread, with a pause as its argument."""

Landed: TypeAlias = int | ReplyError
"""The row of a decoded vector, or its error."""

LONGEST_GAP = 2**24
"""Largest number of bytes between two vectors: they are searched again with every piece that arrives."""


class StreamingDecoder:
    """Implements ``BodySink``: fills ``rows``. ``in_thread`` runs a function in a worker thread."""

    def __init__(self, reply_format: ReplyFormat[Any], rows: Vectors, in_thread: InThread) -> None:
        self.begun = False
        self.skeleton = b""
        """The bytes around the vectors, once the reply is complete."""
        self._reply_format = reply_format
        self._rows = rows
        self._in_thread = in_thread
        self._written: bytes | None = None
        """The bytes before each vector in base64."""
        self._held: list[bytes] = []
        """All bytes of a reply in an unusual spelling."""
        self._skeleton: list[bytes | bytearray] = []
        self._rest = b""
        self._quotes = 0
        """1 if the rest begins with the end of a string."""
        self._filled = 0
        self._strings: list[Landed] = []
        self._numbers: list[Landed] = []

    async def take(self, pieces: list[bytes]) -> None:
        self.begun = True
        await self._in_thread(partial(self._take, pieces))

    def finish(self, last: bytes, count: int, pause: Yield, *, echoed: Sequence[str] = ()) -> Decoded:
        """Decode the end of the reply, ``last``, and check it all. Raises the errors of ``decode``."""
        self._take([last], pause)
        if self._held:
            self.skeleton = b"".join(self._held)
            return decode(self.skeleton, self._reply_format, count, self._rows, pause, echoed=echoed)
        self.skeleton = b"".join((*self._skeleton, self._rest))
        check_size(self.skeleton, count, echoed)
        skeleton = parse(self.skeleton, self._reply_format)
        positions = self._reply_format.vector_positions(skeleton)
        check_positions(positions, count, len(self._strings), len(self._numbers))
        self._arrange(positions)
        return Decoded(self._rows, self._reply_format.tokens(skeleton), base64=bool(self._strings))

    def _take(self, pieces: list[bytes], pause: Yield) -> None:
        if self._held:
            self._held += pieces
            return
        pause()
        body = b"".join((self._rest, *pieces))
        numbers = find_numbers(body, len(self._numbers), quotes=self._quotes)
        text = b"".join((*numbers.before, body[numbers.end :])) if numbers.spans else body
        strings = self._find_strings(text)
        # An unusual spelling: the general path, which reads any, needs the whole body.
        if not (strings.spans or numbers.spans or self._strings or self._numbers):
            self._held.append(body)
            return
        self._keep(text, strings, last_number=len(text) - (len(body) - numbers.end) if numbers.spans else 0)
        view = memoryview(text)
        for start, end in strings.spans:
            self._strings.append(self._place(from_base64, view[start:end]))
        view = memoryview(body)
        for start, end in numbers.spans:
            self._numbers.append(self._place(from_numbers, view[start:end]))
            pause()

    def _find_strings(self, text: bytes) -> Found:
        key = self._reply_format.quoted_key
        if key is not None and self._written is None:
            self._written = next((written for written in (key + b':"', key + b': "') if written in text), None)
        return Found([], [], 0) if self._written is None else find_written(text, self._written)

    def _keep(self, text: bytes, strings: Found, last_number: int) -> None:
        """The bytes up to the last vector are skeleton; the rest may be the beginning of another vector."""
        end = max(strings.end, last_number)
        self._skeleton += (*strings.before, text[strings.end : end])
        self._rest = text[end:]
        if end:
            self._quotes = int(end == strings.end)
        if len(self._rest) > LONGEST_GAP:
            raise ReplyError(f"the reply has {len(self._rest)} bytes without a vector")

    def _place(self, decoded: Callable[[memoryview, int], Vectors], encoded: memoryview) -> Landed:
        """Decode a vector into the next row. The text that it belongs to is known at the end only."""
        number = self._filled
        if number == len(self._rows):
            return ReplyError("the reply has more vectors than there are texts")
        try:
            self._rows[number] = of_dimension(self._rows.shape[1], decoded(encoded, number), number)
        except ReplyError as error:
            return error
        self._filled += 1
        return number

    def _arrange(self, positions: VectorPositions) -> None:
        """Move every row to its text; most replies have them in order."""
        strings = iter(self._strings)
        rows: list[int] = []
        for index, placeholder in zip(*positions, strict=True):
            assert placeholder is not None, "checked with the positions"
            landed = next(strings) if isinstance(placeholder, str) else self._numbers[int(placeholder[0])]
            if isinstance(landed, ReplyError):
                landed.index = index
                raise landed
            rows.append(landed)
        texts = list(positions[0])
        if rows != texts:
            self._rows[texts] = self._rows[rows]
