"""Stalls of the event loop and their causes.

The loop itself takes its pulse: a timer that reads the clocks of its thread. A beat that comes late is a stall, and
what the clocks counted meanwhile is the cause. The thread used CPU: your code burnt it. It was ready to run and was
not let, or the whole process was stopped: the machine. Else it slept: your code blocked. A second thread, the
watchdog, looks where the loop's thread stands when a beat is overdue, and notices by its own sleep that the process
was stopped. Linux distinguishes these; elsewhere the cause is "unknown".
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import sysconfig
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from aembed.bench.environment import waited
from aembed.bench.load.attribution import LoopPause
from aembed.bench.model.under_load import Cause, LoopUse, Stall
from aembed.bench.rss import resident

BEAT = 0.01
"""Seconds between beats, and between looks of the watchdog: all its waits are so long."""
THRESHOLD = 0.02
"""A beat later than this is a stall."""
LONG_COLLECTION = 1_000_000
"""Nanoseconds: garbage collections below are not kept."""
STDLIB = str(Path(sysconfig.get_path("stdlib")).resolve())
RUNNER = str(Path(__file__).parent.parent)
"""Its own frames are below those of every subject."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The clocks of the loop's thread, in nanoseconds."""

    wall: int
    cpu: int
    queued: int
    """Ready to run, but not running, so far."""


@dataclass(slots=True)
class Pulse:
    """All that was noticed, for :func:`stalls` to explain."""

    gaps: list[tuple[Beat, Beat]] = field(default_factory=list)
    """The last beat that came on time, and the late one after it."""
    lines: list[tuple[int, str]] = field(default_factory=list)
    """Times at which the watchdog looked, and the line that the loop's thread was in."""
    tasks: list[tuple[int, asyncio.Task[Any]]] = field(default_factory=list)
    """When the watchdog looked, and which task ran. They are held, so that no other gets their identity."""
    stops: list[tuple[int, int]] = field(default_factory=list)
    """From and to when the watchdog was not let run, by nothing inside of this process."""
    collections: list[tuple[int, int]] = field(default_factory=list)
    """Garbage collections in the loop's thread, from and to."""


class Watchdog:
    """Watches the running loop inside a ``with`` block."""

    def __init__(self, *, threshold: float = THRESHOLD) -> None:
        self.pulse = Pulse()
        self.rss: list[tuple[int, int]] = []
        """Once a second: when, in nanoseconds of ``time.perf_counter_ns``, and bytes."""
        self._late = int((BEAT + threshold) * 1e9)
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._timer: asyncio.TimerHandle | None = None
        self._schedstat: int | None = None
        self._beats = self._slowest = self._collection = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="aembed.bench watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        with suppress(OSError):  # not everywhere on Linux, and nowhere else
            self._schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        gc.callbacks.append(self._collected)
        self._first = self._last = self._read()
        self._timer = self._loop.call_later(BEAT, self._beat)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look()
        self._stop.set()
        self._thread.join()
        gc.callbacks.remove(self._collected)
        if self._schedstat is not None:
            os.close(self._schedstat)

    def use(self) -> LoopUse:
        """CPU and waiting of the loop's thread over the whole block; call it after the block."""
        first, last = self._first, self._last
        return LoopUse(
            seconds=(last.wall - first.wall) / 1e9,
            cpu=(last.cpu - first.cpu) / 1e9,
            queued=None if self._schedstat is None else (last.queued - first.queued) / 1e9,
            pings=self._beats,
            slowest_ping=self._slowest / 1e9,
        )

    def stalls(self, origin: int) -> tuple[Stall, ...]:
        """With times from ``origin``; to be asked after the block."""
        return explain(self.pulse, origin=origin, is_reported=self._schedstat is not None)

    def pauses(self) -> tuple[list[LoopPause], list[LoopPause]]:
        """Stalls and collections with their times by the run's clock, and the tasks that caused the stalls."""
        stalls = []
        for before, after in self.pulse.gaps:
            task = next((task for at, task in self.pulse.tasks if before.wall < at <= after.wall), None)
            stalls.append(LoopPause(before.wall + int(BEAT * 1e9), after.wall, 0 if task is None else id(task)))
        return stalls, [LoopPause(begin, end) for begin, end in self.pulse.collections]

    def _read(self) -> Beat:
        queued = 0 if self._schedstat is None else int(os.pread(self._schedstat, 64, 0).split()[1])
        return Beat(time.perf_counter_ns(), time.thread_time_ns(), queued)

    def _beat(self) -> None:
        """Runs in the loop."""
        self._look()
        self._timer = self._loop.call_later(BEAT, self._beat)

    def _look(self) -> None:
        before, self._last = self._last, self._read()
        took = self._last.wall - before.wall
        self._beats += 1
        self._slowest = max(self._slowest, took - int(BEAT * 1e9))
        if took >= self._late:
            self.pulse.gaps.append((before, self._last))

    def _watch(self) -> None:
        """Runs in the watchdog's thread."""
        size = resident()
        seen = next_rss = 0
        previous, switches = time.perf_counter_ns(), waited() or 0
        while not self._stop.wait(BEAT):
            now, before = time.perf_counter_ns(), switches
            switches = waited() or 0
            overslept = (now - previous) / 1e9 - BEAT
            # who waits for the interpreter wakes up at every switch interval to ask for it again
            if overslept > BEAT and switches - before - 1 < overslept / sys.getswitchinterval() / 2:
                self.pulse.stops.append((previous, now))
            previous, last = now, self._last.wall
            if now - last > self._late and last != seen:
                seen = last
                self.pulse.lines.append((now, line_of(sys._current_frames().get(self._watched))))
                if (task := asyncio.current_task(self._loop)) is not None:
                    self.pulse.tasks.append((now, task))
            if size is not None and now >= next_rss:
                self.rss.append((now, size()))
                next_rss = now + 1_000_000_000

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        if threading.get_ident() != self._watched:
            return
        now = time.perf_counter_ns()
        if phase == "start":
            self._collection = now
        elif now - self._collection > LONG_COLLECTION:
            self.pulse.collections.append((self._collection, now))


