"""The public names: sorted, documented, all there, and the map of the rooms is true."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import aembed
import aembed.http
import aembed.jobs
import aembed.stores
import aembed.telemetry
import aembed.testing

PACKAGE = Path(aembed.__file__).parent
CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
MODULES = [aembed, aembed.http, aembed.testing, aembed.jobs, aembed.stores, aembed.telemetry]


def is_public(name: str, value: Any) -> bool:
    return not name.startswith("_") and not isinstance(value, ModuleType)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_sorted_and_holds_exactly_the_public_names(module: ModuleType) -> None:
    names = [name for name in module.__all__ if not name.startswith("__")]
    assert names == sorted(names, key=lambda name: (not name.isupper(), name)), "constants first"
    assert set(names) == {name for name, value in vars(module).items() if is_public(name, value)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_class_and_method_has_a_docstring(module: ModuleType) -> None:
    silent = []
    for name in module.__all__:
        thing = getattr(module, name)
        if not inspect.isclass(thing):
            continue
        members = [(f"{name}.{m}", value) for m, value in vars(thing).items() if callable(value) and m[0] != "_"]
        silent += [full for full, value in [(name, thing), *members] if not (inspect.getdoc(value) or "").strip()]
    protocol = {"Provider.embed", "Provider.aclose"}  # said in the docstring of the class
    pydantic = {full for full in silent if full.split(".")[-1].startswith("model_")}
    fakes = {"ScriptedProvider.embed", "ScriptedProvider.aclose"}
    assert set(silent) - protocol - pydantic - fakes == set()


def test_aliases_are_documented_below_their_definition() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("_*.py"))
    for alias in ("Kind", "Vector", "Vectors"):
        assert re.search(rf'^{alias}: TypeAlias = .*\n"""', source, re.MULTILINE), alias


def test_every_error_is_in_the_tree_that_is_drawn() -> None:
    from aembed import _errors

    drawn = set(re.findall(r"\w+Error", _errors.__doc__ or ""))
    for name in aembed.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(aembed, name), aembed.AembedError)
            assert name in drawn
    assert {name for name in vars(_errors) if name.endswith("Error")} <= drawn


def test_the_map_names_every_room_and_no_other() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    table = (aembed.__doc__ or "").partition("Modules:")[2]
    named = set(re.findall(r"(?:^|\s)(_[a-z_]+)", table)) | (set(re.findall(r"^    ([a-z].*?)  ", table, re.MULTILINE)))
    named = {room for group in named for room in group.split()}
    assert named == there - {"__init__", "__main__", "_version"}


def modules(package: Path) -> set[str]:
    there = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return there - {"__init__", "__main__", "_version"}


def test_the_map_for_contributors_is_that_of_the_tree() -> None:
    """Each room of the package has its place; a room whose parts are listed has these parts, and no others."""
    table = CONTRIBUTING.read_text(encoding="utf-8").partition("| room | purpose |")[2].partition("\n\n")[0]
    rooms: dict[str, list[str]] = {}
    for line in table.splitlines()[2:]:
        names, _, parts = line.strip("|").split("|")
        rooms |= {name.rstrip("/"): re.findall(r"`(\w+)`", parts) for name in re.findall(r"`([\w/]+)`", names)}
    assert {room for room in rooms if "/" not in room} == modules(PACKAGE)
    for room, listed in rooms.items():
        assert not listed or sorted(listed) == sorted(modules(PACKAGE / room)), room


def test_the_version_is_that_of_the_installed_package() -> None:
    assert aembed.__version__ == version("aembed")


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", ["bench", "http", "jobs", "stores", "telemetry", "testing"])
def test_public_modules_need_no_import_of_their_own(name: str) -> None:
    code = f"import sys, aembed; assert 'aembed.{name}' not in sys.modules; print(aembed.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"aembed.{name}\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'aembed' has no attribute 'embeder'"):
        aembed.embeder  # type: ignore[attr-defined]  # noqa: B018
