"""Subjects, alone or made by a scenario for each of its cases.

@bench.scenario(batch=[5, 20, 100])
async def embed_documents(case):                          # set-up and teardown are outside the clock
    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder("mock")
        yield bench.documents(embedder, ["text"] * case.batch)
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeAlias, overload

from aembed import AembedError, InputError
from aembed.bench.model.objectives import Goal
from aembed.bench.model.result import Parameter, named
from aembed.bench.model.work import Work
from aembed.bench.requests import Requests, requests_from
from aembed.bench.slo import Slo, goals, is_measured

Call: TypeAlias = Callable[..., Awaitable[Any]]
Validate: TypeAlias = Callable[[Any], str | None]
"""Returns the problem with a result, or ``None``; an exception makes the result wrong too."""


class Metered(Protocol):
    """Counts the work of a subject."""

    def start(self) -> None:
        """The run begins now."""

    def work(self, seconds: float) -> Work:
        """The work since the start, at rates over ``seconds``."""
        ...


Session: TypeAlias = Callable[[int], AbstractAsyncContextManager[Call]]
"""Opens what one user needs, by number: its own connection, for example. Gives the user's call."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One operation, ready to be called any number of times, and what its result must be."""

    call: Call
    validate: Validate | None = None
    requests: Requests | None = None
    """Arguments of the call, a new one for each request; without it the call takes none."""
    meter: Metered | None = None
    session: Session | None = None
    """A set-up for each user of a closed loop, which replaces ``call``."""

    def drawing(self, seed: int) -> Subject:
        """The same operation as a call without arguments: each call has the next request of ``seed``."""
        if self.requests is None:
            return self
        return replace(self, call=with_arguments(self.call, self.requests(seed)), requests=None)

    def fixed(self) -> Subject:
        """The same operation with one and the same request in every call: exact counts need it."""
        if self.requests is None:
            return self
        argument = next(self.requests(0))
        return replace(self, call=lambda: self.call(argument), requests=None)


def per_user(
    session: Callable[[int], AsyncGenerator[Call]],
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


def with_arguments(call: Call, arguments: Iterator[Any]) -> Call:
    """``call`` with the next argument each time."""
    return lambda: call(next(arguments))


class SubjectError(AembedError):
    """The subject failed where its result is needed; the message holds the last line of its traceback."""


def check(subject: Subject, result: Any) -> None:
    """Raises SubjectError for a wrong result."""
    if subject.validate and (problem := subject.validate(result)):
        raise SubjectError(f"wrong result: {problem}")


async def one(subject: Subject) -> None:
    """One call, whose result must be right."""
    check(subject, await subject.call())


DATA = "data"
"""Parameter that says where the argument of an undecorated function comes from."""
Made: TypeAlias = Subject | Call
"""Type that the generator of a scenario yields."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with one value for each of its parameters: ``case.batch``."""

    scenario: Scenario
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.parameters[name]
        except KeyError:
            near = get_close_matches(name, self.parameters, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(self.parameters) or 'none'}"
            raise AttributeError(f"{self.scenario.name} has no parameter {name!r}{hint}") from None

    def __str__(self) -> str:
        return named(self.scenario.name, self.parameters)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named ``async def`` with parameters. A generator yields its subject; a plain one is the subject itself."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    """Objectives of its measurements: each mode judges those it has a figure for."""
    takes_request: bool = False
    """A function without decorator, whose argument is drawn from the parameter "data"."""

    def __str__(self) -> str:
        return self.name

    def cases(self) -> tuple[Case, ...]:
        """One for each combination of the parameters' values."""
        combinations = itertools.product(*self.parameters.values())
        return tuple(Case(self, dict(zip(self.parameters, values, strict=True))) for values in combinations)

    def case(self, **parameters: Parameter) -> Case:
        """One case, with values that need not be among those it was declared with."""
        if set(parameters) != set(self.parameters):
            raise InputError(f"{self.name} takes {sorted(self.parameters)}, got {sorted(parameters)}")
        return Case(self, parameters)

    @property
    def target(self) -> str:
        """Place where a fresh process finds it: ``package.module:name`` or ``file.py:name``."""
        function = inspect.unwrap(self.function)
        place = (
            function.__module__ if "." in function.__module__ else str(Path(function.__code__.co_filename).resolve())
        )
        return f"{place}:{function.__qualname__}"


Target: TypeAlias = Call | Subject | Case | Scenario


@overload
def scenario(function: Callable[..., Any], /) -> Scenario: ...


@overload
def scenario(
    *, name: str | None = None, slo: Slo = (), **parameters: Sequence[Parameter]
) -> Callable[[Callable[..., Any]], Scenario]: ...


def scenario(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    slo: Slo = (),
    **parameters: Sequence[Parameter],
) -> Scenario | Callable[[Callable[..., Any]], Scenario]:
    """Make an ``async def`` that takes a :class:`Case` a :class:`Scenario`; each parameter is a list of values.

    ``slo`` holds its objectives, such as "p95=50ms,errors=1%": a run without other objectives has to keep them.
    Raises InputError for a function that is not async, and for parameters that are no lists.
    """
    for parameter, values in parameters.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"{parameter}={values!r} must be a list of values, such as {parameter}=[1, 10]")

    def decorate(function: Callable[..., Any]) -> Scenario:
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            raise InputError(f"{function.__qualname__} is not an async function; define it with async def")
        chosen = {parameter: tuple(values) for parameter, values in parameters.items()}
        return Scenario(name or function.__name__, function, chosen, goals(slo))

    return decorate if function is None else decorate(function)


