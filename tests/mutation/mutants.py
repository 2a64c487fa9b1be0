"""The changes: what can be changed in a file, and the file with that change."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
OTHER_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    path: str
    """Relative to the project, with slashes."""
    line: int
    column: int
    kind: str
    before: str
    after: str
    text: str
    """The line it is in, stripped."""
    source: str
    """The whole file with the change."""
    at_import: bool
    """In no function, and so run once, for whichever test is the first to import it."""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Its entry in the list of equivalent mutants: the line's number may change, the line itself may not."""
        return self.path, self.text, self.column, self.after

    def __str__(self) -> str:
        return f"{self.place}  {self.before}  ->  {self.after}"


def mutants(path: Path, root: Path) -> list[Mutant]:
    """All changes of one file, in its order."""
    source = path.read_text(encoding="utf-8")
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = source.encode()
    tree = ast.parse(source)
    bodies = [(f.body[0].lineno, f.end_lineno or 0) for f in ast.walk(tree) if isinstance(f, _FUNCTIONS)]
    found = []
    for node, kind, replacement in _changes(tree):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        changed = (data[:start] + replacement.encode() + data[end:]).decode()
        try:
            compile(changed, str(path), "exec", dont_inherit=True)
        except SyntaxError:
            continue  # such as `continue` for `break` in a match statement outside a loop
        name = path.relative_to(root).as_posix()
        text = lines[node.lineno - 1].decode().strip()
        at_import = not any(first <= node.lineno <= last for first, last in bodies)
        where = name, node.lineno, node.col_offset
        found.append(Mutant(*where, kind, ast.unparse(node), replacement, text, changed, at_import))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.column))


_TYPE_CHECKING = ast.dump(ast.parse("TYPE_CHECKING", mode="eval").body)

Place = ast.expr | ast.stmt

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def _changes(tree: ast.AST) -> Iterator[tuple[Place, str, str]]:
    """Place, kind of change and replacement. Annotations, messages and decorators are left alone."""
    for node in _walk(tree):
        for kind, change in _KINDS:
            if isinstance(node, ast.expr | ast.stmt) and (changed := change(node)) is not None:
                yield node, kind, f"({ast.unparse(changed)})" if isinstance(changed, ast.expr) else ast.unparse(changed)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs and is worth a change."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "keywords" if _is_field(node) else ""}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                yield from _walk(child)


def _is_field(node: ast.AST) -> bool:
    """``field(repr=False)``: the repr of a dataclass is not its behaviour."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "field"


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Import() | ast.ImportFrom():  # positions in f-strings lie before 3.12
            return True
        case ast.If(test=test):
            return ast.dump(test) == _TYPE_CHECKING
        case ast.keyword(arg="strict" | "gc") | ast.FunctionDef(name="__repr__" | "__str__"):
            return True
    return False


def _comparison(node: Place) -> ast.expr | None:
    if not isinstance(node, ast.Compare):
        return None
    other = copy.deepcopy(node)
    other.ops[0] = COMPARISONS[type(node.ops[0])]()
    return other


def _arithmetic(node: Place) -> Place | None:
    if not isinstance(node, ast.BinOp | ast.AugAssign) or type(node.op) not in OPERATORS:
        return None
    if isinstance(node, ast.BinOp) and any(_is_text(side) for side in (node.left, node.right)):
        return None
    other = copy.deepcopy(node)
    other.op = OPERATORS[type(node.op)]()
    return other


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _logic(node: Place) -> ast.expr | None:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
    return None


def _condition(node: Place) -> Place | None:
    """A plain name or call that decides: negated. Comparisons and the like have other changes."""
    if not isinstance(node, ast.If | ast.IfExp | ast.While):
        return None
    if not isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        return None
    other = copy.deepcopy(node)
    other.test = ast.UnaryOp(ast.Not(), other.test)
    return other


def _constant(node: Place) -> ast.expr | None:
    match node:
        case ast.Constant(value=bool(value)):
            return ast.Constant(not value)
        case ast.Constant(value=int(value)):
            return ast.Constant(value + 1 if value <= 2 else value * 2)
        case ast.Constant(value=float(value)):
            return ast.Constant(value * 2 if value else 1.0)
    return None


def _dropped_call(node: Place) -> ast.stmt | None:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()):
            return ast.Pass()
    return None


def _other_name(node: Place) -> ast.expr | None:
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in OTHER_NAMES:
            other = copy.deepcopy(node)
            other.func = ast.Name(OTHER_NAMES[name])
            return other
    return None


def _jump(node: Place) -> ast.stmt | None:
    match node:
        case ast.Break():
            return ast.Continue()
        case ast.Continue():
            return ast.Break()
    return None


_KINDS: list[tuple[str, Callable[[Place], Place | None]]] = [
    ("comparison", _comparison),
    ("arithmetic", _arithmetic),
    ("logic", _logic),
    ("condition", _condition),
    ("constant", _constant),
    ("dropped call", _dropped_call),
    ("other name", _other_name),
    ("jump", _jump),
]
