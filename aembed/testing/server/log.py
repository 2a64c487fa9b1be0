"""Requests with their times and concurrency. Bodies and header values are kept only on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import overload

GONE = 499
"""Status of a request whose client did not wait for the answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, or one that broke off before it was complete (status 0).

    ``received`` (all of it was here) and ``answered`` are loop times, in seconds.
    """

    method: str
    path: str
    header_names: tuple[str, ...]
    connection: int
    inputs: int
    tokens: int
    status: int
    received: float
    answered: float
    reason: str = ""
    """Reason of the rejection, or the fault; empty for a good answer."""
    body: bytes | None = field(default=None, repr=False)
    """The request's, with ``log_bodies=True``; it holds the texts."""
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    """The request's, by lower-case name, with ``log_headers=True``; they hold the key."""


class Log(Sequence[Entry]):
    """The latest entries, oldest first. It can be indexed and sliced like a list."""

    def __init__(self, max_entries: int | None) -> None:
        self._entries: deque[Entry] = deque(maxlen=max_entries)

    def __repr__(self) -> str:
        return f"<Log of {len(self)} requests>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, int):
            return self._entries[index]
        start, stop, step = index.indices(len(self._entries))
        if step < 0:
            return list(self._entries)[index]
        return list(islice(self._entries, start, stop, step))

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()


@dataclass(slots=True)
class Counters:
    """Since the server started."""

    requests: int = 0
    """Requests received, rejected and abandoned ones included."""
    inputs: int = 0
    """Texts embedded, and paid for: also where a fault kept the answer from its reader."""
    tokens: int = 0
    """Tokens embedded."""
    faults: int = 0
    """Faults played."""
    in_flight: int = 0
    max_in_flight: int = 0
    """Whole requests not yet answered; without latency every one is answered at once."""
    connections: int = 0
    """Connections open now."""
    connections_opened: int = 0
    requests_per_connection: dict[int, int] = field(default_factory=dict[int, int])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    """Status -> how many answers."""
