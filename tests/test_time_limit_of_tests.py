"""A test that hangs, on any loop or on none, ends by its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFTEST = """
from tests.time_limit import TimeLimit

def pytest_configure(config):
    config.pluginmanager.register(TimeLimit(config, 1.0))
"""
TESTS = """
import asyncio, threading

def test_is_quick():
    pass

def test_hangs_in_a_thread():
    threading.Event().wait()

def test_hangs_on_uvloop():
    import uvloop
    uvloop.run(asyncio.Event().wait())
"""


@pytest.mark.parametrize("name", ["test_hangs_in_a_thread", "test_hangs_on_uvloop"])
def test_a_test_that_hangs_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_hangs.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-c", os.devnull, "-k", f"quick or {name}", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert f"test_hangs.py::{name} did not end within 1 s" in done.stderr
    assert f"in {name}" in done.stderr or "uvloop" in done.stderr
    assert "passed" not in done.stdout