def name_of(target: Target) -> tuple[str, Mapping[str, Parameter]]:
    """Name and parameters in reports."""
    case = only_case(target) if isinstance(target, Scenario) else target
    if isinstance(case, Case):
        return case.scenario.name, case.parameters
    call = case.call if isinstance(case, Subject) else case
    return getattr(call, "__qualname__", type(call).__qualname__), {}


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
        data = case.parameters[DATA]
        if data is None:
            argument = next(iter(inspect.signature(function).parameters))
            raise InputError(
                f"{target.scenario.name} takes an argument, {argument!r}; "
                "give --data 1..10000, --data FILE with a value per line, or --data module:function"
            )
        yield Subject(function, requests=requests_from(str(data)))
    else:
        takes_case = bool(inspect.signature(function).parameters)
        yield Subject((lambda: function(case)) if takes_case else function)


def declared_goals(target: Target, mode: str) -> tuple[Goal, ...]:
    """Objectives of the scenario that ``target`` belongs to, as far as ``mode`` measures them."""
    scenario = target.scenario if isinstance(target, Case) else target
    declared = scenario.goals if isinstance(scenario, Scenario) else ()
    return tuple(goal for goal in declared if is_measured(mode, goal))


def only_case(scenario: Scenario) -> Case:
    """The case of a scenario that has one; InputError for more."""
    case, *others = scenario.cases()
    if others:
        several = 1 + len(others)
        raise InputError(f"{scenario.name} has {several} cases: measure one of {scenario.name}.cases() at a time")
    return case


def _subject(made: Made, what: str) -> Subject:
    subject = made if isinstance(made, Subject) else Subject(made)
    if not callable(subject.call):
        raise InputError(f"{what} must be callable without arguments and give an awaitable, not {type(made).__name__}")
    return subject


def find(target: str) -> tuple[Scenario, ...]:
    """Scenarios by place: ``file.py`` or ``package.module``, with ``:name`` only that one, which may be any async def.

    Runs the file, as importing it would. Raises InputError where there is none.
    """
    place, colon, name = target.rpartition(":")
    if not colon or (len(place) == 1 and place.isalpha()):  # C:\file.py
        place, name = target, ""
    module = _load(place)
    scenarios = {value.function.__qualname__: value for value in vars(module).values() if isinstance(value, Scenario)}
    if not name:
        if not scenarios:
            raise InputError(f"{place} has no scenario; decorate one with @aembed.bench.scenario()")
        return tuple(scenarios.values())
    found = scenarios.get(name) or getattr(module, name, None)
    if found is None:
        near = get_close_matches(name, [*scenarios, *vars(module)], 1)
        raise InputError(f"{place} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return (found if isinstance(found, Scenario) else _undecorated(found),)


def imported(place: str) -> Any:
    """An object by its place, such as ``app:app`` or ``app.py:app``; InputError where there is none."""
    module, colon, name = place.rpartition(":")
    if not colon:
        raise InputError(f"{place!r} names no object; write module:name, such as app:app")
    found = getattr(_load(module), name, None)
    if found is None:
        raise InputError(f"{module} has no {name!r}")
    return found


def _undecorated(function: Callable[..., Any]) -> Scenario:
    """Any async def: without an argument, with a case, or with a request."""
    made = scenario(function)
    arguments = list(inspect.signature(function).parameters.values())
    if inspect.isasyncgenfunction(function) or not arguments or arguments[0].name.strip("_") == "case":
        return made
    return replace(made, parameters={DATA: (None,)}, takes_request=True)


def _load(place: str) -> Any:
    path = Path(place)
    if path.suffix != ".py":
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())  # as for `python -m`
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise InputError(f"no file and no module {place!r}: {error}") from error
    if not path.is_file():
        raise InputError(f"there is no file {place}")
    path = path.resolve()
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as for a script
    spec = importlib.util.spec_from_file_location(f"aembed_bench_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
