"""A run of the command: the loop it is on, its progress line, Ctrl-C, and where the reports go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from aembed import InputError
from aembed.bench import Progress, Report, reports_to_json
from aembed.bench.compare.changes import Comparison
from aembed.bench.report import github_annotations, html, junit, show, step_summary
from aembed.bench.rows.output import Files
from aembed.bench.settings import unless
from aembed.cli.bench.options import Loop, MeasuringOptions, ReportOutputs
from aembed.cli.bench.progress_line import ProgressLine
from aembed.cli.errors import CommandError, heeded_signals, one_sentence, printing

T = TypeVar("T")
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Watch:
    """A run under the eyes of a user: ``stop`` is set by Ctrl-C, and ``say`` writes over one line on a terminal."""

    stop: asyncio.Event
    say: Callable[[str], None]
    line: ProgressLine = field(default_factory=ProgressLine)
    exit_code: int | None = None
    """130 after Ctrl-C, 143 after ``kill``; ``None`` for a run that comes to its end."""

    def tell(self, now: Progress) -> None:
        """Progress of a run under load."""
        self.line.add(now)
        self.say(str(self.line))


def measure(
    shared: MeasuringOptions,
    subjects: Callable[[], Iterable[T]],
    run: Callable[[T, Watch], Coroutine[Any, Any, Report | None]],
    files: Files | None = None,
) -> None:
    """Run each, print its outcome, and exit with the code of the worst. After Ctrl-C, no more.

    ``run`` gives ``None`` if it has nothing to report after Ctrl-C.
    """
    left: list[T] = []

    async def all_of_them(watch: Watch) -> list[Report]:
        left.extend(subjects())
        reports, several = [], len(left) > 1
        while left and not watch.stop.is_set():
            watch.say(f"measuring {left[0]}; Ctrl-C ends it")
            watch.line.name = str(left[0]) if several else ""
            report = await run(left[0], watch)
            if report is not None:
                reports.append(report)
                del left[0]
        return reports

    with one_sentence():
        check_places(shared)
        reports, stopped = watched(all_of_them, shared.loop)
        if stopped and not reports:
            raise CommandError("interrupted; nothing was measured", stopped)
        publish(shared, reports, files=files)
        if stopped and left:
            raise CommandError(f"interrupted; not measured: {', '.join(map(str, left))}", stopped)
        raise typer.Exit(stopped or max(report.verdict.exit_code for report in reports))


def measure_all(
    options: MeasuringOptions,
    run: Callable[[Watch], Coroutine[Any, Any, Sequence[Report]]],
    files: Files | None = None,
) -> None:
    """Run once, and publish all of its reports."""
    with one_sentence():
        check_places(options)
        reports, stopped = watched(run, options.loop)
        publish(options, reports, files=files)
        raise typer.Exit(stopped or max(report.verdict.exit_code for report in reports))


def unless_stopped(
    work: Callable[[T], Coroutine[Any, Any, ResultT]],
) -> Callable[[T, Watch], Coroutine[Any, Any, ResultT | None]]:
    """``work``, which has nothing to report before its end."""
    return lambda subject, watch: unless(watch.stop, work(subject))


def watched(
    main: Callable[[Watch], Coroutine[Any, Any, ResultT]], loop: Loop | None = None
) -> tuple[ResultT, int | None]:
    """The result of ``main`` on ``loop``, with a progress line and Ctrl-C; and the exit code of what stopped it."""

    async def run() -> tuple[ResultT, int | None]:
        with _progress_line() as say:
            watch = Watch(asyncio.Event(), say)
            with _stopped_by_signals(watch):
                return await main(watch), watch.exit_code

    with asyncio.Runner(loop_factory=_loop(loop)) as runner:
        return runner.run(run())


def publish(
    outputs: ReportOutputs, reports: Sequence[Report], comparison: Comparison | None = None, files: Files | None = None
) -> None:
    """Write the reports wherever the options say, and print them: the reports survive a terminal that fails."""
    problem = _written(outputs, reports, comparison)
    if files is not None:
        try:
            files.write(reports)
        except InputError as error:
            problem = problem or CommandError(str(error))
    with printing():
        show(Console(), reports, comparison, brief=not outputs.everything)
        if outputs.github:
            print(github_annotations(reports, comparison), end="")
        sys.stdout.flush()
    if problem is not None:
        raise problem


def _written(outputs: ReportOutputs, reports: Sequence[Report], comparison: Comparison | None) -> CommandError | None:
    """All that can be; the first problem."""
    contents: list[tuple[Path | None, Callable[[], bytes]]] = [
        (outputs.json if isinstance(outputs, MeasuringOptions) else None, lambda: reports_to_json(reports)),
        (outputs.junit, lambda: junit(reports, comparison)),
        (outputs.html, lambda: html(reports, comparison=comparison).encode()),
    ]
    problems = []
    for path, content in contents:
        if path is not None:
            try:
                write(path, content())
            except CommandError as error:
                problems.append(error)
    summary = os.environ.get("GITHUB_STEP_SUMMARY") if outputs.github else None
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(step_summary(reports, comparison))
    return problems[0] if problems else None


@contextmanager
def _stopped_by_signals(watch: Watch) -> Iterator[None]:
    """The first Ctrl-C, or ``kill``, ends the run, which reports its part; the second ends the program."""
    loop, before = asyncio.get_running_loop(), {number: signal.getsignal(number) for number in heeded_signals()}

    def first(number: signal.Signals) -> None:
        watch.exit_code = 128 + number
        watch.stop.set()
        undo()

    def undo() -> None:
        for number, handler in before.items():
            if loop.remove_signal_handler(number):
                signal.signal(number, handler)

    if sys.platform == "win32":  # there Ctrl-C interrupts, and no loop has signal handlers
        yield
        return
    for number in before:
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        undo()


@contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """On a terminal, one line on stderr that is written over."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("measuring how quiet the machine is") as status:
        yield lambda sentence: status.update(one_line(sentence))


def one_line(sentence: str) -> RenderableType:
    """Cut off where the terminal ends. Padding: a spinner joins plain text to its own, which breaks into lines."""
    return Padding(Text(sentence, no_wrap=True, overflow="ellipsis"), 0)


def _loop(wanted: Loop | None) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if wanted is Loop.asyncio or (wanted is None and sys.platform == "win32"):
        return None
    try:
        import uvloop
    except ImportError:
        if wanted is None:
            return None
        raise CommandError("uvloop is not installed; pip install 'aembed[bench]', or give --loop asyncio") from None
    factory: Any = uvloop.new_event_loop
    return factory  # type: ignore[no-any-return]


def check_places(outputs: ReportOutputs) -> None:
    """Before anything is measured: CommandError for a place where no result can go."""
    for path in (getattr(outputs, "json", None), outputs.html, outputs.junit):
        if path is not None and not path.parent.is_dir():
            raise CommandError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")
        if path is not None and path.is_dir():
            raise CommandError(f"{path} is a directory; name a file")
        if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
            raise CommandError(f"{path} cannot be written: Permission denied; name another place")


def write(path: Path, data: bytes) -> None:
    """CommandError where it cannot be done."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
