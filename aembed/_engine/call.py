"""The state of one call: rows, failures and costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from aembed._engine.call_record import CallRecord
from aembed._engine.layer import Deliver
from aembed._engine.plan import indices_of
from aembed._engine.row_map import RowMap
from aembed._engine.states import DONE, FAILED, NOT_ATTEMPTED, SENT, as_array, mark
from aembed._errors import AembedError, BadRequestError, DeadlineError, InputError, ProviderError
from aembed._results import EmbedResult, Usage
from aembed._types import Batch, Kind, ModelSpec, OnError, Reply, Vectors

NONE_REJECTED: Mapping[int, AembedError] = MappingProxyType({})


class EmbedCall:
    """The :class:`Recipient` of one caller. Rows are placed into one array, allocated once the dimension is known.

    ``texts`` are distinct, and an index is a position in them. Only the result, and the ``index`` of an error, use the
    caller's positions. The rows in ``rejected`` have failed before the call began.
    """

    __slots__ = (
        "__weakref__",
        "_failed_requests",
        "_last_failure",
        "_missing",
        "_on_error",
        "_out",
        "_row_map",
        "_started",
        "_states",
        "_truncated",
        "due",
        "error",
        "failures",
        "is_late",
        "is_probe",
        "kind",
        "maybe_billed",
        "on_ended",
        "on_sent",
        "out_of_time",
        "record",
        "requests",
        "row_count",
        "stopped",
        "texts",
        "tokens",
    )

    def __init__(
        self,
        texts: Sequence[str],
        kind: Kind,
        on_error: OnError = "raise",
        out: Vectors | None = None,
        rejected: Mapping[int, AembedError] = NONE_REJECTED,
        *,
        is_probe: bool = False,
    ) -> None:
        scattered = rejected or (len(texts) > 1 and len(set(texts)) < len(texts))
        self._row_map = RowMap(texts, rejected) if scattered else None
        self.row_count = len(texts)
        """Texts as the caller handed them in, repeated and rejected ones included."""
        self.texts = texts = texts if self._row_map is None else self._row_map.texts
        self.kind: Kind = kind
        self.is_probe = is_probe
        self.failures: dict[int, AembedError] = {}
        self._truncated: set[int] = set()
        self._on_error: OnError = on_error
        self._states = bytearray(len(texts))
        self._missing = len(texts)
        self._out = out
        self._started = time.perf_counter()
        self.record: CallRecord | None = None
        self.due = math.inf
        self.on_sent: Callable[[], None] | None = None
        self.on_ended: Callable[[int], None] | None = None
        """Called with the number of rows that have just received their vector, or failed."""
        self.is_late = False
        """True once its deadline has passed."""
        self.out_of_time = False
        """True if no request can be sent before the deadline: the call ends now."""
        self.stopped = False
        self.error: AembedError | None = None
        """The error that ends the call, once it has stopped."""
        self.tokens: int | None = 0
        """Tokens of all replies; ``None`` once a reply came without a count."""
        self.requests = self.maybe_billed = 0
        self._failed_requests = 0
        self._last_failure: ProviderError | None = None

    @property
    def dim(self) -> int | None:
        return None if self._out is None else self._out.shape[1]

    def tally(self) -> tuple[int, int]:
        """Rows without a vector, and rows that were truncated."""
        if not self._missing and self._row_map is None:
            return 0, len(self._truncated)
        without, truncated = as_array(self._states) != DONE, self._truncated
        if self._row_map is not None:
            rejected = int(np.count_nonzero(self._row_map.index < 0))
            truncated = self._row_map.rows(truncated)
            return int(np.count_nonzero(self._row_map.expand(without))) + rejected, len(truncated)
        return int(np.count_nonzero(without)), len(truncated)

    def first_failure(self) -> AembedError | None:
        """The failure of the first row that has one."""
        failures = self.failures if self._row_map is None else self._row_map.failures(self.failures)
        return failures[min(failures)] if failures else None

    def numbers(self, batch: Batch) -> tuple[int, ...]:
        return () if self.record is None else (self.record.number,)

    def wants(self, batch: Batch) -> bool:
        return not self.stopped

    def cancellable(self, deliver: Deliver) -> Deliver:
        return deliver  # a call is cancelled as a whole, by its task

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        if dim is None or self._row_map is not None or not isinstance(batch.rows, slice):
            return None
        return self._array(dim)[batch.rows]

    def count(self, requests: int, maybe_billed: int = 0) -> None:
        self.requests += requests
        self.maybe_billed += maybe_billed
        if self.on_sent is not None:
            self.on_sent()

    def begin(self, batch: Batch) -> None:
        mark(self._states, batch, SENT)

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        self._failed_requests += 1
        self._last_failure = error

    def truncate(self, batch: Batch) -> None:
        self._truncated.update(indices_of(batch))

    def put_back(self, batch: Batch) -> None:
        mark(self._states, batch, NOT_ATTEMPTED)

    def skip(self, batch: Batch) -> None:
        mark(self._states, batch, NOT_ATTEMPTED)

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Put the rows where they belong. A writeable reply to the whole call becomes the result, uncopied."""
        mark(self._states, batch, DONE)
        self._missing -= len(batch.texts)
        self.tokens = None if self.tokens is None or reply.tokens is None else self.tokens + reply.tokens
        if reply.truncated:
            indices = indices_of(batch)
            self._truncated.update(indices[position] for position in reply.truncated)
        if not in_place:
            rows = batch.rows if self._row_map is None else self._row_map.first[batch.rows]
            is_whole = len(vectors) == self.row_count and isinstance(rows, slice)
            if self._out is None and is_whole and vectors.flags.writeable:
                self._out = vectors
            else:
                self._array(vectors.shape[1])[rows] = vectors
        if self.on_ended is not None:
            self.on_ended(self._row_count(batch))

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Record the failure. It stops the call if no other request can succeed, or if the caller wants no failure."""
        mark(self._states, batch, FAILED)
        indices = indices_of(batch)
        about_a_text = len(indices) == 1 and isinstance(error, (BadRequestError, InputError))
        if error.index is not None or about_a_text:
            error.index = self._row(indices[error.index or 0])
        self._truncated.difference_update(indices)
        self.failures.update(dict.fromkeys(indices, error))
        if self.on_ended is not None:
            self.on_ended(self._row_count(batch))
        if error.fatal or self._on_error == "raise":
            self.stop(error)

    def stop(self, error: AembedError) -> None:
        self.stopped = True
        self.error = self.error or error

    def first_due(self, batch: Batch) -> float:
        return self.due

    def run_out(self, batch: Batch, until: float) -> bool:
        if self.due >= until:
            return True
        self.out_of_time = self.stopped = True
        return False

    def expire(
        self, seconds: float, option: str = "deadline", trouble: str = "", paused: float | None = None
    ) -> tuple[DeadlineError, int, int]:
        """The total time is over: texts in flight have failed, the others were never attempted.

        ``trouble`` and ``paused`` say why the account sends no request, and for how many seconds more. Returns the
        error, the number of failed texts, and the number of texts not attempted.
        """
        self.is_late = True
        states = as_array(self._states)
        unanswered = np.flatnonzero(states == SENT).tolist()
        unsent = int(np.count_nonzero(states == NOT_ATTEMPTED))
        error = self._deadline_error(seconds, option, unsent, trouble)
        error.retry_after = paused
        states[unanswered] = FAILED
        self.failures.update(dict.fromkeys(unanswered, error))
        if self._on_error == "raise":
            self.stop(error)
        return error, len(unanswered), unsent

    def vectors(self, dim: int | None) -> Vectors:
        """The rows; NaN where a text has none."""
        if self._out is None:
            self._out = np.full((self.row_count, dim or 0), np.nan, np.float32)
            return self._out
        if self._missing:
            without = as_array(self._states) != DONE
            self._out[without if self._row_map is None else self._row_map.first[without]] = np.nan
        if self._row_map is not None:
            self._row_map.fill(self._out)
        return self._out

    def result(self, spec: ModelSpec) -> EmbedResult:
        failures, truncated = self.failures, self._truncated
        if self._failed_requests:
            self._forget_frames()
        not_attempted = as_array(self._states) == NOT_ATTEMPTED
        if self._row_map is not None:
            failures, truncated = self._row_map.failures(failures), self._row_map.rows(truncated)
            not_attempted = self._row_map.expand(not_attempted)
        cost = spec.cost(self.tokens)
        return EmbedResult(
            vectors=self.vectors(spec.dim),
            failures=failures,
            not_attempted=tuple(np.flatnonzero(not_attempted).tolist()),
            truncated=tuple(sorted(truncated)),
            usage=Usage(requests=self.requests, tokens=self.tokens, cost=cost, maybe_billed=self.maybe_billed),
            elapsed=time.perf_counter() - self._started,
        )

    def _forget_frames(self) -> None:
        """The tracebacks of failures refer to frames, and those to this call: its rows would stay in memory."""
        self._last_failure = None
        for failure in self.failures.values():
            failure.__traceback__ = None

    def _array(self, dim: int) -> Vectors:
        if self._out is None:
            self._out = np.empty((self.row_count, dim), np.float32)
        return self._out

    def _row_count(self, batch: Batch) -> int:
        """Rows of the result that hold the texts of a batch."""
        return len(batch.texts) if self._row_map is None else int(self._row_map.occurrences[batch.rows].sum())

    def _row(self, index: int) -> int:
        """The first row of the caller that holds the text."""
        return index if self._row_map is None else int(self._row_map.first[index])

    def _deadline_error(self, seconds: float, option: str, unsent: int, trouble: str) -> DeadlineError:
        late = f"the call {'cannot' if self.out_of_time else 'did not'} finish within its {option} of {seconds} s"
        last = self._last_failure
        if last is None and trouble:
            return DeadlineError(f"{late}: {trouble}; retry later, or raise {option}")
        if last is None:
            waiting = f": {unsent} of {len(self.texts)} texts still waited to be sent" if unsent else ""
            return DeadlineError(f"{late}{waiting}; raise {option} or send fewer texts")
        failed = self._failed_requests
        times = f"{failed} requests failed, the last" if failed > 1 else "a request failed"
        error = DeadlineError(f"{late}: {times} with {type(last).__name__}: {last}; retry later, or raise {option}")
        error.__cause__ = last
        return error
