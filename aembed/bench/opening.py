"""From a target to its subject: set up before a measurement, torn down after it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from aembed import InputError
from aembed.bench.requests import requests_from
from aembed.bench.scenario import DATA, Case, Scenario, Target, only_case
from aembed.bench.subject import Subject, SubjectCall

Made: TypeAlias = Subject | SubjectCall
"""Type that the generator of a scenario yields."""


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Subject]:
    """The subject of ``target``, set up, with the same request in every call; torn down at the end."""
    async with AsyncExitStack() as stack:
        subject = await stack.enter_async_context(opened_with_requests(target))
        if subject.session is not None:
            subject = replace(subject, call=await stack.enter_async_context(subject.session(0)))
        yield subject.fixed()


@asynccontextmanager
async def opened_with_requests(target: Target) -> AsyncIterator[Subject]:
    """The subject of ``target``, set up; torn down at the end."""
    if isinstance(target, Scenario):
        target = only_case(target)
    if not isinstance(target, Case):
        yield _subject(target, "the subject")
        return
    function, case = target.scenario.function, target
    if inspect.isasyncgenfunction(function):
        setup: Callable[[Case], AsyncGenerator[Made]] = function
        async with asynccontextmanager(setup)(case) as made:
            yield _subject(made, f"what {case} yields")
    elif target.scenario.takes_request:
        data, argument = case.parameters[DATA], next(iter(inspect.signature(function).parameters.values()))
        if data is not None:
            yield Subject(function, requests=requests_from(str(data)))
        elif argument.default is not inspect.Parameter.empty:
            yield Subject(function)
        else:
            raise InputError(
                f"{target.scenario.name} takes an argument, {argument.name!r}; "
                "give --data 1..10000, --data FILE with a value per line, or --data module:function"
            )
    else:
        takes_case = bool(inspect.signature(function).parameters)
        yield Subject((lambda: function(case)) if takes_case else function)


def _subject(made: Made, what: str) -> Subject:
    subject = made if isinstance(made, Subject) else Subject(made)
    if not callable(subject.call):
        raise InputError(f"{what} must be callable without arguments and give an awaitable, not {type(made).__name__}")
    return subject
