"""Scenarios: cases, set-up and teardown, finding them, and what their subjects must give."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import EmbedderFactory, InputError, bench
from aembed.bench.discovery import find
from aembed.bench.opening import opened
from aembed.bench.requests import requests_from
from aembed.bench.scenario import Case, name_of
from tests.bench import scenarios


def test_cases_are_all_combinations() -> None:
    async def f(case: Case) -> None: ...

    made = bench.scenario(a=[1, 2], b=["x", "y"])(f)
    assert [str(case) for case in made.cases()] == ["f(a=1, b=x)", "f(a=1, b=y)", "f(a=2, b=x)", "f(a=2, b=y)"]
    case = made.case(a=7, b="z")
    assert (case.a, case.b) == (7, "z")
    assert name_of(case) == ("f", {"a": 7, "b": "z"})


def test_a_case_names_its_missing_parameter() -> None:
    case = scenarios.documents.cases()[0]
    with pytest.raises(AttributeError, match="documents has no parameter 'bach'; did you mean 'batch'"):
        _ = case.bach
    with pytest.raises(AttributeError, match="leaks has no parameter 'x'; it has none"):
        _ = scenarios.leaks.cases()[0].x
    with pytest.raises(InputError, match=r"documents takes \['batch'\], got \['size'\]"):
        scenarios.documents.case(size=3)


@pytest.mark.parametrize("values", [5, "abc", []])
def test_parameters_are_lists(values: Any) -> None:
    with pytest.raises(InputError, match=r"batch=.* must be a list of values, such as batch=\[1, 10\]"):
        bench.scenario(batch=values)


@pytest.mark.parametrize("function", [3, functools.partial(find, "x"), functools.partial(asyncio.sleep, 1)])
def test_what_is_no_function_is_shown(function: Any) -> None:
    with pytest.raises(InputError, match=re.escape(f"{function!r} is not an async function; define it with async def")):
        bench.scenario(function)


def test_a_function_that_is_not_async_is_rejected() -> None:
    with pytest.raises(InputError, match=r"plain is not an async function; define it with async def"):

        @bench.scenario
        def plain(case: Case) -> None: ...


async def test_setup_and_teardown_surround_the_subject() -> None:
    log: list[str] = []

    @bench.scenario(n=[3])
    async def thing(case: Case) -> AsyncGenerator[Any]:
        log.append(f"setup {case.n}")

        async def call() -> int:
            return len(log)

        yield call
        log.append("teardown")

    async with opened(thing) as subject:
        assert await subject.call() == 1
        assert subject.validate is None
    assert log == ["setup 3", "teardown"]


async def test_a_scenario_with_many_cases_wants_one_chosen() -> None:
    with pytest.raises(InputError, match=r"documents has 3 cases: measure one of documents.cases\(\) at a time"):
        async with opened(scenarios.documents):
            pass


async def test_an_object_that_cannot_be_called_is_rejected() -> None:
    @bench.scenario
    async def odd(case: Case) -> AsyncGenerator[Any]:
        yield 7

    with pytest.raises(InputError, match=r"what odd yields must be callable .* not int"):
        async with opened(odd):
            pass


async def test_plain_functions_take_the_case_or_nothing() -> None:
    async with opened(scenarios.yields_to_the_loop) as subject:
        assert await subject.call() is None
    async with opened(scenarios.leaks) as subject:
        assert await subject.call() is None
    async with opened(scenarios.nothing) as subject:
        assert await subject.call() is None
    assert name_of(scenarios.nothing)[0] == "nothing"
    assert name_of(bench.Subject(scenarios.nothing))[0] == "nothing"


def test_scenarios_are_found_by_place() -> None:
    assert scenarios.documents.target == "tests.bench.scenarios:documents"
    assert [made.name for made in find("tests.bench.scenarios")][:2] == ["documents", "turns"]
    assert find("tests.bench.scenarios:documents") == (scenarios.documents,)
    (found,) = find("tests.bench.scenarios:nothing")
    assert (found.name, found.function) == ("nothing", scenarios.nothing)


def test_scenarios_are_found_in_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from aembed import bench\n@bench.scenario\nasync def one(case): ...\nasync def two(): ...\n")
    (one,) = find(str(file))
    assert one.target == f"{file}:one"
    assert find(one.target)[0].name == "one"
    assert find(f"{file}:two")[0].name == "two"


@pytest.mark.parametrize(("path", "added"), [(["", "/there"], []), (["{}", "/there"], []), (["/there"], ["{}"])])
def test_modules_of_the_working_directory_are_found_without_a_place_for_it_twice(
    path: list[str], added: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [place.format(os.getcwd()) for place in path]
    monkeypatch.setattr(sys, "path", [*before])
    find("tests.bench.scenarios")
    assert sys.path == [*(place.format(os.getcwd()) for place in added), *before]


def test_a_module_of_one_letter_is_no_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "q.py").write_text("async def get(): ...\n")
    monkeypatch.chdir(tmp_path)
    assert find("q:get")[0].name == "get"
    with pytest.raises(InputError, match=r"no file .*C:.mine\.py"):
        find("C:\\mine.py")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("nowhere.py", "there is no file nowhere.py"),
        ("no_such_module_at_all", "no file and no module 'no_such_module_at_all'"),
        ("tests.bench.scenarios:document", "has no 'document'; did you mean 'documents'"),
        ("tests.bench", "has no scenario; decorate one"),
        ("tests.bench.scenarios:__doc__", "is not an async function; define it with async def"),
        ("tests.bench.scenarios.no:such", r"^no file and no module 'tests\.bench\.scenarios\.no'"),
    ],
)
def test_a_missing_scenario_is_named(target: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        find(target)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no Python", "SyntaxError: invalid syntax ({short}, line 1)"),
        ("import no_such", "ModuleNotFoundError: No module named 'no_such' ({path}, line 1)"),
        ("\nimport json\njson.loads('')", "JSONDecodeError: Expecting value: line 1 column 1 (char 0) ("),
        ("x = {}\nx['key']", "KeyError: 'key' ({path}, line 2)"),
    ],
    ids=["not Python", "a package", "a library", "its own"],
)
def test_a_mistake_in_a_module_is_shown_with_its_line(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"mistaken_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    problem = problem.format(path=path, short=path.name)
    for place in (path.name, name, f"data='{name}:f'"):
        call = requests_from if place.startswith("data") else find
        with pytest.raises(InputError, match=f"^{re.escape(f'{place} cannot be imported: {problem}')}"):
            call(place.removeprefix("data='").removesuffix("'"))


def test_a_module_that_explains_its_own_mistake_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "explains.py").write_text("from aembed import bench\nbench.integers(2, 1)\n")
    with pytest.raises(InputError, match=r"^integers\(2, 1\) is empty"):
        find(str(tmp_path / "explains.py"))


async def test_an_embedder_is_a_subject(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    for subject in (bench.documents(embedder, ["a", "b"]), bench.query(embedder, "a")):
        assert subject.validate is not None
        for _ in range(2):
            assert subject.validate(await subject.call()) is None


GOOD = np.eye(2, 4, dtype=np.float32)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (GOOD, None),
        ([1.0], "not float32 vectors, but list"),
        (GOOD.astype(np.float64), "not float32 vectors, but float64"),
        (GOOD[:1], r"shape (1, 4), not (2, 'any')"),
        (GOOD[0], r"shape (4,), not (2, 'any')"),
        (np.full((2, 4), np.inf, dtype=np.float32), "numbers that are not finite"),
        (np.zeros((2, 4), dtype=np.float32), "a vector of zeros"),
        (GOOD[::-1], "rows that differ from those of the first result"),
    ],
)
def test_results_are_validated(result: Any, told: str | None) -> None:
    validate = bench.vectors((2, None))
    assert validate(GOOD) is None
    assert validate(result) == told
