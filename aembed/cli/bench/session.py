"""A run of the command: the loop it is on, its progress line, Ctrl-C, and where the reports go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from aembed.bench import Progress, Report, reports_to_json
from aembed.bench.changes import Comparison
from aembed.bench.report import github_annotations, html, junit, show, step_summary
from aembed.bench.settings import unless
from aembed.cli.bench.options import Loop, Outputs, Shared
from aembed.cli.errors import CommandError, one_sentence

T = TypeVar("T")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Watch:
    """A run under the eyes of a user: ``stop`` is set by Ctrl-C, and ``say`` writes over one line on a terminal."""

    stop: asyncio.Event
    say: Callable[[str], None]

    def tell(self, now: Progress) -> None:
        """How far a run under load is."""
        self.say(
            f"{now.elapsed:.0f} of {now.seconds:.0f} s, {now.done:,} of {now.offered:,} answered, "
            f"{now.in_flight:,} in flight, {now.backlog:,} waiting, {now.errors:,} errors; Ctrl-C ends and reports"
        )


def measure(
    shared: Shared, subjects: Callable[[], Iterable[T]], run: Callable[[T, Watch], Coroutine[Any, Any, Report]]
) -> None:
    """Run each, say what came of it, and leave with the exit code that says it shortest. After Ctrl-C, no more."""

    async def all_of_them(watch: Watch) -> list[Report]:
        reports = []
        for subject in subjects():
            watch.say(f"measuring {subject}; Ctrl-C ends it")
            report = await run(subject, watch)
            reports.append(report)
            if watch.stop.is_set():
                break
        return reports

    with one_sentence():
        check_places(shared)
        reports = watched(all_of_them, shared.loop)
        publish(shared, reports)
        raise typer.Exit(max(report.verdict.exit_code for report in reports))


def unless_stopped(work: Callable[[T], Coroutine[Any, Any, Found]]) -> Callable[[T, Watch], Coroutine[Any, Any, Found]]:
    """``work``, which has nothing to report before its end: Ctrl-C ends the command."""

    async def run(subject: T, watch: Watch) -> Found:
        found = await unless(watch.stop, work(subject))
        if found is None:
            raise KeyboardInterrupt("nothing was measured")
        return found

    return run


def watched(main: Callable[[Watch], Coroutine[Any, Any, Found]], loop: Loop | None = None) -> Found:
    """What ``main`` gives, on ``loop``, with a progress line and Ctrl-C."""

    async def run() -> Found:
        async with _stopped_by_ctrl_c() as stop:
            with _progress_line() as say:
                return await main(Watch(stop, say))

    with asyncio.Runner(loop_factory=_loop(loop)) as runner:
        return runner.run(run())


def publish(outputs: Outputs, reports: Sequence[Report], comparison: Comparison | None = None) -> None:
    """Print the reports, and write them wherever the options say."""
    show(Console(), reports, comparison)
    if isinstance(outputs, Shared) and outputs.json is not None:
        write(outputs.json, reports_to_json(reports))
    if outputs.html is not None:
        write(outputs.html, html(reports, comparison=comparison).encode())
    if outputs.junit is not None:
        write(outputs.junit, junit(reports, comparison))
    if outputs.github:
        print(github_annotations(reports, comparison), end="")
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(step_summary(reports, comparison))


@asynccontextmanager
async def _stopped_by_ctrl_c() -> AsyncIterator[asyncio.Event]:
    """The first Ctrl-C ends the run, which reports what it has; the second ends the program."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    with suppress(NotImplementedError):  # Windows: Ctrl-C is an interruption there
        loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield stop
    finally:
        with suppress(NotImplementedError):
            if loop.remove_signal_handler(signal.SIGINT):
                signal.signal(signal.SIGINT, before)


@contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """On a terminal, one line on stderr that is written over."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("measuring how quiet the machine is") as status:
        yield lambda sentence: status.update(Text(sentence, no_wrap=True, overflow="ellipsis"))


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


def check_places(outputs: Outputs) -> None:
    """Before anything is measured: CommandError for a place where no result can go."""
    for path in (getattr(outputs, "json", None), outputs.html, outputs.junit):
        if path is not None and not path.parent.is_dir():
            raise CommandError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")


def write(path: Path, data: bytes) -> None:
    """CommandError where it cannot be done."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
