"""Checks of the input, before any request: texts by index, the array to write into, and the arguments of a call."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from numbers import Real
from typing import Any

import numpy as np

from aembed._errors import InputError
from aembed._types import Vectors

BINARY = (bytes, bytearray, memoryview)
MISSING = frozenset({"NAType", "NaTType"})
"""Types of the missing values of pandas, by name: pandas need not be installed."""


def check_text(text: object) -> str:
    """The text as a plain ``str``. It must not be blank, and must be encodable as UTF-8."""
    reason = _reason(text, "call embed_queries or embed_documents for several texts")
    if reason:
        raise InputError(f"text: {reason}", index=0)
    return _plain(text)


def check_texts(texts: Iterable[str], name: str = "texts") -> list[str]:
    """The texts as a new list of plain ``str``, so that a caller who changes theirs meanwhile changes nothing.

    Raises:
        InputError: a bare string, a table, an unordered collection, or an item that :func:`check_text` rejects.
    """
    items = listed(texts, name)
    if not _is_good(items):
        _check_each(items, name)
    return _all_plain(items)


def sort_texts(texts: Iterable[str], name: str = "texts") -> tuple[list[str], dict[int, InputError]]:
    """Like :func:`check_texts`, but an item that it would reject is "", and listed with its error by index."""
    items = listed(texts, name)
    if _is_good(items):
        return _all_plain(items), {}
    rejected: dict[int, InputError] = {}
    for index, text in enumerate(items):
        if reason := _reason(text):
            items[index] = ""
            rejected[index] = InputError(f"{name}: {reason}", index=index)
    return _all_plain(items), rejected


def check_source(items: Any, name: str) -> Any:
    """The source of a stream: any iterable that gives Python objects one by one."""
    if isinstance(items, (str, *BINARY)):
        raise InputError(f"{name} is a single {type(items).__name__}, not a sequence of strings; put it in a list")
    if isinstance(items, Mapping):
        raise InputError(f"{name} is a {type(items).__name__}; give its values, or a list of the texts")
    if hasattr(items, "__dataframe__") or (hasattr(items, "columns") and hasattr(items, "dtypes")):
        raise InputError(f"{name} is a {type(items).__name__}, a whole table; give the column that holds the texts")
    if hasattr(items, "to_pylist"):  # a pyarrow array, whose items are pyarrow scalars
        return items.to_pylist()
    if not isinstance(items, AsyncIterable):
        try:
            iter(items)
        except TypeError:
            raise InputError(f"{name} is a {type(items).__name__}, not a sequence of strings; give a list") from None
    return items


def check_on_error(on_error: str) -> None:
    if on_error not in ("raise", "return"):
        raise InputError(f"on_error is {on_error!r}; it must be 'raise' or 'return'")


def check_seconds(seconds: object, name: str) -> float | None:
    """A positive number of any kind, or ``None``."""
    if seconds is None:
        return None
    if not isinstance(seconds, bool) and isinstance(seconds, Real) and (number := float(seconds)) > 0:
        return number
    raise InputError(f"{name} is {seconds!r}; it must be a positive number of seconds, or None")


def check_grace(seconds: object) -> float | None:
    """A number of any kind that is not negative, or ``None``."""
    if seconds is None or (isinstance(seconds, Real) and float(seconds) == 0):
        return None if seconds is None else 0.0
    return check_seconds(seconds, "grace")


def check_out(out: Vectors, n: int, dim: int) -> None:
    """``out`` must be a writeable, C-contiguous float32 array of shape ``(n, dim)``; a memmap is one."""
    if not isinstance(out, np.ndarray):
        raise InputError(f"out is a {type(out).__name__}; give a numpy array: np.empty(({n}, {dim}), np.float32)")
    if out.shape != (n, dim) or out.dtype != np.float32:
        raise InputError(f"out has shape {out.shape} and dtype {out.dtype}; it must be ({n}, {dim}) and float32")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InputError("out is read-only or not C-contiguous; give np.empty(...) or a memmap opened with mode 'w+'")


def listed(texts: Any, name: str = "texts") -> list[Any]:
    """The items as a new list. Raises :class:`InputError` for a collection without order, or no collection."""
    if isinstance(texts, AbstractSet):
        raise InputError(f"{name} is a {type(texts).__name__}, which has no order; give a list")
    if isinstance(texts, AsyncIterable):
        raise InputError(f"{name} is an async iterable; use stream_documents, or collect it into a list")
    return list(check_source(texts, name))


def _is_good(items: list[Any]) -> bool:
    """One fast look at all of them; where it is in doubt, each is looked at."""
    try:
        if any(map(str.isspace, items)) or not all(items):
            return False
        if all(map(str.isascii, items)):
            return True
    except TypeError:  # an item is not str; other types may also object to bool()
        return False
    return not any(map(_reason, items))


def _check_each(items: list[Any], name: str) -> None:
    """Raise the error of the first bad item. There may be none: a subclass of ``str`` may call itself empty."""
    for index, text in enumerate(items):
        if reason := _reason(text):
            raise InputError(f"{name}: {reason}", index=index)


def _reason(text: object, several: str = "give one flat list of strings") -> str | None:
    """The reason why an item is not a text."""
    if not isinstance(text, str):
        kind = type(text).__name__
        if isinstance(text, (list, tuple, np.ndarray)):
            return f"expected str, got {kind}; {several}"
        if isinstance(text, BINARY):
            return f"expected str, got {kind}; decode it with .decode()"
        if text is None or kind in MISSING or (isinstance(text, (float, np.floating)) and np.isnan(text)):
            return f"expected str, got {kind}; leave missing texts out"
        return f"expected str, got {kind}; convert it with str() or leave it out"
    if str.isspace(text) or not str.__len__(text):
        return "the text is empty or blank, and has no meaning to embed; leave it out"
    try:
        str.encode(text)
    except UnicodeEncodeError as error:
        return f"the text has a lone surrogate at character {error.start}; decode it with errors='replace'"
    return None


def _plain(text: Any) -> str:
    """Not of a subclass, such as ``np.str_``: JSON encoders and tokenizers take nothing else."""
    return text if type(text) is str else str.__str__(text)


def _all_plain(items: list[Any]) -> list[str]:
    return items if set(map(type, items)) <= {str} else [_plain(text) for text in items]
