"""One call's state: which texts have their row, which failed, and what it cost."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aembed._errors import AembedError, BadRequestError, DeadlineError, InputError, ProviderError
from aembed._types import Batch, EmbedResult, Kind, OnError, Reply, Usage, Vectors

NOT_ATTEMPTED, SENT, DONE, FAILED = range(4)
MARKS = b"\0", b"\1", b"\2", b"\3"
NONE_REJECTED: Mapping[int, AembedError] = MappingProxyType({})

COPIED_AT_ONCE = 65_536
"""Rows. The result may be a file larger than memory."""

Deliver: TypeAlias = Callable[[Batch], Awaitable[None]]
"""Brings one batch to its end."""


class Call:
    """Rows are placed into one array, allocated once the dimension is known.

    Each distinct text is there once: an index is a position in ``texts``. Only the result, and the ``index`` of an
    error, count as the caller does. The rows in ``rejected`` have failed before the call began.
    """

    def __init__(
        self,
        texts: Sequence[str],
        kind: Kind,
        on_error: OnError = "raise",
        out: Vectors | None = None,
        rejected: Mapping[int, AembedError] = NONE_REJECTED,
    ) -> None:
        scattered = rejected or (len(texts) > 1 and len(set(texts)) < len(texts))
        self._row_map = _RowMap(texts, rejected) if scattered else None
        self.texts = texts if self._row_map is None else self._row_map.texts
        self.kind: Kind = kind
        self.on_error: OnError = on_error
        self.is_probe = False
        """It asks how the provider is: a failure is the answer, and not tried again."""
        self.stopped = False
        self.error: AembedError | None = None
        """What ends the call, once it has stopped."""
        self.failures: dict[int, AembedError] = {}
        self.truncated: set[int] = set()
        self.requests = self.maybe_billed = 0
        self._failed_requests = 0
        self.unproven = -1
        """How many texts the embedder had delivered when the server was last asked in vain whether it works."""
        self._last_failure: ProviderError | None = None
        self.due = math.inf
        """Loop time at which the call's deadline is over."""
        self.out_of_time = False
        """No request can be sent before that: the call ends now."""
        self.on_sent: Callable[[], None] | None = None
        """Called when a request is on its way: admitted, and not waiting in our own queue any more."""
        self.tokens: int | None = 0
        self._started = time.perf_counter()
        self._rows = len(texts)
        self._state = bytearray(len(self.texts))
        self._missing = len(self.texts)
        self._out = out

    @property
    def dim(self) -> int | None:
        """Of the rows placed so far; None while there are none."""
        return None if self._out is None else self._out.shape[1]

    def count(self, requests: int = 1, maybe_billed: int = 0) -> None:
        """So many requests were sent for this call."""
        self.requests += requests
        self.maybe_billed += maybe_billed
        if self.on_sent is not None:
            self.on_sent()

    def wants(self, batch: Batch) -> bool:
        """Is it still worth sending?"""
        return not self.stopped

    def watched(self, deliver: Deliver) -> Deliver:
        """``deliver``, in a form that this call can end early, batch by batch. A call ends it as a whole."""
        return deliver

    def begin(self, batch: Batch) -> None:
        self._mark(batch, SENT)

    def put_back(self, batch: Batch) -> None:
        """It has been sent in vain, and may be sent again."""
        self._mark(batch, NOT_ATTEMPTED)

    def skip(self, batch: Batch) -> None:
        """It will not be sent, or not again."""
        self.put_back(batch)

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        """The batch's own rows of the result, to decode into; ``None`` where they are scattered or not yet known."""
        if dim is None or self._row_map is not None or not isinstance(batch.rows, slice):
            return None
        return self._array(dim)[batch.rows]

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Put the rows of a reply where they belong. A reply to the whole call is the result, uncopied."""
        self._mark(batch, DONE)
        self._missing -= len(batch)
        self.tokens = None if self.tokens is None or reply.tokens is None else self.tokens + reply.tokens
        if reply.truncated:
            self.truncated.update(self.index(batch, position) for position in reply.truncated)
        if in_place:
            return
        if self._row_map is not None:
            self._array(vectors.shape[1])[self._row_map.first[batch.rows]] = vectors
            return
        if self._out is None and len(batch) == self._rows and isinstance(batch.rows, slice) and vectors.flags.writeable:
            self._out = vectors
        else:
            self._array(vectors.shape[1])[batch.rows] = vectors

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Give the batch up. Stops the call where one failure is one too many, or nothing else can succeed."""
        self._mark(batch, FAILED)
        indices = [self.index(batch, position) for position in range(len(batch))]
        about_a_text = len(batch) == 1 and isinstance(error, (BadRequestError, InputError))
        if error.index is not None or about_a_text:
            error.index = self._row(indices[error.index or 0])
        self.truncated.difference_update(indices)
        self.failures.update(dict.fromkeys(indices, error))
        if error.fatal or self.on_error == "raise":
            self.stop(error)

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        """A request with these texts has failed. It may be sent again."""
        self._failed_requests += 1
        self._last_failure = error

    def run_out(self) -> None:
        """No request can be sent before the deadline. What is in flight may still be answered."""
        self.out_of_time = self.stopped = True

    def expire(self, seconds: float, option: str = "deadline") -> tuple[DeadlineError, int, int]:
        """The total time is over: what was under way has failed, the rest was never attempted.

        Returns the error, and how many texts have failed and how many were not attempted.
        """
        unanswered = np.flatnonzero(self._states == SENT).tolist()
        unsent = int(np.count_nonzero(self._states == NOT_ATTEMPTED))
        error = self._deadline_error(seconds, option, unsent)
        self._states[unanswered] = FAILED
        self.failures.update(dict.fromkeys(unanswered, error))
        if self.on_error == "raise":
            self.stop(error)
        return error, len(unanswered), unsent

    def _deadline_error(self, seconds: float, option: str, unsent: int) -> DeadlineError:
        late = f"the call did not finish within its {option} of {seconds} s"
        last = self._last_failure
        if last is not None:
            times = (
                f"{self._failed_requests} requests failed, the last"
                if self._failed_requests > 1
                else "a request failed"
            )
            error = DeadlineError(f"{late}: {times} with {type(last).__name__}: {last}; retry later, or raise {option}")
            error.__cause__ = last
            return error
        waiting = f": {unsent} of {len(self.texts)} texts still waited to be sent" if unsent else ""
        return DeadlineError(f"{late}{waiting}; raise {option} or send fewer texts")

    def stop(self, error: AembedError) -> None:
        self.stopped = True
        self.error = self.error or error

    def vectors(self, dim: int | None) -> Vectors:
        """The rows; NaN where a text has none."""
        if self._out is None:
            self._out = np.full((self._rows, dim or 0), np.nan, np.float32)
            return self._out
        if self._missing:
            without = self._states != DONE
            self._out[without if self._row_map is None else self._row_map.first[without]] = np.nan
        if self._row_map is not None:
            self._row_map.fill(self._out)
        return self._out

    def result(self, dim: int | None, price: float | None) -> EmbedResult:
        failures, truncated = self.failures, self.truncated
        not_attempted = self._states == NOT_ATTEMPTED
        if self._row_map is not None:
            failures, truncated = self._row_map.failures(failures), self._row_map.rows(truncated)
            not_attempted = self._row_map.expand(not_attempted)
        return EmbedResult(
            vectors=self.vectors(dim),
            failures=failures,
            not_attempted=tuple(np.flatnonzero(not_attempted).tolist()),
            truncated=tuple(sorted(truncated)),
            usage=Usage(
                requests=self.requests, tokens=self.tokens, cost=self._cost(price), maybe_billed=self.maybe_billed
            ),
            elapsed=time.perf_counter() - self._started,
        )

    @property
    def _states(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._state, np.uint8)

    def _mark(self, batch: Batch, state: int) -> None:
        if isinstance(batch.rows, slice):
            self._state[batch.rows] = MARKS[state] * len(batch)  # of one text, a fifth of what numpy takes
        else:
            self._states[batch.rows] = state

    def _array(self, dim: int) -> Vectors:
        if self._out is None:
            self._out = np.empty((self._rows, dim), np.float32)
        return self._out

    def _row(self, index: int) -> int:
        """Where the caller has the text, or has it first."""
        return index if self._row_map is None else int(self._row_map.first[index])

    def _cost(self, price: float | None) -> float | None:
        return None if price is None or self.tokens is None else self.tokens * price / 1e6

    @staticmethod
    def index(batch: Batch, position: int) -> int:
        """Position in the batch -> index."""
        return batch.rows.start + position if isinstance(batch.rows, slice) else int(batch.rows[position])


