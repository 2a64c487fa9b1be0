"""One attempt of a request with listeners: its time at the gate and in flight, and its event."""

from __future__ import annotations

from typing import Protocol

from aembed._engine.call_record import CallRecord
from aembed._engine.layer import Recipient
from aembed._engine.listeners import Listeners
from aembed._engine.timeline import IDLE, SENDING, WAITING
from aembed._errors import AembedError
from aembed._events import RequestPhases
from aembed._types import Batch, Reply
from aembed._wire.phases import PHASES, PhaseTimer


class Reports(Protocol):
    """The recorder."""

    listeners: Listeners

    def request_failed(self, call: Recipient, batch: Batch, attempt: Attempt, error: AembedError | None) -> None:
        """``error`` is ``None`` for a cancellation, and for errors that are not aembed's."""
        ...


class Attempt:
    """An attempt, from :meth:`waits` or :meth:`sends` until it is :meth:`answered` or has :meth:`failed`."""

    # Defaults of the class: set as the attempt proceeds, some of them only where a listener wants them.
    calls: tuple[int, ...] = ()
    """Numbers of the calls that wait for its texts."""
    waited = elapsed = 0.0
    """Seconds at the gate, and in flight."""
    phases: RequestPhases | None = None
    """Parts of ``elapsed``, where a listener wants them."""
    _timer: PhaseTimer | None = None
    _state = IDLE
    _began = 0.0

    def __init__(self, recorder: Reports, call: Recipient, batch: Batch, record: CallRecord, number: int) -> None:
        self.number = number
        """1 for the first attempt of a batch."""
        self._recorder = recorder
        self._call = call
        self._batch = batch
        self._record = record

    def waits(self) -> None:
        """Note that it is not admitted at once."""
        self._began = self._record.clock()
        self._state = WAITING
        self._record.time.move(IDLE, WAITING, self._began)

    def sends(self) -> None:
        """Note that it is admitted."""
        record, before = self._record, self._state
        now = record.clock()
        if before == WAITING:
            self.waited = now - self._began
        self._began = now
        self._state = SENDING
        record.time.move(before, SENDING, now)
        record.attempted(self.number)
        if self._recorder.listeners.wants_phases:
            self._timer = PhaseTimer(record.clock)
            PHASES.set(self._timer)

    def answered(self, reply: Reply) -> None:
        """Note that its vectors have passed the check, before they are placed: then calls that wait are forgotten."""
        if self._recorder.listeners.wants_requests:
            self.calls = self._call.numbers(self._batch)
        self._finish()
        if self._timer is not None:
            self.phases = self._timer.phases()
            PHASES.set(None)
        if reply.other_model is not None:
            self._record.answered_by(reply.other_model)

    def failed(self, error: BaseException) -> None:
        """Note that it has ended with ``error``; once answered, it is no failure."""
        if self._timer is not None:
            PHASES.set(None)
        if self._state == SENDING:
            self.calls = self._call.numbers(self._batch)
            self._finish()
            failure = error if isinstance(error, AembedError) else None
            self._recorder.request_failed(self._call, self._batch, self, failure)
        elif self._state == WAITING:  # the gate let it go: nothing was sent
            self._record.time.move(WAITING, IDLE, self._record.clock())

    def _finish(self) -> None:
        record = self._record
        now = record.clock()
        self.elapsed = now - self._began
        self._state = IDLE
        record.time.move(SENDING, IDLE, now)
