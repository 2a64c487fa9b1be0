"""A project whose tests have exact counts, and runs of pytest in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
asyncio_mode = strict
filterwarnings = error
"""
CONFTEST = """
import os, random
def pytest_collection_modifyitems(items):
    random.Random(int(os.environ.get("ORDER", "0"))).shuffle(items)
"""
OPERATIONS = """
import asyncio, os
TASKS = int(os.environ.get("TASKS", "2"))
CALLBACKS = int(os.environ.get("CALLBACKS", "0"))
async def nothing():
    pass
async def operation():
    for _ in range(CALLBACKS):
        asyncio.get_running_loop().call_soon(int)
    await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(TASKS)))
"""
TESTS = """
import pytest
from aembed import bench
from operations import operation

@bench.scenario
async def scenario():
    await operation()

@pytest.mark.asyncio
async def test_asyncio(async_benchmark):
    cost = await async_benchmark(operation)
    assert cost.exact

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(async_benchmark):
    await async_benchmark(operation, name="one")
    await async_benchmark(lambda: operation(), name="other")

class TestOfNoLoop:
    def test_synchronous(self, async_benchmark):
        async_benchmark.run(operation)

def test_fresh_process(async_benchmark):
    async_benchmark.run(scenario)
"""
MEASURED = {
    "test_asyncio",
    "test_anyio[asyncio] one",
    "test_anyio[asyncio] other",
    "TestOfNoLoop::test_synchronous",
    "test_fresh_process",
}


def made(at: Path) -> Path:
    """The files of the project."""
    files = {"pytest.ini": INI, "conftest.py": CONFTEST, "operations.py": OPERATIONS, "test_it.py": TESTS}
    for name, text in files.items():
        (at / name).write_text(text, encoding="utf-8")
    return at


COMMAND = [
    *("-p", "no:cacheprovider", "-p", "aembed_pytest"),
    *("-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin", "-p", "xdist.plugin"),
]
"""Other plugins take seconds to load, and are not tested."""


def environment(**more: str) -> dict[str, str]:
    found = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200", **more}
    found.pop("CI", None)  # there pytest repeats whole messages in its summary
    return found


def pytest_in(project: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run in a fresh process."""
    command, env = [sys.executable, "-m", "pytest", *COMMAND, *options], environment(**variables)
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=300, check=False)
