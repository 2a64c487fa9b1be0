"""Events for listeners.

An event is built only when a listener wants it. No event holds a text, a vector or a key.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

from aembed._events.calls import CallDone, CallStarted, DeadlineExceeded, Operation, Outcome, Resource
from aembed._events.gate import CircuitClosed, CircuitOpened, GateEvent, GatePaused, GateResumed, LimitChanged
from aembed._events.requests import (
    BatchFailed,
    BatchSplit,
    OtherModel,
    RequestDone,
    RequestEvent,
    RequestFailed,
    RequestPhases,
    RetryScheduled,
    StoreFailed,
)

__all__ = [
    "BatchFailed",
    "BatchSplit",
    "CallDone",
    "CallStarted",
    "CircuitClosed",
    "CircuitOpened",
    "DeadlineExceeded",
    "Event",
    "GateEvent",
    "GatePaused",
    "GateResumed",
    "LimitChanged",
    "Operation",
    "OtherModel",
    "Outcome",
    "RequestDone",
    "RequestEvent",
    "RequestFailed",
    "RequestPhases",
    "Resource",
    "RetryScheduled",
    "StoreFailed",
    "built",
]

T = TypeVar("T")

Event: TypeAlias = (
    CallDone
    | RequestDone
    | RequestFailed
    | RetryScheduled
    | BatchSplit
    | BatchFailed
    | StoreFailed
    | OtherModel
    | DeadlineExceeded
    | GatePaused
    | GateResumed
    | LimitChanged
    | CircuitOpened
    | CircuitClosed
)


def built(kind: type[T], values: dict[str, Any]) -> T:
    """An event of a class without slots, from its fields; those left out have their default.

    The ``__init__`` of a frozen dataclass sets each field by a call of ``object.__setattr__``: ten times the cost.
    """
    event = object.__new__(kind)
    object.__setattr__(event, "__dict__", values)
    return event
