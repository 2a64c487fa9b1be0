"""Short looks at the machine: two belong to each measurement, and take longer than most that are tested."""

from __future__ import annotations

import pytest

from aembed.bench import environment
from tests.bench.subjects import LOOK_S


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "LOOK", LOOK_S)
    monkeypatch.setattr(environment, "CANARY", 1)
