"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Literal, Protocol, TextIO, TypeAlias

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from aembed.jobs import JobProgress

ProgressMode: TypeAlias = Literal["none", "bar", "lines", "json"]
MODES: tuple[ProgressMode, ...] = ("none", "bar", "lines", "json")

LINES_EVERY_S = 30.0
RATE_OVER_S = 10.0
"""Shortest span, in seconds, over which the rate is measured."""
BAR_CELLS = 20


class Shown(Protocol):
    """A callback for ``on_progress`` that keeps the latest state."""

    latest: JobProgress

    def __call__(self, now: JobProgress, /) -> None: ...


class ProgressDisplay:
    """The latest progress, its rate and the time left; shows nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.latest = JobProgress()
        self.clock = clock
        self._marks = [(clock(), 0)]
        """Time and rows done, over the last ten seconds of the phase at least."""

    def __call__(self, now: JobProgress) -> None:
        """Record the state of the job."""
        if now.phase != self.latest.phase:
            self._marks = [(self.clock(), now.done)]
        self.latest = now
        self._marks.append((self.clock(), now.done))
        while len(self._marks) > 2 and self._marks[-1][0] - self._marks[1][0] >= RATE_OVER_S:
            del self._marks[0]

    @property
    def rate(self) -> float:
        """Rows per second, lately."""
        (before, few), (now, many) = self._marks[0], self._marks[-1]
        return max(0, many - few) / (now - before) if now > before else 0.0

    def parts(self) -> list[str]:
        """Parts of the line, the most important first."""
        now = self.latest
        if now.phase not in {"embedding", "writing"} or not now.rows:
            return [now.phase, f"{now.rows:,} rows" if now.rows else ""]
        rate = self.rate
        left = (now.rows - now.done) / rate if rate else 0.0
        return [
            f"{now.phase} {now.done / now.rows:4.0%}",
            f"{now.done:,}/{now.rows:,}",
            f"{rate:,.0f} rows/s" if rate else "",
            f"{duration(left)} left" if rate else "",
            waiting(now),
            spent(now),
        ]


class ProgressBar(ProgressDisplay):
    """One line of a terminal, as wide as that is."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = ""
        for part in filter(None, self.parts()):
            longer = f"{line}  {part}" if line else part
            if len(longer) > options.max_width:
                break
            line = longer
        now = self.latest
        room = options.max_width - len(line) - 2
        if now.phase in {"embedding", "writing"} and now.rows and room >= BAR_CELLS:
            full = int(BAR_CELLS * now.done / now.rows)
            line += "  " + "#" * full + "-" * (BAR_CELLS - full)
        yield Text(line, no_wrap=True, overflow="crop")


class ProgressLines(ProgressDisplay):
    """A line on ``stream`` every 30 seconds, for people or as JSON."""

    def __init__(self, stream: TextIO, *, as_json: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._as_json = as_json
        self._next = clock() + LINES_EVERY_S

    def __call__(self, now: JobProgress) -> None:
        """Record the state, and write a line if one is due."""
        super().__call__(now)
        if self.clock() >= self._next:
            self._next = self.clock() + LINES_EVERY_S
            self.write()

    def write(self) -> None:
        if self._as_json:
            line = json.dumps({**asdict(self.latest), "rate": round(self.rate, 1)})
        else:
            line = "aembed: " + ", ".join(filter(None, self.parts()))
        print(line, file=self._stream, flush=True)


@contextmanager
def show_progress(mode: ProgressMode | None) -> Generator[Shown, None, None]:
    """Show progress on stderr while the block runs; without a ``mode``, as a bar on a terminal, else in lines."""
    chosen = mode or ("bar" if sys.stderr.isatty() else "lines")
    if chosen == "bar":
        bar = ProgressBar()
        with Live(bar, console=Console(stderr=True), refresh_per_second=5, transient=False):
            yield bar
    elif chosen == "none":
        yield ProgressDisplay()
    else:
        lines = ProgressLines(sys.stderr, as_json=chosen == "json")
        yield lines
        if chosen == "json":
            lines.write()


def spent(now: JobProgress) -> str:
    """Tokens and cost so far, as far as they are known, and how many rows were rejected."""
    said = [f"{now.tokens:,} tokens"] if now.tokens else []
    said += [f"${now.cost:,.4f}"] if now.cost else []
    said += [f"{now.rejected:,} rejected"] if now.rejected else []
    return ", ".join(said)


def waiting(now: JobProgress) -> str:
    """The reason for a delay, in words. All connections in use is normal, and not reported."""
    if now.phase != "embedding":
        return ""
    if now.paused > 0:
        seconds = f"{now.paused:.0f} s"
        return (
            f"rate limit reached, resuming in {seconds}"
            if now.limited
            else (f"server not answering, retrying in {seconds}")
        )
    if now.retries and not now.limited:
        return "server not answering, retrying"
    if now.waiting_for in {"requests", "tokens", "inputs"}:
        return f"waiting for the limit of {now.waiting_for} per minute"
    return ""


def duration(seconds: float) -> str:
    """Hours and minutes, minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
