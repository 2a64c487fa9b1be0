"""The machine and the system of a measurement."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed.bench import environment as room
from aembed.bench.environment import environment, look


@pytest.fixture(autouse=True)
def _short_looks() -> None:
    """Looks of their whole length are tested here."""


@pytest.fixture(autouse=True)
def _asks_anew() -> None:
    for function in (room._git, room._cpu, room._machine, room._packages):
        function.cache_clear()


async def test_it_names_machine_loop_and_packages() -> None:
    found = environment(asyncio.get_running_loop())
    assert found.cores == os.cpu_count()
    assert found.system.startswith(platform.system())
    assert found.python == f"{platform.python_implementation()} {platform.python_version()}"
    assert found.packages["numpy"] == np.__version__
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    assert found.loop.partition(" ")[0] == loop
    assert environment().loop == "none"


@pytest.mark.parametrize("cpu", ["Some CPU @ 2.00GHz", "Another CPU"])
def test_the_fingerprint_is_that_of_the_kind_of_machine(cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = room._machine.__wrapped__()
    assert here == room._machine.__wrapped__()
    assert len(here) == 12
    monkeypatch.setattr(room, "_cpu", lambda: cpu)
    assert room._machine.__wrapped__() != here


def test_outside_of_a_tree_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert (environment().revision, environment().dirty) == (None, None)


def test_without_git_there_is_no_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert environment().revision is None


def test_a_system_that_reports_little_has_few_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text

    def nothing_of_proc(path: Path, *args: Any, **options: Any) -> str:
        if path.is_relative_to("/proc"):
            raise FileNotFoundError(path)
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "read_text", nothing_of_proc)
    assert environment().cpu
    assert look().steal is None


def test_a_look_measures_the_noise_of_the_machine() -> None:
    found = look()
    assert 0 <= found.lost <= 1
    assert found.longest_gap <= 10
    assert found.canary > 0
    assert found.steal is None or 0 <= found.steal <= 1


def proc(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """The system has these files of /proc and no other."""
    read = Path.read_text

    def told(path: Path, *args: Any, **options: Any) -> str:
        if not path.is_relative_to("/proc"):
            return read(path, *args, **options)
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", told)


def test_time_that_was_stolen_is_the_eighth_number_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    proc(monkeypatch, {"/proc/stat": "cpu  1 2 3 4 5 6 7 8 900 1000\ncpu0 1 1 1 1 1 1 1 1 1 1\n"})
    assert room._cpu_times() == (36, 8)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ((100, 10), (200, 35), 0.25),
        ((100, 10), (101, 10), 0.0),
        ((100, 10), (100, 10), None),
        (None, (100, 10), None),
        ((100, 10), None, None),
    ],
)
def test_the_share_that_was_stolen(
    before: tuple[int, int] | None, after: tuple[int, int] | None, share: float | None
) -> None:
    assert room._steal(before, after) == share


def test_a_look_counts_lost_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred milliseconds: gaps up to 20 us are turns of the loop, the others are lost."""
    gaps = iter([20_000, 20_001, 30_000_000, 15_000, 50_000_000, 20_000_000, 0])
    clock = [7_000_000_000]

    def now() -> int:
        clock.append(clock[-1] + next(gaps))
        return clock[-2]

    canaries = iter([0.5, 0.4, 0.2, 0.3, 0.6, 0.1])
    monkeypatch.setattr(room, "_canary", lambda: next(canaries))
    monkeypatch.setattr(time, "perf_counter_ns", now)
    found = look()
    monkeypatch.undo()
    assert found.lost == pytest.approx(100_020_001 / 100_055_001, rel=1e-12)
    assert found.longest_gap == 0.05
    assert found.canary == 0.2  # the best of five


def test_the_name_of_the_processor_is_that_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    proc(monkeypatch, {"/proc/cpuinfo": "processor : 0\nmodel name\t: Fast: 3 GHz\nmodel name : other\n"})
    assert environment().cpu == "Fast: 3 GHz"
    room._cpu.cache_clear()
    proc(monkeypatch, {"/proc/cpuinfo": "processor : 0\n"})
    assert environment().cpu == (platform.processor() or platform.machine())


def test_machines_of_one_kind_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for cpu, cores in (("fast", 2), ("fast", 2), ("slow", 2), ("fast", 4)):
        room._machine.cache_clear()
        monkeypatch.setattr(room, "_cpu", lambda cpu=cpu: cpu)
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        names.add(room._machine())
    assert len(names) == 3


@pytest.mark.parametrize(("status", "dirty"), [(" M a.py", True), ("", False)])
def test_a_tree_with_changes_is_not_its_revision(status: str, dirty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def git(*arguments: str) -> str:
        asked.append(arguments)
        return "0123456789ab" if arguments[0] == "rev-parse" else status

    monkeypatch.setattr(room, "_git", git)
    found = environment()
    assert (found.revision, found.dirty) == ("0123456789ab", dirty)
    assert asked == [("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain")]
    monkeypatch.undo()


def test_an_unknown_number_of_cores_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert environment().cores == 1


@pytest.mark.skipif(sys.platform != "linux", reason="affinity is of Linux")
def test_cores_that_may_be_used_are_named() -> None:
    assert environment().affinity == tuple(sorted(os.sched_getaffinity(0)))


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PACKAGES", ("numpy", "no-such-package", "anyio"))
    assert list(environment().packages) == ["numpy", "anyio"]


@pytest.mark.skipif(sys.platform == "win32", reason="a script in place of git")
@pytest.mark.parametrize(("code", "said"), [(0, "abc123"), (128, None)])
def test_git_is_called_once(code: int, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho "  abc123  "\necho noise >&2\nexit {code}\n')
    git.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(git))
    assert [room._git("rev-parse", "HEAD") for _ in range(2)] == [said, said]
    assert (tmp_path / "asked").read_text() == "rev-parse HEAD\n"
