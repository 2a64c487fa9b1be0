"""One operation, ready to be called any number of times."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from aembed import AembedError, InputError
from aembed.bench.marks import label, label_of
from aembed.bench.model.work import Work
from aembed.bench.requests import Requests

SubjectCall: TypeAlias = Callable[..., Awaitable[Any]]

Validate: TypeAlias = Callable[[Any], str | None]
"""Returns the problem with a result, or ``None``; an exception makes the result wrong too."""


class Metered(Protocol):
    """Counts the work of a subject."""

    def start(self) -> None:
        """Called when the run begins."""

    def work(self, seconds: float) -> Work:
        """The work since the start, at rates over ``seconds``."""
        ...


Session: TypeAlias = Callable[[int], AbstractAsyncContextManager[SubjectCall]]
"""Opens what one user needs, by number: its own connection, for example. Gives the user's call."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One operation, ready to be called any number of times, and what its result must be."""

    call: SubjectCall
    validate: Validate | None = None
    requests: Requests | None = None
    """Arguments of the call, a new one for each request; without it the call takes none."""
    meter: Metered | None = None
    watch: Callable[[], None] | None = None
    """Called before a run with ``why=True``: from then on, note the parts of requests."""
    session: Session | None = None
    """A set-up for each user of a closed loop, which replaces ``call``."""

    def drawing(self, seed: int, *, why: bool = False) -> Subject:
        """The same operation as a call without arguments: each call has the next request of ``seed``.

        ``why``: requests are labelled by their argument, and the parts of their time noted.
        """
        if why and self.watch is not None:
            self.watch()
        if self.requests is None:
            return self
        arguments = self.requests(seed)
        return replace(self, call=with_arguments(self.call, arguments, labelled=why), requests=None)

    def fixed(self) -> Subject:
        """The same operation with one and the same request in every call: exact counts need it."""
        if self.requests is None:
            return self
        argument = next(self.requests(0))
        return replace(self, call=lambda: self.call(argument), requests=None)


def per_user(
    session: Callable[[int], AsyncGenerator[SubjectCall]],
    *,
    validate: Validate | None = None,
    requests: Requests | None = None,
) -> Subject:
    """A subject with a set-up for each user of a closed loop, such as a separate connection.

    ``session(number)`` is an async generator that yields the call of this user; it ends with the run.
    """

    async def needs_users() -> None:
        raise InputError("the subject has a set-up for each user: measure it with bench.closed or `aembed bench users`")

    return Subject(needs_users, validate, requests, session=asynccontextmanager(session))


def with_arguments(call: SubjectCall, arguments: Iterator[Any], *, labelled: bool = False) -> SubjectCall:
    """``call`` with the next argument each time; ``labelled``: it names the request in the list of the slowest."""
    if not labelled:
        return lambda: call(next(arguments))

    def call_labelled() -> Awaitable[Any]:
        argument = next(arguments)
        label(label_of(argument))
        return call(argument)

    return call_labelled


class SubjectError(AembedError):
    """The subject failed where its result is needed; the message holds the last line of its traceback."""


def check(subject: Subject, result: Any) -> None:
    """Raises SubjectError for a wrong result."""
    if subject.validate and (problem := subject.validate(result)):
        raise SubjectError(f"wrong result: {problem}")


async def one(subject: Subject) -> None:
    """One call, which must be of an async function, and whose result must be right."""
    answer = subject.call()
    if not inspect.isawaitable(answer):
        raise SubjectError(f"not an async function: it returns {type(answer).__name__}. Define it with async def")
    check(subject, await answer)
