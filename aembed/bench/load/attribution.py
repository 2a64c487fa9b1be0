"""Each moment of a request to one part, so that the parts add up to its response time. Pure."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from aembed.bench.load.traces import Traced

LATE, STALL, COLLECTION, OTHER = "late start", "loop stalled", "garbage collection", "other"
"""LATE: from the intended to the real start. OTHER: no part was noted."""
OWN_STALL, SPAN, FOREIGN_STALL, COLLECTED = range(4)
"""Ranks. A stall that the request's own task caused is its own code, so that a part of it counts first. Other stalls
and collections hold up every part under way."""


@dataclass(frozen=True, slots=True)
class LoopPause:
    """The event loop was blocked."""

    begin: int
    end: int
    task: int = 0
    """Identity of the task that ran meanwhile; 0 if it is unknown."""


class Pauses:
    """Pauses that do not overlap, in their order."""

    def __init__(self, pauses: Sequence[LoopPause]) -> None:
        self._all = sorted(pauses, key=lambda pause: pause.begin)
        self._begins = [pause.begin for pause in self._all]
        self._ends = [pause.end for pause in self._all]

    def between(self, begin: int, end: int) -> list[LoopPause]:
        """Those that overlap this time."""
        return self._all[bisect_right(self._ends, begin) : bisect_left(self._begins, end)]


def parts_of(request: Traced, stalls: Pauses, collections: Pauses) -> dict[str, int]:
    """Nanoseconds of each part. They add up to the response time."""
    begin, end = request.intended, request.done
    claims = [(SPAN, *span) for span in request.spans]
    claims.append((SPAN, LATE, begin, request.started))
    for stall in stalls.between(begin, end):
        rank = OWN_STALL if stall.task == request.task else FOREIGN_STALL
        claims.append((rank, STALL, stall.begin, stall.end))
    claims += [(COLLECTED, COLLECTION, pause.begin, pause.end) for pause in collections.between(begin, end)]
    return divided(begin, end, claims)


def divided(begin: int, end: int, claims: Sequence[tuple[int, str, int, int]]) -> dict[str, int]:
    """The time from ``begin`` to ``end`` by name. A claim is rank, name, begin, end.

    A moment belongs to the claim of the highest rank; among equals, to the one that began last.
    """
    found: dict[str, int] = {}
    ahead = sorted(enumerate(claims), key=lambda numbered: -numbered[1][2])
    under_way: list[tuple[int, int, int, str, int]] = []
    now = begin
    while now < end:
        while ahead and ahead[-1][1][2] <= now:
            number, (rank, name, began, ends) = ahead.pop()
            heapq.heappush(under_way, (-rank, -began, -number, name, ends))
        while under_way and under_way[0][4] <= now:
            heapq.heappop(under_way)
        until = min(end, ahead[-1][1][2]) if ahead else end
        name = OTHER
        if under_way:
            name, until = under_way[0][3], min(until, under_way[0][4])
        found[name] = found.get(name, 0) + until - now
        now = until
    return found
