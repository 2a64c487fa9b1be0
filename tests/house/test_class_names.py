"""A class name has one meaning in the whole package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.test_import_rule import PACKAGE, sources

SHARED = {
    "Step": "public in aembed.testing (a reply) and in aembed.testing.faults (a part of an answer)",
    "OnError": "the same two words; integrations import public names alone",
    "Floats": "the same array; pure statistics import nothing of a run",
}
"""Names that two files define, each with its reason."""


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, set[str]] = {}
    for path in sources(PACKAGE):
        for name in classes(path):
            places.setdefault(name, set()).add(path.relative_to(PACKAGE).as_posix())
    assert {name: files for name, files in places.items() if len(files) > 1 and name not in SHARED} == {}


def test_the_exceptions_are_still_needed() -> None:
    found = [name for path in sources(PACKAGE) for name in set(classes(path))]
    assert [name for name in SHARED if found.count(name) < 2] == []


def classes(path: Path) -> Iterator[str]:
    """Classes, nested ones too, and names of types at the top of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name[0].isupper() and not name.isupper():
                    yield name
