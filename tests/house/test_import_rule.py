"""The order of imports, and forbidden constructs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aembed

PACKAGE = Path(aembed.__file__).parent
TESTS = Path(__file__).parents[1]
ROOMS = """
    _types _results _errors _version _lifecycle _unclosed _groups _vectors
    stores _events _statistics _input _quantize _http_status _registry
    _settings
    _gate _wire
    _engine
    _sharing
    _accounts _shared_models _stream
    _observed _progress
    _call_runner
    _embedder
    _opening _totals
    _factory
    _sync
"""
"""A room imports from its own row and those above. A new room gets its place here, and in the maps of ``__init__`` and
``CONTRIBUTING.md``."""
FOR_TYPE_CHECKERS = {"_types": {"_wire"}}
"""``Source`` names the type of its transport; at run time ``_types`` imports nothing of ``_wire``."""
INSIDE = {
    "_engine": """
        timeline
        call_record
        layer states plan check fan_out listeners retry timeout row_map
        attempt
        call recorder timed_provider batch_cap overlong
        isolation proof
        recovery
        engine
    """,
    "_sharing": """
        cache_key participant token_shares
        seats
        shared_call
        entries
        cache
        cache_layer micro_batcher
    """,
    "_factory": """
        choice caches embedders layers
        health providers
        factory
    """,
    "_sync": """
        waker
        thread
        process
        stream
        embedder
    """,
    "bench": """
        needs importing rss
        model
        environment units
        slo
        rows
        settings
        stats
        requests marks
        corpus call_parts
        subject workload
        scenario
        opening discovery
        asgi
        url
        run_context embedding
        load
        sweep
        micro
        pytest_plugin
        compare
        report
        selftest
    """,
}
"""The same inside a room."""


def rows(drawn: str) -> dict[str, int]:
    return {room: row for row, rooms in enumerate(drawn.split("\n")) for room in rooms.split()}


ROW = rows(ROOMS)
OF_PROVIDERS = {"_types", "_errors", "_settings", "_wire", "_version", "_groups", "_vectors", "http", "providers"}
OUTSIDE = ["testing", "cli", "bench", "integrations", "jobs", "telemetry"]
"""Rooms that use public names alone, as a user would."""

FORBIDDEN = {
    r"\bexcept Exception\b(?!.*#.*#)": "a broad except hides what it does not know, unless it says why it must",
    r"\bexcept:": "a broad except hides what it does not know",
    r"\btime\.time\(": "the wall clock jumps; use the loop's or perf_counter",
    r"\bget_event_loop\b": "there may be none, or another; use get_running_loop",
    r"\b__del__\b": "runs at any time, on any thread, or never",
    r"\bpickle\b": "runs code out of data",
    r"^\s*(asyncio\.|loop\.)?create_task\(": "a task nobody holds may vanish, and its error with it",
    r"\bensure_future\(": "a task nobody holds may vanish, and its error with it",
}


MAX_LINES = 300
LONGER = {
    "_embedder.py": "the facade: a third of it is docstrings, which users read next to each other",
    "_gate/gate.py": "one queue: how a request enters, waits and leaves cannot be understood apart",
}
"""Files that may be longer, each with its reason."""


def sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports from aembed: modules, and names out of them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "aembed")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write the package's name out"
            if node.module == "aembed":
                yield from (f"aembed.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("aembed."):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path, place: str = "aembed") -> set[str]:
    """Those of a package that a file imports from."""
    return {name.removeprefix(f"{place}.").split(".")[0] for name in imports(path) if name.startswith(f"{place}.")}


def files_of(place: Path) -> list[Path]:
    return sources(place) if place.is_dir() else [place.with_suffix(".py")]


def modules(package: Path) -> set[str]:
    return {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


@pytest.mark.parametrize("room", [name for name in ROW if name != "_version"])
def test_no_room_imports_from_one_below(room: str) -> None:
    for path in files_of(PACKAGE / room):
        below = {other for other in rooms_imported(path) if ROW.get(other, 99) > ROW[room]}
        below -= FOR_TYPE_CHECKERS.get(room, set())
        assert not below, f"{path.name} imports {below}"


@pytest.mark.parametrize(("package", "part"), [(package, part) for package in INSIDE for part in rows(INSIDE[package])])
def test_no_part_of_a_room_imports_from_one_below(package: str, part: str) -> None:
    row = rows(INSIDE[package])
    for path in files_of(PACKAGE / package / part):
        below = {other for other in rooms_imported(path, f"aembed.{package}") if row.get(other, 0) > row[part]}
        assert not below, f"{path.name} imports {below}"


def test_every_room_has_its_row() -> None:
    assert {name for name in modules(PACKAGE) if name[0] == "_" and name[1] != "_"} | {"stores"} == set(ROW)
    for package, drawn in INSIDE.items():
        assert modules(PACKAGE / package) - {"__init__"} == set(rows(drawn))


def test_providers_import_the_nouns_and_the_wire() -> None:
    for path in sources(PACKAGE / "providers"):
        assert rooms_imported(path) <= OF_PROVIDERS, path.name


def test_stores_import_the_nouns() -> None:
    for path in sources(PACKAGE / "stores"):
        assert rooms_imported(path) <= {"_types", "_errors", "stores"}, path.name


@pytest.mark.parametrize("room", OUTSIDE)
def test_outside_rooms_use_public_names(room: str) -> None:
    for path in sources(PACKAGE / room):
        private = [name for name in imports(path) if re.search(r"\._(?!_)", name)]
        assert not private, f"{path.name} imports {private}"


def test_aiometer_has_one_importer() -> None:
    users = [path.name for path in sources(PACKAGE) if re.search(r"\bimport aiometer\b", path.read_text("utf-8"))]
    assert users == ["fan_out.py"]


@pytest.mark.parametrize(("place", "longer"), [(PACKAGE, LONGER), (TESTS, {})], ids=["aembed", "tests"])
def test_files_stay_short(place: Path, longer: dict[str, str]) -> None:
    """A file that has outgrown its sentence is two ideas."""
    lengths = {path.relative_to(place).as_posix(): len(path.read_bytes().splitlines()) for path in sources(place)}
    assert {name for name, lines in lengths.items() if lines > MAX_LINES} == longer.keys()
    assert max(lengths.values()) < 2 * MAX_LINES


@pytest.mark.parametrize(("pattern", "why"), FORBIDDEN.items())
def test_forbidden_constructs(pattern: str, why: str) -> None:
    lines = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sources(PACKAGE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not lines, why


def test_tests_do_not_sleep() -> None:
    """``anyio.sleep`` is for virtual time: :mod:`tests.real_time` lets it fail on a real loop."""
    pattern = re.compile(r"\b(asyncio|time)\.sleep\(")
    sleepers = [path.name for path in sources(TESTS) if pattern.search(path.read_text("utf-8"))]
    assert sleepers == [], "use VirtualTimeLoop, events or anyio.wait_all_tasks_blocked"
