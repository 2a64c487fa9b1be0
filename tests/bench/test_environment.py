"""Where it was measured."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from aembed.bench import environment as room
from aembed.bench.environment import environment, look


@pytest.fixture(autouse=True)
def _asks_anew() -> None:
    for function in (room._git, room._cpu, room._machine, room._packages):
        function.cache_clear()


async def test_it_names_machine_loop_and_packages() -> None:
    found = environment(asyncio.get_running_loop())
    again = environment()
    assert found.machine == again.machine
    assert len(found.machine) == 12
    assert found.cores >= 1
    assert found.cpu
    assert {"aembed", "numpy", "anyio"} <= set(found.packages)
    assert found.loop.startswith(("asyncio", "uvloop "))
    assert again.loop == "none"


def test_outside_of_a_tree_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert (environment().revision, environment().dirty) == (None, None)


def test_without_git_there_is_no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert environment().revision is None


def test_where_the_system_tells_little_little_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def nothing_of_proc(path: Path, *args: Any, **options: Any) -> str:
        if path.is_relative_to("/proc"):
            raise FileNotFoundError(path)
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", nothing_of_proc)
    assert environment().cpu
    assert look().steal is None


def test_a_look_tells_how_quiet_it_is() -> None:
    found = look()
    assert 0 <= found.lost <= 1
    assert found.longest_gap <= 10
    assert found.canary > 0
    assert found.steal is None or 0 <= found.steal <= 1
