"""A progress bar on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from aembed.jobs import JobProgress

NOTHING = JobProgress(
    phase="reading", rows=0, done=0, resumed=0, rejected=0, tokens=0, cost=None, waiting_for="", paused=0.0
)


class _Rate(ProgressColumn):
    """Rows a second, lately; over all in a run too short for more."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        done = task.completed - task.fields["resumed"]
        if speed is None and done > 0 and task.elapsed:
            speed = done / task.elapsed
        return Text("" if speed is None else f"{speed:,.0f} rows/s")


class ProgressBar:
    """Shows what a job says of itself, and remembers the latest."""

    def __init__(self, bar: Bar) -> None:
        self.latest = NOTHING
        self._bar = bar
        self._task = bar.add_task("reading", total=None, resumed=0, spent="", waiting="")

    def __call__(self, now: JobProgress) -> None:
        """What ``on_progress`` calls."""
        counted = now.phase in {"embedding", "writing"}
        fields: dict[str, Any] = {"spent": spent(now), "waiting": _waiting(now)}
        if now.phase != self.latest.phase:  # each phase has its own pace
            resumed = now.resumed if now.phase == "embedding" else 0
            total = now.rows if counted else None
            self._bar.reset(
                self._task, total=total, completed=resumed, description=now.phase, resumed=resumed, **fields
            )
        self._bar.update(self._task, completed=now.done if counted else now.rows, **fields)
        self.latest = now


@contextmanager
def show_progress() -> Generator[ProgressBar, None, None]:
    """Show a bar on stderr while the block runs, if stderr is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[spent]}"),
        TextColumn("{task.fields[waiting]}"),
    )
    shown = sys.stderr.isatty()
    bar = Bar(*columns, console=Console(stderr=True), disable=not shown)
    with bar if shown else nullcontext():  # rich 13 ends even a bar that is not shown with a blank line
        yield ProgressBar(bar)


def spent(now: JobProgress) -> str:
    """Tokens and cost so far, as far as they are known, and how many rows were rejected."""
    said = [f"{now.tokens:,} tokens"] if now.tokens else []
    said += [f"${now.cost:,.4f}"] if now.cost else []
    said += [f"{now.rejected:,} rejected"] if now.rejected else []
    return ", ".join(said)


def _waiting(now: JobProgress) -> str:
    if now.phase != "embedding":
        return ""
    if now.paused > 0:
        return f"paused for {now.paused:.0f} s"
    return f"waiting for {now.waiting_for}" if now.waiting_for else ""
