"""A reply's body -> rows of float32, through no tree and no second copy.

Each shape of reply is a msgspec type for the skeleton that is left when the vectors are cut out (see ``cut``), and a
function that lists the vectors' places in it. Replies may mix base64 and numbers; which it is, each item says itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
import pybase64

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire.cut import Cut, Pause, cut_numbers, cut_strings

Places: TypeAlias = tuple[Sequence[int], Sequence[str | list[float] | None]]
"""Which texts the vectors belong to, and what stands in their places in the skeleton: ``""``, or ``[k]`` for the
``k``-th array of numbers."""

T = TypeVar("T")

CUT_OUT = b"<vector>"
"""What is left in the skeleton for a vector that is the only one."""
IN_PLACE: Places = [0], ["<vector>"]
UNCOUNTED = 2**16
"""Bytes of a skeleton that are parsed whatever they hold."""
VALUES_PER_VECTOR = 16
"""An item of OpenAI's has three."""
BREATHE = 16
"""Rows decoded between two looks around: about a hundred microseconds of work."""


@dataclass(frozen=True)
class Shape(Generic[T]):
    """Where a reply has its vectors: ``places`` lists them in the order of the body; ``tokens`` is the usage."""

    type: type[T]
    places: Callable[[T], Places]
    tokens: Callable[[T], int | None]
    base64_key: bytes | None = None
    """The key, with its quotes, whose values may be base64 strings."""


class NoReplyError(ReplyError):
    """The body is nothing that this kind of server answers, from its beginning on. Never leaves ``_wire``."""


def token_count(said: Any) -> int | None:
    """A server's count of tokens, if it is one: usage that is told oddly costs no vectors."""
    return int(said) if type(said) in {int, float} and 0 <= said < 2**53 else None


class Decoded(NamedTuple):
    vectors: Vectors
    tokens: int | None
    base64: bool


def decode(
    body: bytes,
    shape: Shape[Any],
    count: int,
    rows: Vectors | None,
    pause: Pause | None = None,
    *,
    echoed: Sequence[str] = (),
) -> Decoded:
    """Decode ``count`` vectors, into ``rows`` if given. A worker thread pauses, see ``breathe``.

    ``echoed``: texts that the answer may repeat.

    Raises:
        ReplyError: no valid JSON of this shape; count, index or dimension is wrong; null or damaged vectors.
    """
    key = shape.base64_key
    if count == 1 and key is not None and rows is not None and sys.byteorder == "little":
        decoded = _decode_one(body, shape, key, rows)
        if decoded is not None:
            return decoded
    strings = Cut(body, []) if key is None else cut_strings(body, key, pause)
    numbers = cut_numbers(strings.skeleton, pause)
    check_size(numbers.skeleton, count, echoed)
    skeleton = parse(numbers.skeleton, shape)
    places = shape.places(skeleton)
    check_places(places, count, len(strings.spans), len(numbers.spans))
    encoded = iter(strings.spans)
    if rows is not None and len(strings.spans) == count and sys.byteorder == "little":
        _fill(body, places[0], strings, rows, pause)
        return Decoded(rows, shape.tokens(skeleton), base64=True)
    body_view, number_view = memoryview(body), memoryview(strings.skeleton)
    for done, (index, placeholder) in enumerate(zip(*places, strict=True)):
        if isinstance(placeholder, str):
            row = from_base64(body_view[slice(*next(encoded))], index)
        else:
            assert placeholder is not None, "checked with the places"
            row = from_numbers(number_view[slice(*numbers.spans[int(placeholder[0])])], index)
        if rows is None:
            rows = np.empty((count, len(row)), np.float32)
        rows[index] = of_dimension(rows.shape[1], row, index)
        if pause is not None and done % BREATHE == BREATHE - 1:
            pause()
    assert rows is not None, "a batch has at least one text"
    return Decoded(rows, shape.tokens(skeleton), base64=bool(strings.spans))


def _decode_one(body: bytes, shape: Shape[Any], key: bytes, rows: Vectors) -> Decoded | None:
    """The reply to one query, written as most do: base64 of the right length and little around it. ``None`` for others.

    The first string behind the key is cut out, and is the vector if the skeleton has what was left for it in its place.
    """
    for between in (b':"', b': "'):
        before, found, rest = body.partition(key + between)
        if found:
            break
    else:
        return None
    encoded, quote, after = rest.partition(b'"')
    if len(before) + len(after) > UNCOUNTED:
        return None
    try:
        skeleton = parse(b"".join((before, found, CUT_OUT, quote, after)), shape)
        if shape.places(skeleton) != IN_PLACE:
            return None
        rows.data.cast("B")[:] = pybase64.b64decode(encoded, validate=True)
    except (ReplyError, ValueError):  # damaged, of another length, or with escapes: the careful way finds out
        return None
    return Decoded(rows, shape.tokens(skeleton), base64=True)


