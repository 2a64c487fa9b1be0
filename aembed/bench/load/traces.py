"""Notes on requests: a sample of all, and the slowest."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from aembed.bench.load.pacer import NanosecondClock
from aembed.bench.marks import OPEN, PartSpan, RequestTrace
from aembed.bench.rows.columns import OUTCOMES, OutcomeCode

SAMPLE = 20_000
"""Requests that are kept, evenly drawn from all: some megabytes, and 800 of them between p95 and p99."""
SLOWEST = 10
"""Requests in the list of the slowest."""


@dataclass(frozen=True, slots=True, order=True)
class Traced:
    """One request and its parts. Times are in nanoseconds of the run's clock."""

    response: int
    number: int
    intended: int = field(compare=False)
    started: int = field(compare=False)
    """Or the end of the run, if it never started."""
    task: int = field(compare=False)
    """Identity of its task."""
    outcome: str = field(compare=False)
    spans: tuple[tuple[str, int, int], ...] = field(compare=False)
    """Name, begin, end."""
    trace: RequestTrace | None = field(compare=False, default=None)

    @property
    def done(self) -> int:
        """Answer, failure, or the moment at which it was given up."""
        return self.intended + self.response


class Traces:
    """Notes about the requests of a run.

    Those of the sample are bytes: lists and objects would lengthen the garbage collections of the measured code.
    """

    def __init__(self, clock: NanosecondClock) -> None:
        self.seen = 0
        self._clock = clock
        self._offset = datetime.now(UTC).timestamp() - clock() / 1e9
        self._packed = msgspec.msgpack.Encoder().encode
        self._sample: list[bytes] = []
        self._dice = random.Random(0)  # noqa: S311 - the sample is no secret, and equal runs have equal ones
        self._slowest: list[Traced] = []

    @classmethod
    def joined(cls, parts: Sequence[Traces]) -> Traces | None:
        """The notes of several stretches of a run, each with few enough requests to be kept whole; None of none."""
        if not parts:
            return None
        whole = cls(parts[0]._clock)
        whole.seen = sum(part.seen for part in parts)
        whole._sample = [row for part in parts for row in part._sample]
        whole._slowest = heapq.nlargest(SLOWEST, (kept for part in parts for kept in part._slowest))
        return whole

    def begin(self) -> RequestTrace:
        """The notes of a request."""
        return RequestTrace(self._clock)

    def time_of_day(self, at: int) -> datetime:
        """The time in UTC at a moment of the run's clock."""
        return datetime.fromtimestamp(self._offset + at / 1e9, UTC)

    def add(self, trace: RequestTrace, intended: int, started: int, done: int, outcome: OutcomeCode) -> None:
        """A request has ended."""
        self.seen += 1
        response = done - intended
        if len(self._slowest) < SLOWEST or response > self._slowest[0].response:
            self._keep(trace, intended, started, response, outcome)
        place = self.seen - 1 if self.seen <= SAMPLE else self._dice.randrange(self.seen)
        if place >= SAMPLE:
            return
        row = self._packed((response, self.seen, intended, started, trace.task, outcome, trace.spans))
        if place == len(self._sample):
            self._sample.append(row)
        else:
            self._sample[place] = row

    def _keep(self, trace: RequestTrace, intended: int, started: int, response: int, outcome: OutcomeCode) -> None:
        spans = _ended(trace.spans, intended + response)
        kept = Traced(response, self.seen, intended, started, trace.task, OUTCOMES[outcome], spans, trace)
        push = heapq.heappush if len(self._slowest) < SLOWEST else heapq.heappushpop
        push(self._slowest, kept)

    def slowest(self) -> list[Traced]:
        """The slowest ones, the slowest first."""
        return sorted(self._slowest, reverse=True)

    def sample(self) -> Iterator[Traced]:
        """Requests drawn from all of them, or all if they are few."""
        for row in self._sample:
            response, number, intended, started, task, outcome, spans = msgspec.msgpack.decode(row)
            ended = _ended(spans, intended + response)
            yield Traced(response, number, intended, started, task, OUTCOMES[outcome], ended)


def _ended(spans: Iterable[PartSpan], done: int) -> tuple[tuple[str, int, int], ...]:
    """Parts that were under way at the end of the request last until then."""
    return tuple((name, begin, done if end == OPEN else end) for name, begin, end in spans)
