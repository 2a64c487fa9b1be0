"""A progress bar on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text


class _Rate(ProgressColumn):
    """Texts a second, lately; over all in a run too short for more."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None and task.completed and task.elapsed:
            speed = task.completed / task.elapsed
        return Text("" if speed is None else f"{speed:,.0f} texts/s")


class Progress:
    """What the run reports while it goes on."""

    def __init__(self, bar: RichProgress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("opening the model", total=total)

    def opened(self) -> None:
        """The model is there, and the clock of the bar starts."""
        self._bar.reset(self._task, description="embedding")

    def advance(self, texts: int) -> None:
        """So many more texts have their vector."""
        self._bar.advance(self._task, texts)


@contextmanager
def show_progress(total: int) -> Generator[Progress, None, None]:
    """Show a bar on stderr while the block runs, if stderr is a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    shown = sys.stderr.isatty()
    bar = RichProgress(*columns, console=Console(stderr=True), disable=not shown)
    with bar if shown else nullcontext():  # rich 13 ends even a bar that is not shown with a blank line
        yield Progress(bar, total)
