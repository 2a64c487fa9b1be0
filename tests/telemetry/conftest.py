"""The listener of a test."""

from __future__ import annotations

import pytest

from tests.telemetry.call_log import Log


@pytest.fixture
def log() -> Log:
    return Log()