def explain(pulse: Pulse, *, origin: int, is_reported: bool) -> tuple[Stall, ...]:
    """The late beats as stalls. ``is_reported``: the system reports how long the thread was kept from running."""
    found = []
    for before, after in pulse.gaps:
        due = before.wall + int(BEAT * 1e9)
        if after.wall <= origin:  # while the subject was opened
            continue
        seconds = (after.wall - due) / 1e9
        cpu, queued = (after.cpu - before.cpu) / 1e9, (after.queued - before.queued) / 1e9
        slept = max(0.0, seconds - cpu - queued)
        stopped = min(slept, _overlap(pulse.stops, before.wall, after.wall))
        shares: list[tuple[float, Cause]] = [
            (cpu, "cpu"),
            (slept - stopped, "blocked"),
            (queued + stopped, "descheduled"),
        ]
        cause = max(shares)[1] if is_reported else "unknown"
        line = next((line for at, line in pulse.lines if before.wall < at <= after.wall), None)
        if _overlap(pulse.collections, before.wall, after.wall) > seconds / 2:
            line = "garbage collection"
        found.append(
            Stall(
                at=(due - origin) / 1e9,
                seconds=seconds,
                cause=cause,
                cpu=cpu,
                queued=queued + stopped if is_reported else None,
                line=None if cause == "descheduled" else line,
            )
        )
    return tuple(found)


def _overlap(spans: list[tuple[int, int]], start: int, end: int) -> float:
    """Seconds of ``spans`` that lie between ``start`` and ``end``."""
    return sum(max(0, min(stop, end) - max(begin, start)) for begin, stop in spans) / 1e9


def line_of(frame: FrameType | None) -> str:
    """The innermost line outside the standard library, and for a line of a package the user's that led to it."""
    innermost = frame
    while frame is not None and _is_stdlib(frame):
        frame = frame.f_back
    frame = frame or innermost
    if frame is None:
        return "unknown"
    caller: FrameType | None = frame
    while caller is not None and (_is_stdlib(caller) or "site-packages" in caller.f_code.co_filename):
        caller = caller.f_back
    is_users = caller is not None and caller is not frame and not caller.f_code.co_filename.startswith(RUNNER)
    return f"{_place(frame)}, called by {_place(caller)}" if is_users and caller is not None else _place(frame)


def _is_stdlib(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return "site-packages" not in file and file.startswith((STDLIB, "<frozen"))


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