class Layer(Protocol):
    """A layer above the provider: cache layer, micro-batcher or engine."""

    async def run(self, call: Call) -> None:
        """Bring every text of ``call`` to its end, and report each row and each failure to ``call``."""
        ...


class _RowMap:
    """Which text belongs to which row, where that is not one to one.

    Where the same text stands several times, the row of its first copy is worked on and the others follow it. A row
    that was rejected has no text.
    """

    def __init__(self, texts: Sequence[str], rejected: Mapping[int, AembedError]) -> None:
        distinct: dict[str, int] = {}
        self.index = np.array(
            [-1 if row in rejected else distinct.setdefault(text, len(distinct)) for row, text in enumerate(texts)],
            np.intp,
        )
        """Index of the text in each row; -1 where it was rejected."""
        self.texts = list(distinct)
        self._with_text = np.flatnonzero(self.index >= 0)
        self.first = self._with_text[np.unique(self.index[self._with_text], return_index=True)[1]]
        """Row of each text."""
        self._rejected = rejected

    def fill(self, out: Vectors) -> None:
        later = self._with_text[self.first[self.index[self._with_text]] != self._with_text]
        for start in range(0, len(later), COPIED_AT_ONCE):
            rows = later[start : start + COPIED_AT_ONCE]
            out[rows] = out[self.first[self.index[rows]]]
        out[list(self._rejected)] = np.nan

    def expand(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """One flag for each row; false where the row was rejected."""
        rows = np.zeros(len(self.index), np.bool_)
        rows[self._with_text] = flags[self.index[self._with_text]]
        return rows

    def rows(self, indices: Iterable[int]) -> set[int]:
        return set(np.flatnonzero(np.isin(self.index, list(indices))).tolist())

    def failures(self, failures: Mapping[int, AembedError]) -> dict[int, AembedError]:
        """By row. An error that names its text names each copy."""
        by_row: dict[int, AembedError] = {}
        for row in sorted(self.rows(failures)):
            error = failures[int(self.index[row])]
            first = int(self.first[self.index[row]])
            by_row[row] = error.copy_for(row) if error.index == first != row else error
        return dict(sorted({**by_row, **self._rejected}.items())) if self._rejected else by_row
