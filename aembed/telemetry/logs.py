"""Log records of the standard library's logger ``aembed``, made from events.

DEBUG     every request and every call
INFO      retries, split batches, pauses, limits, the circuit breaker
WARNING   calls that failed or ran out of time, a cache store that fails

Each record has the fields of its event as attributes (``extra=``), and ``event``, the name of its class.
"""

from __future__ import annotations

import json
import logging as stdlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from aembed import (
    BatchFailed,
    BatchSplit,
    CallDone,
    CircuitClosed,
    CircuitOpened,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    RequestDone,
    RequestFailed,
    RetryScheduled,
    StoreFailed,
)

logger = stdlib.getLogger("aembed")

STANDARD = frozenset(vars(stdlib.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}
"""Attributes that every record has: they are not fields of an event. Those of the program's record factory are."""


def log(event: Event) -> None:
    """Write ``event``, if its level is enabled."""
    kind = type(event)
    if kind in LEVELS:
        level = stdlib.DEBUG if isinstance(event, CallDone) and event.outcome in QUIET else LEVELS[kind]
        if logger.isEnabledFor(level):
            logger.log(level, "%s", SENTENCES[kind](event), extra=as_fields(event))


def as_fields(event: Event) -> dict[str, Any]:
    """Fields of an event as plain values, and its class as ``event``. An exception is given as text."""
    values: dict[str, Any] = {"event": type(event).__name__}
    for each in fields(event):
        value = getattr(event, each.name)
        values[each.name] = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else value
    return values


class JsonFormatter(stdlib.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, and the fields of the event.

    Fields that the program adds to its records are shown too, unless their names begin with an underscore.
    """

    def format(self, record: stdlib.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            name: value
            for name, value in vars(record).items()
            if not (name in STANDARD or name in line or name.startswith("_"))
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_as_json)


def _as_json(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _call_done(event: CallDone) -> str:
    took = f"{_name(event)}: {event.operation} of {event.texts} texts"
    if event.outcome == "ok":
        return f"{took} took {event.elapsed:.3f} s{_wait(event)}"
    if event.outcome == "cancelled":
        return f"{took} was cancelled after {event.elapsed:.3f} s{_wait(event)}"
    return f"{took} failed with {event.error_class} after {event.elapsed:.3f} s{_wait(event)}"


def _wait(event: CallDone) -> str:
    waited = f", {event.waited:.3f} s of it waiting for {event.waited_for}" if event.waited_for else ""
    return f"{waited}, {event.attempts} attempts" if event.attempts > 1 else waited


def _request_done(event: RequestDone) -> str:
    answered = f"{_name(event)}: request of {event.texts} texts took {event.elapsed:.3f} s"
    return f"{answered}, attempt {event.attempt}, waited {event.waited:.3f} s"


def _request_failed(event: RequestFailed) -> str:
    error = "cancellation" if event.error is None else type(event.error).__name__
    return f"{_name(event)}: request of {event.texts} texts ended with {error} in {event.elapsed:.3f} s"


def _retry(event: RetryScheduled) -> str:
    failed = f"{_name(event)}: attempt {event.attempt} failed with {type(event.error).__name__}"
    return f"{failed}; retry in {event.delay:.3f} s"


def _split(event: BatchSplit) -> str:
    return f"{_name(event)}: batch of {event.texts} texts is split after {type(event.error).__name__}"


def _given_up(event: BatchFailed) -> str:
    return f"{_name(event)}: {event.texts} texts failed with {type(event.error).__name__}"


def _store(event: StoreFailed) -> str:
    failed = f"{event.model}: cache store failed to {event.operation} {event.texts} texts"
    return f"{failed}: {type(event.error).__name__}"


def _paused(event: GatePaused) -> str:
    return f"{_gate(event)}: requests paused for {event.seconds:.3f} s"


def _resumed(event: GateResumed) -> str:
    return f"{_gate(event)}: requests resumed"


def _limit(event: LimitChanged) -> str:
    before, now = ("none" if limit is None else f"{limit:g}" for limit in (event.before, event.limit))
    return f"{_gate(event)}: limit of {event.resource} per minute is {now}, was {before}"


def _opened(event: CircuitOpened) -> str:
    return f"{_gate(event)}: circuit breaker opened; one probe at a time is sent"


def _closed(event: CircuitClosed) -> str:
    return f"{_gate(event)}: circuit breaker closed"


def _name(event: CallDone | RequestDone | RequestFailed | RetryScheduled | BatchSplit | BatchFailed) -> str:
    return event.embedder or event.model


def _gate(event: GatePaused | GateResumed | LimitChanged | CircuitOpened | CircuitClosed) -> str:
    return f"{event.provider}{f':{event.model}' if event.model else ''}, account {event.account}"


SENTENCES: Mapping[type[Any], Callable[[Any], str]] = {
    CallDone: _call_done,
    RequestDone: _request_done,
    RequestFailed: _request_failed,
    RetryScheduled: _retry,
    BatchSplit: _split,
    BatchFailed: _given_up,
    StoreFailed: _store,
    GatePaused: _paused,
    GateResumed: _resumed,
    LimitChanged: _limit,
    CircuitOpened: _opened,
    CircuitClosed: _closed,
}
LEVELS: Mapping[type[Any], int] = {
    kind: {
        CallDone: stdlib.WARNING,
        StoreFailed: stdlib.WARNING,
        RequestDone: stdlib.DEBUG,
        RequestFailed: stdlib.DEBUG,
    }.get(kind, stdlib.INFO)
    for kind in SENTENCES
}
"""``OtherModel`` and failures of a listener are missing: they are logged where they occur, listeners or not."""
QUIET = frozenset({"ok", "cancelled"})
"""Ends of a call that are nothing to warn of."""
