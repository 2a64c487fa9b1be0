"""Records of the logger ``aembed``: levels, fields, JSON, and silence by default."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from aembed import (
    BatchFailed,
    BatchSplit,
    CircuitClosed,
    CircuitOpened,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    OverloadedError,
    RetryScheduled,
    StoreFailed,
    telemetry,
)
from tests.telemetry.events import EMBEDDER, call_done, request_done, request_failed

GATE: dict[str, Any] = {"account": "0a1b2c3d", "provider": "openai"}
BATCH: dict[str, Any] = {"kind": "query", "texts": 2, "error": OverloadedError("busy", status=503), **EMBEDDER}

LEVELS = [
    (call_done(), logging.DEBUG),
    (call_done(outcome="cancelled", error_class="CancelledError"), logging.DEBUG),
    (call_done(outcome="error", error_class="OverloadedError"), logging.WARNING),
    (call_done(outcome="partial", error_class="BadTextError"), logging.WARNING),
    (call_done(outcome="deadline", error_class="DeadlineError"), logging.WARNING),
    (request_done(1), logging.DEBUG),
    (request_failed(1), logging.DEBUG),
    (RetryScheduled(attempt=1, delay=0.5, **BATCH), logging.INFO),
    (BatchSplit(**BATCH), logging.INFO),
    (BatchFailed(**BATCH), logging.INFO),
    (StoreFailed(model="m", operation="get", texts=2, error=OSError("disk")), logging.WARNING),
    (GatePaused(seconds=2.0, **GATE), logging.INFO),
    (GateResumed(**GATE), logging.INFO),
    (LimitChanged(resource="requests", before=None, limit=500.0, **GATE), logging.INFO),
    (CircuitOpened(**GATE), logging.INFO),
    (CircuitClosed(**GATE), logging.INFO),
]


@pytest.mark.parametrize(("event", "level"), LEVELS, ids=[type(event).__name__ for event, _ in LEVELS])
def test_each_event_has_its_level_and_its_fields(event: Event, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aembed")
    telemetry.logging()(event)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("aembed", level)
    assert vars(record)["event"] == type(event).__name__
    for name, value in telemetry.logs.as_fields(event).items():
        assert vars(record)[name] == value


@pytest.mark.parametrize(("event", "level"), LEVELS, ids=[type(event).__name__ for event, _ in LEVELS])
def test_below_the_level_nothing_is_logged(event: Event, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level + 1, "aembed")
    telemetry.logging()(event)
    assert caplog.records == []


def test_json_is_one_object_a_line_with_the_fields() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(telemetry.JsonFormatter())
    logger = logging.getLogger("aembed")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        telemetry.logging()(call_done())
        telemetry.logging()(RetryScheduled(attempt=1, delay=0.5, **BATCH))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    done, retry = map(json.loads, stream.getvalue().splitlines())
    assert done["level"] == "DEBUG"
    assert done["waits"] == {"requests": 0.05}
    assert done["time"].endswith("+00:00")
    assert (retry["event"], retry["delay"]) == ("RetryScheduled", 0.5)
    assert retry["error"] == "OverloadedError: busy [status 503]"


def test_the_library_is_silent_unless_logging_is_configured() -> None:
    code = "import aembed, logging; aembed.EmbedderFactory(); logging.getLogger('aembed').warning('words')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")
