"""The cost of a stretch of work: wall, processor time here and at the server, and how long both waited for a core."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeAlias

from perf.peers.server import Server

Figures: TypeAlias = dict[str, float]


class Clocks:
    """Everything from here on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._start = self._now()

    def figures(self, operations: int) -> Figures:
        """``busy`` and ``stolen`` are shares of the wall time; stolen is what other programs took of a core."""
        now = zip(self._now(), self._start, strict=True)
        wall, ours, theirs, we_waited, it_waited = (end - start for end, start in now)
        return {
            "per s": operations / wall,
            "CPU us": ours / operations * 1e6,
            "busy": ours / wall,
            "stolen": we_waited / wall,
            "server busy": theirs / wall,
            "server stolen": it_waited / wall,
        }

    def _now(self) -> tuple[float, float, float, float, float]:
        pid = self._server.pid
        return time.perf_counter(), time.process_time(), _cpu_seconds(pid), _waited("self"), _waited(str(pid))


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, by its own clock. Linux numbers the clocks of processes this way."""
    return time.clock_gettime((~pid << 3) | 2)


def _waited(process: str) -> float:
    """Seconds the main thread was ready to run and another program had its core."""
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
