"""Decodes a reply's body into rows of float32, without a tree of objects and without a second copy.

The vectors are split off the JSON (see ``split_vectors``), and the skeleton that is left is parsed strictly by the
API's :class:`ReplyFormat`, which lists the positions of the vectors. A reply may mix base64 and numbers.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from threading import Event
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import pybase64

from aembed._errors import ReplyError
from aembed._types import Vectors
from aembed._wire.one_vector import from_base64, from_numbers, of_dimension
from aembed._wire.reply_format import ReplyFormat, VectorPositions
from aembed._wire.split_vectors import Split, Yield, split_numbers, split_strings

T = TypeVar("T")

PLACEHOLDER = b"<vector>"
"""Placeholder of the only vector in the skeleton."""
ONE_VECTOR: VectorPositions = [0], ["<vector>"]
UNCOUNTED_BYTES = 2**16
"""Size up to which a skeleton is parsed without a count of its values: at worst it costs a few megabytes."""
VALUES_PER_VECTOR = 16
"""Largest number of JSON values in the skeleton per vector; an item of OpenAI's has three."""
ROWS_PER_YIELD = 16
"""Rows decoded between two calls of ``pause``: about 100 microseconds of work."""

ONE_EACH = "malformed reply: expected exactly one vector per text"
NULL_IN_A_LIST = re.compile(r"Expected `(?:array|str|str \| array)`, got `null` - at `\$.*\[")
"""msgspec's words for a reply whose type does not expect that a vector may be missing."""


class NoReplyError(ReplyError):
    """Raised for a body that is not a reply of this API at all. Never leaves ``_wire``."""

    mismatch: str | None = None
    """Field that is missing or of another type, where the body is JSON."""


class Decoded(NamedTuple):
    vectors: Vectors
    tokens: int | None
    base64: bool


def decode(
    body: bytes,
    reply_format: ReplyFormat[Any],
    count: int,
    rows: Vectors | None,
    pause: Yield | None = None,
    *,
    echoed: Sequence[str] = (),
) -> Decoded:
    """Decode ``count`` vectors, into ``rows`` if given. A worker thread passes ``pause``, see ``yield_gil``.

    ``echoed``: texts that the reply may repeat.

    Raises:
        ReplyError: no valid JSON of this format; count, index or dimension is wrong; null or damaged vectors.
    """
    key = reply_format.quoted_key
    # base64 is little-endian float32 on the wire: on other machines the general path converts it.
    if count == 1 and key is not None and rows is not None and sys.byteorder == "little":
        decoded = _decode_one(body, reply_format, rows)
        if decoded is not None:
            return decoded
    strings = Split(body, []) if key is None else split_strings(body, key, pause)
    numbers, skeleton = _parse_skeleton(strings.skeleton, reply_format, count, pause, echoed=echoed)
    positions = reply_format.vector_positions(skeleton)
    check_positions(positions, count, len(strings.spans), len(numbers.spans))
    if rows is not None and len(strings.spans) == count and sys.byteorder == "little":
        _decode_base64(body, positions[0], strings, rows, pause)
    else:
        rows = _decode_mixed(body, positions, strings, numbers, rows=rows, pause=pause)
    return Decoded(rows, reply_format.tokens(skeleton), base64=bool(strings.spans))


def _parse_skeleton(
    body: bytes | bytearray,
    reply_format: ReplyFormat[T],
    count: int,
    pause: Yield | None,
    *,
    echoed: Sequence[str],
) -> tuple[Split, T]:
    """Split the numbers off and parse the rest. Nulls are a vector or, if that does not parse, missing vectors."""
    numbers = split_numbers(body, pause)
    check_size(numbers.skeleton, count, echoed)
    try:
        return numbers, parse(numbers.skeleton, reply_format)
    except NoReplyError:
        bare = split_numbers(body, pause, nulls=False)
        if len(bare.spans) == len(numbers.spans):
            raise
    check_size(bare.skeleton, count, echoed)
    return bare, parse(bare.skeleton, reply_format)


def _decode_one(body: bytes, reply_format: ReplyFormat[Any], rows: Vectors) -> Decoded | None:
    """The fast path of a query: base64 of the right length in a small reply. ``None`` for any other reply.

    The first string after the key is split off; it is the vector if the skeleton has the placeholder in its position.
    """
    for opening in reply_format.openings:
        start = body.find(opening) + len(opening)
        if start >= len(opening):
            break
    else:
        return None
    end = body.find(b'"', start)
    if end < 0 or len(body) - (end - start) > UNCOUNTED_BYTES:
        return None
    try:
        skeleton = reply_format.parse(b"%b%b%b" % (body[:start], PLACEHOLDER, body[end:]))
        if reply_format.vector_positions(skeleton) != ONE_VECTOR:
            return None
        rows.data.cast("B")[:] = pybase64.b64decode(memoryview(body)[start:end], validate=True)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None  # damaged, of another length, or with escapes: the general path finds out
    return Decoded(rows, reply_format.tokens(skeleton), base64=True)


