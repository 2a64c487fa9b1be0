"""One call's state: which texts have their row, which failed, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aembed._errors import AembedError, BadRequestError, DeadlineError, InputError
from aembed._types import Batch, EmbedResult, Kind, OnError, Reply, Usage, Vectors

NOT_ATTEMPTED, SENT, DONE, FAILED = range(4)


class Job:
    """Rows are placed into one array, allocated once the dimension is known."""

    def __init__(self, texts: Sequence[str], kind: Kind, on_error: OnError, out: Vectors | None) -> None:
        self.texts = texts
        self.kind: Kind = kind
        self.on_error: OnError = on_error
        self.stopped = False
        self.error: AembedError | None = None
        """What ends the call, once it has stopped."""
        self.failures: dict[int, AembedError] = {}
        self.truncated: set[int] = set()
        self._started = time.perf_counter()
        self._state: NDArray[np.uint8] = np.zeros(len(texts), np.uint8)
        self._missing = len(texts)
        self._out = out
        self.requests = self.maybe_billed = 0
        self.tokens: int | None = 0

    def begin(self, batch: Batch) -> None:
        self._state[batch.rows] = SENT

    def skip(self, batch: Batch) -> None:
        self._state[batch.rows] = NOT_ATTEMPTED

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        """The batch's own rows of the result, to decode into; ``None`` where they are scattered or not yet known."""
        if dim is None or not isinstance(batch.rows, slice):
            return None
        if self._out is None:
            self._out = np.empty((len(self.texts), dim), np.float32)
        return self._out[batch.rows]

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Put the rows of a reply where they belong. A reply to the whole call is the result, uncopied."""
        self._state[batch.rows] = DONE
        self._missing -= len(batch)
        self.tokens = None if self.tokens is None or reply.tokens is None else self.tokens + reply.tokens
        if reply.truncated:
            self.truncated.update(self.index(batch, position) for position in reply.truncated)
        if in_place:
            return
        if self._out is None:
            if len(batch) == len(self.texts) and isinstance(batch.rows, slice) and vectors.flags.writeable:
                self._out = vectors
                return
            self._out = np.empty((len(self.texts), vectors.shape[1]), np.float32)
        self._out[batch.rows] = vectors

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Give the batch up. Stops the call where one failure is one too many, or nothing else can succeed."""
        self._state[batch.rows] = FAILED
        indices = [self.index(batch, position) for position in range(len(batch))]
        about_a_text = len(batch) == 1 and isinstance(error, (BadRequestError, InputError))
        if error.index is not None or about_a_text:
            error.index = indices[error.index or 0]
        self.truncated.difference_update(indices)
        self.failures.update(dict.fromkeys(indices, error))
        if error.fatal or self.on_error == "raise":
            self.stop(error)

    def expire(self, deadline: float) -> None:
        """The total time is over: what was under way has failed, the rest was never attempted."""
        error = DeadlineError(
            f"the call did not finish within its deadline of {deadline} s; give it more, or less work"
        )
        unanswered = np.flatnonzero(self._state == SENT).tolist()
        self._state[unanswered] = FAILED
        self.failures.update(dict.fromkeys(unanswered, error))
        if self.on_error == "raise":
            self.stop(error)

    def stop(self, error: AembedError) -> None:
        self.stopped = True
        self.error = self.error or error

    def vectors(self, dim: int | None) -> Vectors:
        """The rows; NaN where a text has none."""
        if self._out is None:
            self._out = np.full((len(self.texts), dim or 0), np.nan, np.float32)
        elif self._missing:
            self._out[self._state != DONE] = np.nan
        return self._out

    def result(self, dim: int | None, price: float | None) -> EmbedResult:
        return EmbedResult(
            vectors=self.vectors(dim),
            failures=self.failures,
            not_attempted=tuple(np.flatnonzero(self._state == NOT_ATTEMPTED).tolist()),
            truncated=tuple(sorted(self.truncated)),
            usage=Usage(
                requests=self.requests, tokens=self.tokens, cost=self._cost(price), maybe_billed=self.maybe_billed
            ),
            elapsed=time.perf_counter() - self._started,
        )

    def _cost(self, price: float | None) -> float | None:
        return None if price is None or self.tokens is None else self.tokens * price / 1e6

    @staticmethod
    def index(batch: Batch, position: int) -> int:
        """Position in the batch -> position in the call."""
        return batch.rows.start + position if isinstance(batch.rows, slice) else int(batch.rows[position])
