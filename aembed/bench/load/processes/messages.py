"""Messages between the processes of a run: a line of JSON, followed by as many raw bytes as it names."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec
import numpy as np

from aembed.bench.load.abort import BadCounts
from aembed.bench.model.breakdown import Breakdown
from aembed.bench.model.under_load import Failure, LoopUse, Stall
from aembed.bench.model.work import Work
from aembed.bench.rows.columns import Ints

MAX_LINE_BYTES = 1 << 26
"""Bytes of the JSON of one message: stalls and memory of a long run."""


class ProcessTask(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a run that a process is given. In an open loop its schedule follows: int64, in nanoseconds."""

    target: str
    parameters: dict[str, Any]
    number: int
    of: int
    seconds: float
    seed: int
    users: int
    """Users of all processes together; 0 in an open loop."""
    think: float
    timeout: float | None
    drain: float
    max_in_flight: int
    why: bool
    """The parts of requests are asked for."""
    limits_s: list[float | None]
    """Counts of answers that take longer are asked for once a second; ``None`` asks for those of errors."""
    with_lengths: bool
    """Texts and characters of each request are asked for."""
    size: int = 0
    """Bytes of the schedule."""


class Go(msgspec.Struct, frozen=True, tag="go"):
    """The run starts at ``origin``, in nanoseconds of CLOCK_MONOTONIC."""

    origin: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """No more requests start; those under way are waited for."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The subject is set up."""


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """Progress, once a second."""

    offered: int
    done: int
    errors: int
    in_flight: int
    backlog: int
    number: int = 0
    """Seconds that have been reported."""
    counts: BadCounts | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The part is over. Its columns follow, one after another: int64, times from the common start."""

    rows: int
    columns: int
    """4: intended, started, done, outcome; 6: texts and characters, too."""
    seconds: float
    started: float
    interrupted: bool
    ignored_cancellation: int
    peak_in_flight: int
    peak_backlog: int
    failures: tuple[Failure, ...]
    thought: float
    waited: float
    stalls: tuple[Stall, ...]
    loop: LoopUse | None
    rss: tuple[tuple[float, int], ...]
    frozen: int
    work: Work | None
    breakdown: Breakdown | None
    pacer: Literal["timerfd", "call_at", "none"]
    fallback: str | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    possible_rate: float | None

    @property
    def size(self) -> int:
        """Bytes of the columns."""
        return 8 * self.rows * self.columns


ToWorker = Go | Stop
FromWorker = Ready | Tick | Done


def line(message: object) -> bytes:
    """The JSON of a message, with the end of its line."""
    return msgspec.json.encode(message) + b"\n"


async def receive(reader: asyncio.StreamReader, kind: Any) -> Any:
    """The next message, of this class or union of classes; ``None`` at the end of the stream."""
    text = await reader.readline()
    return msgspec.json.decode(text, type=kind) if text.endswith(b"\n") else None


def packed(columns: list[Ints]) -> bytes:
    """The columns as raw numbers of this machine: both ends are processes of it."""
    return b"".join(np.ascontiguousarray(column, dtype=np.int64).tobytes() for column in columns)


def unpacked(data: bytes, columns: int) -> Ints:
    """A row for each column."""
    return np.frombuffer(data, dtype=np.int64).reshape(columns, -1)
