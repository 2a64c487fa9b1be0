"""Scenarios: named subjects with parameters.

@bench.scenario(batch=[5, 20, 100])
async def embed_documents(case):                          # set-up and teardown are outside the clock
    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder("mock")
        yield bench.documents(embedder, ["text"] * case.batch)
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, overload

from aembed import InputError
from aembed.bench.model.objectives import Goal
from aembed.bench.model.result import Parameter, named
from aembed.bench.slo import Slo, goals, is_measured
from aembed.bench.subject import Subject, SubjectCall

DATA = "data"
"""Parameter that says where the argument of an undecorated function comes from."""


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


Target: TypeAlias = SubjectCall | Subject | Case | Scenario


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
    Raises InputError for a function that is not async, and for parameters that are not lists.
    """
    for parameter, values in parameters.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"{parameter}={values!r} must be a list of values, such as {parameter}=[1, 10]")

    def decorate(function: Callable[..., Any]) -> Scenario:
        is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        if not (is_async and inspect.isroutine(function)):  # a functools.partial of one has no name
            what = getattr(function, "__qualname__", repr(function))
            raise InputError(f"{what} is not an async function; define it with async def")
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


def only_case(scenario: Scenario) -> Case:
    """The case of a scenario that has one; InputError for more."""
    case, *others = scenario.cases()
    if others:
        several = 1 + len(others)
        raise InputError(f"{scenario.name} has {several} cases: measure one of {scenario.name}.cases() at a time")
    return case


def declared_goals(target: Target, mode: str) -> tuple[Goal, ...]:
    """Objectives of the scenario that ``target`` belongs to, as far as ``mode`` measures them."""
    scenario = target.scenario if isinstance(target, Case) else target
    declared = scenario.goals if isinstance(scenario, Scenario) else ()
    return tuple(goal for goal in declared if is_measured(mode, goal))
