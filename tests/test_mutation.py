"""The changes that ``nox -s mutation`` makes: valid, small, and nothing that cannot be noticed."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from tests.mutation.mutants import mutants
from tests.mutation.swap import swapped

ROOT = Path(__file__).parent.parent
ROOMS = tomllib.loads((ROOT / "tests/mutation/rooms.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("a < b", ["(a <= b)"]),
        ("a is not None", ["(a is None)"]),
        ("a + b - 'text'", ["(a - b)"]),
        ("a and not b", ["(a or not b)", "(b)"]),
        ("a += b", ["a -= b"]),
        ("max(a, b)", ["pass", "(min(a, b))"]),
        ("f(a)", ["pass"]),
        ("x = 1, 50, 0.5, True", ["(2)", "(100)", "(1.0)", "(False)"]),
        ("if f(a): b", ["if not f(a):\n    b"]),
        ("for a in b: break", ["continue"]),
        ("x: Literal[5] = a", []),
        ("x = f'{a + 1}'", []),
        ("assert a < 5", []),
        ("x = zip(a, b, strict=True)", []),
        ("class A(Struct, gc=False): pass", []),
        ("if TYPE_CHECKING: f(a)", []),
        ("@dataclass(frozen=True)\nclass A: x = field(repr=False)", []),
    ],
)
def test_changes(code: str, after: list[str], tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, encoding="utf-8")
    assert sorted(mutant.after for mutant in mutants(path, tmp_path)) == sorted(after)


def test_only_the_place_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("# é\nx = (\n    'é', a <  # why\n    b)\n", encoding="utf-8")
    (mutant,) = mutants(path, tmp_path)
    assert mutant.source == "# é\nx = (\n    'é', (a <= b))\n"
    assert (mutant.place, mutant.text) == ("module.py:3:10", "'é', a <  # why")


def test_code_that_runs_at_import_is_recognised(tmp_path: Path) -> None:
    """The first test to import a module runs it, and the others depend on it as well."""
    path = tmp_path / "module.py"
    path.write_text("class A:\n    x = 1\n\n    def f(self, y=2):\n        return 3\n", encoding="utf-8")
    assert [mutant.at_import for mutant in mutants(path, tmp_path)] == [True, True, False]


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_exist(room: str) -> None:
    assert all((ROOT / path).exists() for paths in ROOMS[room].values() for path in paths)


MODULE = "def outer(x):\n    def inner():\n        return x + 1\n    return inner\n\ndef other():\n    return 5\n"


def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[FunctionType]]:
    """A module with a function that was made when it was imported."""
    path = tmp_path / "some_changed_module.py"
    path.write_text(MODULE, encoding="utf-8")
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(MODULE, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, path.stem, module)
    return path, [module.outer, module.outer(10), module.other]


def test_a_change_reaches_functions_wherever_they_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, functions = imported(tmp_path, monkeypatch)
    _, made_before, other = functions
    assert swapped(path, MODULE, MODULE.replace("x + 1", "x - 1"), functions)
    assert (made_before(), functions[0](10)(), other()) == (9, 9, 5)


@pytest.mark.parametrize(
    ("before", "after"), [("x + 1", "1"), ("    return inner\n", "    return (lambda: 5)\n"), ("return 5", "return 5")]
)
def test_a_change_that_cannot_be_put_there_is_said_so(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, functions = imported(tmp_path, monkeypatch)
    assert not swapped(path, MODULE, MODULE.replace(before, after), functions[1:])


def test_a_module_that_is_not_imported_yet_will_be_read_from_its_file(tmp_path: Path) -> None:
    assert swapped(tmp_path / "never_imported.py", MODULE, MODULE.replace("x + 1", "x - 1"), [])
