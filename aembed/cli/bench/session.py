"""A run of the command: the loop it is on, its progress line, Ctrl-C, and where the reports go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from aembed.bench import Progress, Report, RunOptions, reports_to_json
from aembed.bench.changes import Comparison
from aembed.bench.report import github_annotations, html, junit, show, step_summary
from aembed.cli.bench.options import Loop, Shared
from aembed.cli.errors import CommandError, one_sentence

Measure = Callable[[RunOptions], Awaitable[Sequence[Report]]]


def measure(shared: Shared, run: Measure) -> None:
    """Run it, say what came of it, and leave with the exit code that says it shortest."""
    with one_sentence():
        _check_places(shared)
        with asyncio.Runner(loop_factory=_loop(shared.loop)) as runner:
            reports = runner.run(_measured(run))
        publish(shared, reports)
        raise typer.Exit(max(report.verdict.exit_code for report in reports))


def publish(shared: Shared, reports: Sequence[Report], comparison: Comparison | None = None) -> None:
    """Print the reports, and write them wherever the options say."""
    show(Console(), reports, comparison)
    if shared.json is not None:
        _write(shared.json, reports_to_json(reports))
    if shared.html is not None:
        _write(shared.html, html(reports, comparison=comparison).encode())
    if shared.junit is not None:
        _write(shared.junit, junit(reports, comparison))
    if shared.github:
        print(github_annotations(reports, comparison), end="")
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(step_summary(reports, comparison))


async def _measured(run: Measure) -> Sequence[Report]:
    async with _stopped_by_ctrl_c() as stop, _progress_line() as progress:
        return await run({"stop": stop, "progress": progress})


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


@asynccontextmanager
async def _progress_line() -> AsyncIterator[Callable[[Progress], None] | None]:
    """On a terminal, one line on stderr that is written over."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("measuring how quiet the machine is") as status:

        def say(now: Progress) -> None:
            status.update(
                f"{now.elapsed:.0f} of {now.seconds:.0f} s, {now.done:,} of {now.offered:,} answered, "
                f"{now.in_flight:,} in flight, {now.backlog:,} waiting, {now.errors:,} errors; Ctrl-C ends and reports"
            )

        yield say


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


def _check_places(shared: Shared) -> None:
    for path in (shared.json, shared.html, shared.junit):
        if path is not None and not path.parent.is_dir():
            raise CommandError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
