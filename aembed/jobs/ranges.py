"""Which rows are done: sorted ranges that neither touch nor overlap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator


class Ranges:
    """Grows by ranges that come in nearly any order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.total = 0

    def gaps(self, start: int, stop: int) -> Iterator[range]:
        """Missing parts of the range from ``start`` to ``stop``."""
        at = bisect_right(self._stops, start)
        while start < stop:
            here = self._starts[at] if at < len(self._starts) else stop
            if start < here:
                yield range(start, min(here, stop))
            start = self._stops[at] if at < len(self._stops) else stop
            at += 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._stops, strict=True))

    def add(self, start: int, stop: int) -> bool:
        """Add a range. False, and nothing is added, if a part of it is there already."""
        at = bisect_right(self._starts, start)
        after = self._starts[at] if at < len(self._starts) else None
        before = self._stops[at - 1] if at else None
        if (before is not None and before > start) or (after is not None and after < stop):
            return False
        self.total += stop - start
        if before == start and after == stop:
            self._stops[at - 1] = self._stops.pop(at)
            del self._starts[at]
        elif before == start:
            self._stops[at - 1] = stop
        elif after == stop:
            self._starts[at] = start
        else:
            self._starts.insert(at, start)
            self._stops.insert(at, stop)
        return True
