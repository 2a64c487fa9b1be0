"""No cancel scope and no task group is open across a ``yield``, anywhere in the package.

Such a scope belongs to the task that opened it. A generator is often left in another one: by the event loop that
finalizes it, by a web framework, by a test's fixture. Then the wrong task is cancelled, at every later await.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import aembed

PACKAGE = Path(aembed.__file__).parent
SCOPES = {
    *("CancelScope", "TaskGroup", "create_task_group", "fail_after", "fail_at", "move_on_after", "move_on_at"),
    *("timeout", "timeout_at", "block", "start_blocking_portal"),
}
"""Calls of anyio, asyncio and aembed whose result is a scope of the current task."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@cache
def parsed() -> dict[str, ast.Module]:
    files = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function's body, without those of functions in it."""
    left = list(ast.iter_child_nodes(function))
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            left += ast.iter_child_nodes(node)


@cache
def called(node: ast.AST) -> set[str]:
    """Names of the functions called in an expression."""
    calls = [inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


@cache
def yields(function: ast.AST) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own_nodes(function))


def scopes_of(trees: dict[str, ast.Module]) -> set[str]:
    """SCOPES, the classes that are entered by entering one, and the functions that return one."""
    known = set(SCOPES)
    while True:
        found = {name for tree in trees.values() for node in ast.walk(tree) for name in holders(node, known)}
        if found <= known:
            return known
        known |= found


def holders(node: ast.AST, known: set[str]) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        members = {member.name: member for member in node.body if isinstance(member, FUNCTIONS[:2])}
        enters = members.get("__aenter__") or members.get("__enter__")
        makes = [member for name, member in members.items() if name in ("__init__", "__aenter__", "__enter__")]
        if enters is not None and any(called(member) & known for member in makes):
            yield node.name
    elif isinstance(node, FUNCTIONS[:2]) and not yields(node):
        returned = [inner.value for inner in own_nodes(node) if isinstance(inner, ast.Return) and inner.value]
        if any(called(value) & known for value in returned if isinstance(value, ast.Call)):
            yield node.name


def violations(trees: dict[str, ast.Module]) -> list[str]:
    scopes, found = scopes_of(trees), []
    for name, tree in trees.items():
        for function in ast.walk(tree):
            if isinstance(function, FUNCTIONS) and yields(function):
                found += [f"{name}:{line}" for line in open_across_yields(function, scopes)]
    return found


def open_across_yields(function: ast.AST, scopes: set[str]) -> Iterator[int]:
    harmless: set[ast.AST] = set()
    for node in own_nodes(function):
        if isinstance(node, (ast.With, ast.AsyncWith)) and not yields(node):
            harmless.update(ast.walk(node))
    for node in own_nodes(function):
        if isinstance(node, ast.Call) and node not in harmless and called(node) & scopes:
            yield node.lineno


def test_no_scope_is_open_across_a_yield() -> None:
    assert violations(parsed()) == []


def test_scopes_of_our_own_are_known() -> None:
    assert {"task_group", "telling"} <= scopes_of(parsed())


@pytest.mark.parametrize(
    "body",
    [
        "with anyio.CancelScope(shield=True):\n  yield",
        "async with create_task_group() as tasks:\n  async with other():\n    yield tasks",
        "async with AsyncExitStack() as stack:\n  await stack.enter_async_context(anyio.create_task_group())\n  yield",
        "scope = move_on_after(3)\n with scope:\n  yield",
        "async with telling():\n  yield",
        "async with Telling():\n  for x in y:\n   yield x",
    ],
)
def test_the_search_finds_them(body: str) -> None:
    telling = (
        "class Telling:\n def __init__(self):\n  self.group = create_task_group()\n async def __aenter__(self): ...\n"
    )
    source = f"{telling}\ndef telling():\n return Telling()\nasync def f():\n {body}"
    assert violations({"x.py": ast.parse(source)}) != []


def test_a_scope_that_ends_before_the_yield_is_fine() -> None:
    source = "async def f():\n async for x in y:\n  yield x\n with CancelScope(shield=True):\n  await z\n"
    assert violations({"x.py": ast.parse(source)}) == []