def _fill(body: bytes, indices: Sequence[int], strings: Cut, rows: Vectors, pause: Pause | None) -> None:
    """The straight way: all are base64, and how long they are is known."""
    view, bytes_view, width = memoryview(body), rows.data.cast("B"), rows.shape[1] * 4
    for done, (index, (start, end)) in enumerate(zip(indices, strings.spans, strict=True)):
        try:
            bytes_view[index * width : (index + 1) * width] = pybase64.b64decode(view[start:end], validate=True)
        except ValueError:  # damaged, of another length, or with escapes: the careful way finds out
            rows[index] = of_dimension(rows.shape[1], from_base64(view[start:end], index), index)
        if pause is not None and done % BREATHE == BREATHE - 1:
            pause()


def breathe(abandoned: Event) -> None:
    """Let other threads have their turn, and write no more into rows that may by now be another attempt's."""
    time.sleep(0)
    if abandoned.is_set():
        raise ReplyError("nobody waits for this answer any more")


def check_places(places: Places, count: int, strings: int, numbers: int) -> None:
    """As many vectors as texts, each text's once, and every one of them was cut out."""
    indices, placeholders = places
    if len(indices) != count:
        raise ReplyError(f"the answer has {len(indices)} vectors for {count} texts")
    if sorted(indices) != list(range(count)):
        raise ReplyError("the answer's indices are not those of the texts: one is missing, doubled or out of range")
    encoded = placeholders.count("")
    if encoded == count == strings:
        return
    written = {
        placeholder[0] for placeholder in placeholders if isinstance(placeholder, list) and len(placeholder) == 1
    }
    if encoded != strings or encoded + len(written) != count or not written <= set(range(numbers)):
        raise ReplyError("the answer has something else than a vector in a vector's place, or a vector out of place")


def of_dimension(dim: int, row: Vectors, index: int) -> Vectors:
    if len(row) != dim or not dim:
        raise ReplyError(f"a vector of dimension {len(row)} where {dim} was expected", index=index)
    return row


def check_size(skeleton: bytes | bytearray, count: int, echoed: Sequence[str]) -> None:
    """Each value of some JSON, be it ``{}``, becomes an object of many times its size: no more than there can be."""
    if len(skeleton) <= UNCOUNTED:
        return
    most, values = VALUES_PER_VECTOR * count + UNCOUNTED, _values(skeleton)
    if values > most and values > most + sum(_values(text.encode()) for text in echoed):
        raise NoReplyError("the answer has more values in it than these texts can need")


def _values(json: bytes | bytearray) -> int:
    """About how many there are."""
    return json.count(b",") + json.count(b"{") + json.count(b"[")


def parse(skeleton: bytes | bytearray, shape: Shape[T]) -> T:
    try:
        return msgspec.json.decode(skeleton, type=shape.type)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8, or a number of 5,000 digits
        raise NoReplyError("the answer is not the JSON this kind of server gives; check base_url") from None


def from_base64(encoded: memoryview, index: int) -> Vectors:
    try:
        return np.frombuffer(pybase64.b64decode(encoded, validate=True), "<f4")
    except ValueError:  # binascii.Error is one; so is a length that is no multiple of four
        plain = bytes(encoded)
    unescaped = plain.replace(b"\\/", b"/")  # some servers escape slashes, as JSON allows
    if unescaped != plain:
        return from_base64(memoryview(unescaped), index)
    raise ReplyError("a vector's base64 is damaged or cut short", index=index)


_NUMBERS = msgspec.json.Decoder(list[float])


def from_numbers(numbers: memoryview, index: int) -> Vectors:
    """One row at a time through a list: parsed and gone in some 60 us, and never more than one."""
    try:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused for that
            return np.array(_NUMBERS.decode(b"".join((b"[", numbers, b"]"))), np.float32)
    except (msgspec.DecodeError, ValueError):
        raise ReplyError("a vector has something that is no number", index=index) from None
