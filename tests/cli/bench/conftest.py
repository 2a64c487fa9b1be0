"""A directory with subjects for the command."""

from __future__ import annotations

from pathlib import Path

import pytest

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
