"""Looks for a key or a text everywhere that others might read: errors and what hangs on them, reprs, logs, bytes."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import aembed
from aembed import AembedError

KEY = "sk-never-to-be-seen-0123456789"
PRIVATE = "a text that is nobody's business"
TEXTS = [f"{PRIVATE}, number {number}" for number in range(5)]

TESTS = Path(__file__).parents[1]
PACKAGE = Path(aembed.__file__).parent


def assert_private(error: BaseException | None, *things: object, logged: Iterable[str] = ()) -> None:
    """No key and no text in an error and all that led to it, in the ``repr`` of ``things``, and in the log."""
    for said in logged:
        _assert_clean(said, "a log")
    for thing in things:
        _assert_clean(f"{thing!r} {thing}", f"the repr of a {type(thing).__name__}")
    for link in _chain(error):
        _assert_clean(f"{link} {link!r} {link.args} {vars(link)}", f"a {type(link).__name__}")
        _assert_no_key_in_locals(link.__traceback__)
        if isinstance(link, AembedError):
            _assert_clean(pickle.dumps(link).decode("latin-1"), f"a pickled {type(link).__name__}")


def _assert_clean(said: str, where: str) -> None:
    assert KEY not in said, f"the key is in {where}"
    assert PRIVATE not in said, f"a text is in {where}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, those it came from, and those it holds."""
    left, seen = [error], set[int]()
    while left:
        link = left.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        left += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            left += link.exceptions
        if isinstance(link, AembedError) and link.partial is not None:
            left += link.partial.failures.values()


def _assert_no_key_in_locals(trace: TracebackType | None) -> None:
    """The output of a tool that prints tracebacks with variables. Those of tests hold the key on purpose."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        file = Path(frame.f_code.co_filename)
        if TESTS in file.parents:
            continue
        shown = {name: repr(value) for name, value in frame.f_locals.items()}
        found = [name for name, value in shown.items() if KEY in value]
        assert not found, f"the key is in {found} of {frame.f_code.co_name} in {file.name}"
