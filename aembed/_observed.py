"""A public call with listeners: its beginning and its end become events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from types import TracebackType

from aembed._engine.call import EmbedCall
from aembed._engine.call_record import CallRecord
from aembed._engine.engine import Engine
from aembed._errors import DeadlineError
from aembed._events import CallDone, CallStarted, Operation, Outcome, Resource, built
from aembed._lifecycle import ActiveCalls
from aembed._types import Kind

RESOURCES: tuple[Resource, ...] = ("slots", "requests", "tokens", "inputs", "pause")


class ObservedCall:
    """``with`` around a call, in place of ``active``, which it enters."""

    def __init__(
        self, engine: Engine, active: ActiveCalls, operation: Operation, kind: Kind, argument: object, *, cached: bool
    ) -> None:
        self._engine = engine
        self._active = active
        self._operation: Operation = operation
        self._kind: Kind = kind if kind in {"document", "query"} else "document"  # it is about to be rejected
        self._argument = argument
        self._cached = cached
        self._calls: tuple[EmbedCall, ...] = ()
        """The call, after one that has asked for the dimension."""

    def __enter__(self) -> ObservedCall:
        self._clock = self._active.clock()
        gate = self._engine.gate
        if gate.watch is not None:
            gate.watch.clock = self._clock
        self._record = CallRecord(self._clock, gate.watch)
        recorder = self._engine.recorder
        if (start := recorder.listeners.start) is not None:
            start(
                built(
                    CallStarted,
                    {
                        **recorder.about,
                        "call": self._record.number,
                        "operation": self._operation,
                        "kind": self._kind,
                        "cached": self._cached,
                    },
                )
            )
        try:
            self._active.__enter__()
        except BaseException as error:
            self._end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._active.__exit__(kind, error, trace)
        except BaseException as instead:
            self._end(instead)
            raise
        self._end(error)

    def follow(self, call: EmbedCall) -> None:
        """Let the layers record the progress of ``call``."""
        call.record = self._record
        self._calls += (call,)

    def _end(self, error: BaseException | None) -> None:
        emit = self._engine.recorder.listeners.emit
        if emit is None:
            return
        engine, record, now = self._engine, self._record, self._clock()
        waited, sending, backoff = record.time.spent(now)
        call = self._calls[-1] if self._calls else None
        failed, truncated = (0, 0) if call is None else call.tally()
        if call is not None and len(self._calls) == 1:
            tokens, requests = call.tokens, call.requests
        else:
            tokens, requests = _totals(self._calls)
        failure = error
        if failure is None and failed and call is not None:
            failure = DeadlineError("") if call.is_late else call.first_failure()
        values: dict[str, object] = {
            **engine.recorder.about,
            "call": record.number,
            "operation": self._operation,
            "kind": self._kind,
            "texts": _count(self._argument) if call is None else call.row_count,
            "outcome": "ok" if failure is None else _outcome(error, failure),
            "error_class": None if failure is None else type(failure).__name__,
            "elapsed": now - record.time.began,
            "waited": waited,
            "waited_for": _longest(record.time.waits) if waited else "",
            "waits": dict(record.time.waits) if waited else {},
            "sending": sending,
            "backoff": backoff,
            "attempts": record.attempts,
            "requests": requests,
            "tokens": tokens,
            "cost": engine.spec.cost(tokens),
            "failed": failed,
            "truncated": truncated,
            "cache_hits": record.cache_hits,
            "cache_shared": record.cache_shared,
            "cache_misses": record.cache_misses,
            "merged": record.merged,
            "dimension": engine.spec.dim,
            "response_model": record.response_model,
        }
        emit(built(CallDone, values))


def _longest(waits: Mapping[str, float]) -> Resource:
    return max(RESOURCES, key=lambda name: waits.get(name, 0.0))


def _outcome(error: BaseException | None, failure: BaseException) -> Outcome:
    if isinstance(failure, DeadlineError):
        return "deadline"
    if error is None:
        return "partial"
    return "error" if isinstance(error, Exception) else "cancelled"


def _totals(calls: Sequence[EmbedCall]) -> tuple[int | None, int]:
    """Tokens, and requests."""
    tokens = [call.tokens for call in calls if call.tokens is not None]
    return sum(tokens) if len(tokens) == len(calls) else None, sum(call.requests for call in calls)


def _count(argument: object) -> int:
    """Texts of a call that was rejected before it began."""
    if isinstance(argument, str):
        return 1
    return len(argument) if isinstance(argument, Sized) else 0
