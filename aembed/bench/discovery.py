"""Scenarios and other objects by their place, such as ``app.queries:get_user``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from inspect import iscoroutinefunction
from pathlib import Path
from types import ModuleType
from typing import Any

from aembed import InputError
from aembed.bench.importing import importing
from aembed.bench.scenario import DATA, Case, Scenario, Target, only_case, scenario


def find(target: str) -> tuple[Scenario, ...]:
    """Scenarios by place: ``file.py`` or ``package.module``, with ``:name`` only that one, which may be any async def.

    Runs the file, as importing it would. Raises InputError where there is none.
    """
    place, colon, name = target.rpartition(":")
    if not colon or name.startswith(("\\", "/")):  # C:\file.py
        place, name = target, ""
    module = _load(place)
    scenarios = {value.function.__qualname__: value for value in vars(module).values() if isinstance(value, Scenario)}
    if not name:
        if not scenarios:
            raise InputError(f"{place} has no scenario; {_instead(place, module)}")
        return tuple(scenarios.values())
    found = scenarios.get(name) or getattr(module, name, None)
    if found is None:
        near = get_close_matches(name, [*scenarios, *vars(module)], 1)
        raise InputError(f"{place} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return (found if isinstance(found, Scenario) else _undecorated(found),)


def _instead(place: str, module: ModuleType) -> str:
    """Functions of the module that could be measured by their name."""
    own = [name for name, value in vars(module).items() if iscoroutinefunction(value) and name[0] != "_"]
    if not own:
        return "decorate one with @aembed.bench.scenario()"
    return f"name one of its async functions, such as {place}:{own[0]}; it has {', '.join(own)}"


def imported(place: str) -> Any:
    """An object by its place, such as ``app:app`` or ``app.py:app``; InputError where there is none."""
    module, colon, name = place.rpartition(":")
    if not colon:
        raise InputError(f"{place!r} names no object; write module:name, such as app:app")
    found = getattr(_load(module), name, None)
    if found is None:
        raise InputError(f"{module} has no {name!r}")
    return found


def fresh_case(target: Target) -> Case | None:
    """The case, if another process can find it: a case of a scenario in a file or module."""
    case = only_case(target) if isinstance(target, Scenario) else target
    if not isinstance(case, Case) or "<" in case.scenario.target:
        return None
    return case


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
        with importing(place):
            try:
                return importlib.import_module(place)
            except ModuleNotFoundError as error:
                if not f"{place}.".startswith(f"{error.name}."):  # the module is there, and imports another
                    raise
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
    with importing(place):
        spec.loader.exec_module(module)
    return module