def _decode_base64(body: bytes, indices: Sequence[int], strings: Split, rows: Vectors, pause: Yield | None) -> None:
    """The fast path of a batch: every vector is base64, and its length is known."""
    view, bytes_view, width = memoryview(body), rows.data.cast("B"), rows.shape[1] * 4
    for done, (index, (start, end)) in enumerate(zip(indices, strings.spans, strict=True)):
        try:
            bytes_view[index * width : (index + 1) * width] = pybase64.b64decode(view[start:end], validate=True)
        except ValueError:  # damaged, of another length, or with escapes: the general path finds out
            rows[index] = of_dimension(rows.shape[1], from_base64(view[start:end], index), index)
        if pause is not None and done % ROWS_PER_YIELD == ROWS_PER_YIELD - 1:
            pause()


def _decode_mixed(
    body: bytes,
    positions: VectorPositions,
    strings: Split,
    numbers: Split,
    *,
    rows: Vectors | None,
    pause: Yield | None,
) -> Vectors:
    """The general path: base64 and numbers in any order, and rows of a dimension that the first vector decides."""
    encoded, body_view, number_view = iter(strings.spans), memoryview(body), memoryview(strings.skeleton)
    for done, (index, placeholder) in enumerate(zip(*positions, strict=True)):
        if isinstance(placeholder, str):
            row = from_base64(body_view[slice(*next(encoded))], index)
        else:
            assert placeholder is not None, "check_positions allows none"
            row = from_numbers(number_view[slice(*numbers.spans[int(placeholder[0])])], index)
        if rows is None:
            rows = np.empty((len(positions[0]), len(row)), np.float32)
        rows[index] = of_dimension(rows.shape[1], row, index)
        if pause is not None and done % ROWS_PER_YIELD == ROWS_PER_YIELD - 1:
            pause()
    assert rows is not None, "a batch has at least one text"
    return rows


def yield_gil(abandoned: Event) -> None:
    """Let other threads run, and stop before writing to rows that may belong to another attempt by now."""
    time.sleep(0)
    if abandoned.is_set():
        raise ReplyError("the call that waited for this reply is gone")


def check_positions(positions: VectorPositions, count: int, strings: int, numbers: int) -> None:
    """Raises :class:`ReplyError` unless there is exactly one vector for each text, and each was split off the body."""
    indices, placeholders = positions
    if len(indices) != count:
        raise ReplyError(f"the reply has {len(indices)} vectors for {count} texts")
    if sorted(indices) != list(range(count)):
        raise ReplyError("malformed reply: an index is missing, repeated or out of range")
    encoded = placeholders.count("")
    if encoded == count == strings:
        return
    written = {
        placeholder[0] for placeholder in placeholders if isinstance(placeholder, list) and len(placeholder) == 1
    }
    if encoded != strings or encoded + len(written) != count or not written <= set(range(numbers)):
        raise ReplyError(ONE_EACH)


def check_size(skeleton: bytes | bytearray, count: int, echoed: Sequence[str]) -> None:
    """Bounds the memory of parsing: every JSON value, even ``{}``, becomes an object of many times its size."""
    if len(skeleton) <= UNCOUNTED_BYTES:
        return
    most, values = VALUES_PER_VECTOR * count + UNCOUNTED_BYTES, _values(skeleton)
    if values > most and values > most + sum(_values(text.encode()) for text in echoed):
        raise NoReplyError("the reply has more JSON values than these texts can need")


def _values(json: bytes | bytearray) -> int:
    """Approximate number of JSON values."""
    return json.count(b",") + json.count(b"{") + json.count(b"[")


def parse(skeleton: bytes | bytearray, reply_format: ReplyFormat[T]) -> T:
    try:
        return reply_format.parse(skeleton)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # ValueError: no UTF-8, or a number of 5,000 digits
        if NULL_IN_A_LIST.match(str(error)):
            raise ReplyError(ONE_EACH) from None
        unlike = NoReplyError("the reply is not the JSON of this API; check base_url")
        if isinstance(error, msgspec.ValidationError):
            unlike.mismatch = str(error)
        raise unlike from None
