"""Records of the logger ``aembed``: levels, fields, JSON, and silence by default."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
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
    OtherModel,
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


PLAIN: dict[str, Any] = {"waited_for": "", "waited": 0.0}
ENDED = "search: embed_query of 1 texts"
SENTENCES = [
    (call_done(**PLAIN), f"{ENDED} took 0.250 s"),
    (call_done(), f"{ENDED} took 0.250 s, 0.050 s of it waiting for requests"),
    (call_done(**PLAIN, attempts=2), f"{ENDED} took 0.250 s, 2 attempts"),
    (call_done(attempts=3), f"{ENDED} took 0.250 s, 0.050 s of it waiting for requests, 3 attempts"),
    (call_done(**PLAIN, outcome="cancelled"), f"{ENDED} was cancelled after 0.250 s"),
    (
        call_done(**PLAIN, outcome="partial", error_class="BadTextError"),
        f"{ENDED} failed with BadTextError after 0.250 s",
    ),
    (call_done(**PLAIN, embedder=""), f"{EMBEDDER['model']}: embed_query of 1 texts took 0.250 s"),
    (request_done(1, waited=0.1), "search: request of 1 texts took 0.200 s, attempt 1, waited 0.100 s"),
    (request_failed(1), "search: request of 1 texts ended with cancellation in 0.200 s"),
    (request_failed(1, error=BATCH["error"]), "search: request of 1 texts ended with OverloadedError in 0.200 s"),
    (RetryScheduled(attempt=1, delay=0.5, **BATCH), "search: attempt 1 failed with OverloadedError; retry in 0.500 s"),
    (BatchSplit(**BATCH), "search: batch of 2 texts is split after OverloadedError"),
    (BatchFailed(**BATCH), "search: 2 texts failed with OverloadedError"),
    (
        StoreFailed(model="m", operation="put", texts=2, error=OSError("disk")),
        "m: cache store failed to put 2 texts: OSError",
    ),
    (GatePaused(seconds=2.0, **GATE), "openai, account 0a1b2c3d: requests paused for 2.000 s"),
    (GateResumed(**GATE, model="m"), "openai:m, account 0a1b2c3d: requests resumed"),
    (
        LimitChanged(resource="requests", before=None, limit=500.0, **GATE),
        "openai, account 0a1b2c3d: limit of requests per minute is 500, was none",
    ),
    (
        LimitChanged(resource="tokens", before=1e6, limit=None, **GATE),
        "openai, account 0a1b2c3d: limit of tokens per minute is none, was 1e+06",
    ),
    (CircuitOpened(**GATE), "openai, account 0a1b2c3d: circuit breaker opened; one probe at a time is sent"),
    (CircuitClosed(**GATE), "openai, account 0a1b2c3d: circuit breaker closed"),
]


@pytest.mark.parametrize(("event", "sentence"), SENTENCES, ids=[type(event).__name__ for event, _ in SENTENCES])
def test_each_event_is_a_sentence(event: Event, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aembed")
    telemetry.logging()(event)
    assert [record.getMessage() for record in caplog.records] == [sentence]


def test_what_is_logged_elsewhere_is_not_logged_twice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aembed")
    telemetry.logging()(OtherModel(model="m", answered="n", kind="query", texts=1))
    assert caplog.records == []


@pytest.mark.parametrize(("event", "level"), LEVELS, ids=[type(event).__name__ for event, _ in LEVELS])
def test_below_the_level_nothing_is_logged(event: Event, level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level + 1, "aembed")
    telemetry.logging()(event)
    assert caplog.records == []


@contextmanager
def json_lines(make: Callable[..., logging.LogRecord] = logging.LogRecord) -> Iterator[io.StringIO]:
    """Lines of the logger ``aembed``, at every level. Other packages may have set another record factory."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(telemetry.JsonFormatter())
    logger = logging.getLogger("aembed")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    usual = logging.getLogRecordFactory()
    logging.setLogRecordFactory(make)
    try:
        yield stream
    finally:
        logging.setLogRecordFactory(usual)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_json_is_one_object_a_line_with_the_fields() -> None:
    event = call_done()
    with json_lines() as stream:
        telemetry.logging()(event)
        telemetry.logging()(RetryScheduled(attempt=1, delay=0.5, **BATCH))
    done, retry = map(json.loads, stream.getvalue().splitlines())
    assert set(done) == {"time", "level", "logger", "message", "event"} | {each.name for each in fields(event)}
    assert done["level"] == "DEBUG"
    assert done["waits"] == {"requests": 0.05}
    assert done["time"].endswith("+00:00")
    assert (retry["event"], retry["delay"]) == ("RetryScheduled", 0.5)
    assert retry["error"] == "OverloadedError: busy [status 503]"


def test_json_has_fields_of_other_records_and_tracebacks() -> None:
    with json_lines() as stream:
        about = {"path": Path("a"), "sizes": MappingProxyType({"b": 1}), "level": "mine"}
        logging.getLogger("aembed").error("cannot read", exc_info=OSError("disk"), extra=about)
    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["logger"]) == ("cannot read", "ERROR", "aembed")
    assert (line["path"], line["sizes"]) == ("a", {"b": 1})
    assert line["traceback"].endswith("OSError: disk")


def test_json_has_what_the_program_adds_to_its_records_but_nothing_private() -> None:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        vars(record).update(request_id="r7", _stamp=1)
        return record

    with json_lines(make) as stream:
        logging.getLogger("aembed").error("words")
    assert set(json.loads(stream.getvalue())) == {"time", "level", "logger", "message", "request_id"}


def test_the_library_is_silent_unless_logging_is_configured() -> None:
    code = "import aembed, logging; aembed.EmbedderFactory(); logging.getLogger('aembed').warning('words')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")
