"""The cells of a sweep: parameters of the subject, and a number of users or a rate."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from aembed import InputError
from aembed.bench.model.result import Parameter
from aembed.bench.scenario import Case, Scenario, Target
from aembed.bench.settings import positive

Over: TypeAlias = Mapping[str, Sequence[Parameter]]
USERS, RATE = "users", "rate"
ONE_USER: Over = {USERS: (1,)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of the grid. ``users`` of a closed loop without pauses, or else ``rate`` requests per second."""

    target: Target
    parameters: Mapping[str, Parameter]
    users: int | None
    rate: float | None

    @property
    def subject(self) -> tuple[Parameter, ...]:
        """Cells with an equal one share their subject: only the load differs."""
        return tuple(value for name, value in self.parameters.items() if name not in {USERS, RATE})


def grid(target: Target, over: Over) -> tuple[dict[str, tuple[Parameter, ...]], tuple[Cell, ...]]:
    """The values that are varied, and every combination of them; InputError for a grid that cannot be measured.

    Parameters for which the scenario has several values are varied, too. Without users or a rate there is one user.
    """
    declared = _declared(target)
    chosen = {name: values for name, values in declared.items() if len(values) > 1}
    chosen |= {name: _values(name, values) for name, values in over.items()}
    if USERS in chosen and RATE in chosen:
        raise InputError("over has users and rate; a closed loop has users, an open one a rate: give one of them")
    if not {USERS, RATE} & set(chosen):
        chosen |= {name: tuple(values) for name, values in ONE_USER.items()}
    for name in chosen:
        if name in {USERS, RATE}:
            if name in declared:
                raise InputError(f"the scenario has a parameter {name!r}, which here is the load: rename it")
        elif name not in declared:
            has = ", ".join([*declared, USERS, RATE])
            raise InputError(f"there is no parameter {name!r} to sweep over; there are {has}")
    found = [
        _cell(target, dict(zip(chosen, combination, strict=True)))
        for combination in itertools.product(*chosen.values())
    ]
    if len(found) < 2:
        raise InputError("a sweep needs two cells or more; give values such as documents=1,8,32 or users=1,4,16")
    return chosen, tuple(found)


def _declared(target: Target) -> dict[str, tuple[Parameter, ...]]:
    if isinstance(target, Scenario):
        return dict(target.parameters)
    return {name: (value,) for name, value in target.parameters.items()} if isinstance(target, Case) else {}


def _values(name: str, values: Sequence[Parameter]) -> tuple[Parameter, ...]:
    if isinstance(values, str) or not values:
        raise InputError(f"{name}={values!r} must be a list of values, such as {name}=[1, 8, 32]")
    for value in values:
        if name == USERS and (not isinstance(value, int) or value < 1):
            raise InputError(f"users={value!r} must be a whole number, 1 or more")
        if name == RATE:
            positive(RATE, float(value) if isinstance(value, int | float) else float("nan"), "requests/s")
    return tuple(dict.fromkeys(values))


def _cell(target: Target, parameters: dict[str, Parameter]) -> Cell:
    """``target`` with these values for its parameters."""
    users, rate = parameters.get(USERS), parameters.get(RATE)
    scenario = target.scenario if isinstance(target, Case) else target
    if isinstance(scenario, Scenario):
        declared = _declared(target)
        chosen = {name: parameters.get(name, values[0]) for name, values in declared.items()}
        target = Case(replace(scenario, parameters=declared), chosen)
    return Cell(
        target,
        parameters,
        users if isinstance(users, int) else None,
        float(rate) if isinstance(rate, int | float) else None,
    )
