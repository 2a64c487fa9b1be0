"""Every case of the list has a test that is collected, and carries its number."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CASES = set(range(1, 128))
WAITING = {80: "there is no store of quotas yet that several processes share, which could fail"}


def test_every_case_has_its_tests(request: pytest.FixtureRequest) -> None:
    files = {path for path in TESTS.rglob("test_*.py") if re.search(r"fault_\d\d", path.read_text(encoding="utf-8"))}
    collected = request.session.items
    everything = files <= {item.path for item in collected} and not request.config.option.keyword
    names = [item.nodeid for item in collected] if everything else collect(files)
    tested: set[int] = set()
    for name in names:
        for numbers in re.findall(r"fault((?:_(?:1[0-2]\d|\d\d)(?!\d))+)", name):
            tested.update(map(int, numbers.split("_")[1:]))
    assert sorted(CASES - tested) == sorted(WAITING)
    assert tested <= CASES


def collect(files: Iterable[Path]) -> list[str]:
    """Tests of these that pytest would run, had it been asked for all."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, files)]
    found = subprocess.run(command, capture_output=True, cwd=TESTS.parent, check=False, timeout=300)
    assert found.returncode == 0, found.stdout.decode()[-2000:]
    return found.stdout.decode().splitlines()
