"""What users hand in is checked here, before any request: texts by index, and the array to write into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NoReturn

import numpy as np

from aembed._errors import InputError
from aembed._types import Vectors


def check_text(text: str) -> None:
    """One text must be a str that is not blank and can be encoded as UTF-8."""
    reason = _reason(text)
    if reason:
        raise InputError(f"text: {reason}", index=0)


def check_texts(texts: Iterable[str], name: str = "texts") -> list[str]:
    """A list of its own with the same texts, so that a caller who changes theirs meanwhile changes nothing.

    Raises:
        InputError: a bare string, an unordered collection, an item that is no str, blank, or not valid Unicode.
    """
    if isinstance(texts, (str, bytes)):
        raise InputError(f"{name} is a single {type(texts).__name__}, not a sequence of strings; put it in a list")
    if isinstance(texts, (AbstractSet, Mapping)):
        raise InputError(f"{name} is a {type(texts).__name__}, which has no order of its own; give a list")
    try:
        items = list(texts)
    except TypeError:
        raise InputError(f"{name} is a {type(texts).__name__}, not a sequence of strings; give a list") from None
    try:
        suspect = any(map(str.isspace, items)) or not all(items)
        plain = all(map(str.isascii, items))
    except TypeError:  # an item is no str; other types may also object to bool()
        _explain(items, name)
    if suspect or not plain:
        _explain_if_bad(items, name)
    return items


def _explain_if_bad(items: list[Any], name: str) -> None:
    for index, text in enumerate(items):
        reason = _reason(text)
        if reason:
            raise InputError(f"{name}: {reason}", index=index)


def _explain(items: list[Any], name: str) -> NoReturn:
    _explain_if_bad(items, name)
    raise InputError(f"{name}: an item changed its type while it was read")


def _reason(text: Any) -> str | None:
    if not isinstance(text, str):
        return f"expected str, got {type(text).__name__}; convert it with str() or leave it out"
    if not text or text.isspace():
        return "the text is empty or blank, and has no meaning to embed; leave it out"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"the text has a lone surrogate at character {error.start}; decode it with errors='replace'"
    return None


def check_out(out: Vectors, n: int, dim: int) -> None:
    """``out`` must be a writeable, C-contiguous float32 array of shape ``(n, dim)``; a memmap is one."""
    if not isinstance(out, np.ndarray):
        raise InputError(f"out is a {type(out).__name__}; give a numpy array: np.empty(({n}, {dim}), np.float32)")
    if out.shape != (n, dim) or out.dtype != np.float32:
        raise InputError(f"out has shape {out.shape} and dtype {out.dtype}; it must be ({n}, {dim}) and float32")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InputError("out is read-only or not C-contiguous; give np.empty(...) or a memmap opened with mode 'w+'")
