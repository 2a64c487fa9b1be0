"""A directory with subjects for the command, and the command in this process."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from tests.cli.command import Aembed

SUBJECTS = """
from anyio.lowlevel import checkpoint
from aembed import bench

@bench.scenario(turns=[1, 2])
async def turns(case):
    async def call():
        for _ in range(case.turns):
            await checkpoint()
    yield bench.Subject(call)

async def fails():
    raise LookupError("there is nothing")

async def quick():
    await checkpoint()

async def user(number):
    assert 1 <= number <= 9
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "subjects.py").write_text(SUBJECTS)
    return tmp_path


@pytest.fixture
def bench_here(aembed: Aembed, place: Path, monkeypatch: pytest.MonkeyPatch) -> Aembed:
    """Run ``aembed bench`` in this process, in the directory of the subjects."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(sys, "path", list(sys.path))  # a file of scenarios adds its directory
    return partial(aembed, "bench")
