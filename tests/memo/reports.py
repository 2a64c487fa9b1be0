"""A shared call of four texts, and calls that note each report."""

from __future__ import annotations

import math
from typing import Any

from aembed._engine.call_record import CallRecord
from aembed._engine.plan import indices_of
from aembed._sharing.participant import Participant
from aembed._sharing.seats import batch_of
from aembed._sharing.shared_call import SharedCall
from aembed._types import Batch, Reply

TEXTS = ["a", "bb", "ccc", "dddd"]


class ReportedCall:
    """A call that notes each report, and the indices of its own texts in it."""

    record: CallRecord | None = None
    on_sent = None
    dim = None

    def __init__(self, *, stopped: bool = False, due: float = math.inf, waits: bool = True) -> None:
        self.stopped = stopped
        self.due = due
        self.waits = waits
        self.reports: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def note(*given: Any) -> Any:
            shown = [tuple(indices_of(each)) if isinstance(each, Batch) else each for each in given]
            self.reports.append((name, *shown))
            return {"numbers": (id(self),), "first_due": self.due, "run_out": self.waits}.get(name)

        return note

    def stop(self, error: Exception) -> None:
        self.stopped = True
        self.reports.append(("stop", type(error)))

    def place(self, batch: Batch, reply: Reply, vectors: Any) -> None:
        self.reports.append(
            ("place", tuple(indices_of(batch)), reply.tokens, tuple(reply.truncated), vectors[:, 0].tolist())
        )
        self.last = vectors

    def fail(self, batch: Batch, error: Any) -> None:
        self.reports.append(("fail", tuple(indices_of(batch)), type(error), error.index))

    def take(self) -> list[Any]:
        found, self.reports = self.reports, []
        return found


def waiting(call: Any, origin: object) -> Participant:
    return Participant(call, origin)


class Shared:
    """A shared call of four texts; of its two calls the first waits for ``a bb ccc`` and the other for ``ccc bb``."""

    def __init__(
        self, *, first: ReportedCall | None = None, other_origin: object = "mine", cached: bool = False
    ) -> None:
        self.settled: list[tuple[tuple[int, ...], bool]] = []
        settled = lambda _, indices, rows: self.settled.append((tuple(indices), rows is not None))  # noqa: E731
        self.call = SharedCall(TEXTS, "document", "mine", on_settled=settled if cached else None)
        self.one, self.two = first or ReportedCall(), ReportedCall()
        self.first, self.second = waiting(self.one, "mine"), waiting(self.two, other_origin)
        self.call.join(self.first, [0, 1, 2], [10, 11, 12])
        self.call.join(self.second, [2, 1], [7, 5])

    @property
    def missing(self) -> tuple[int, int]:
        return self.first.missing, self.second.missing


def batch(*indices: int) -> Batch:
    return batch_of([TEXTS[index] for index in indices], list(indices))


BOTH = batch(1, 2)
